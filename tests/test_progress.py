from time import monotonic

import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from nn_helpers._progress import progress_bar, track

COUNT_TO_THREE = """
import time
from nn_helpers._progress import track
for item in track("abc", 3, "counting <3"):
    time.sleep(0.15)
"""
FAST = """
from nn_helpers._progress import progress_bar
bar = progress_bar(10_000, "fast")
for _ in range(10_000):
    bar.update()
bar.close()
"""


def test_an_executed_notebook_keeps_nothing_of_it():
    notebook = new_notebook(cells=[new_code_cell(COUNT_TO_THREE)])
    NotebookClient(notebook, kernel_name="python3").execute()
    assert notebook.cells[0].outputs == []


@pytest.fixture(scope="module")
def person():
    """Run code as a front end with a person before it; return the display messages."""
    manager, client = start_new_kernel(kernel_name="python3")

    def run(code):
        messages = []

        def keep(message):
            if message["msg_type"] in ("display_data", "update_display_data", "stream", "error"):
                messages.append(message)

        client.execute_interactive(code, allow_stdin=True, output_hook=keep, timeout=30)
        return messages

    yield run
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_person_sees_a_bar_that_ends_empty(person):
    messages = person(COUNT_TO_THREE)
    kinds = [message["msg_type"] for message in messages]
    assert kinds == ["display_data", *["update_display_data"] * 4]
    texts = [message["content"]["data"]["text/plain"] for message in messages]
    assert texts == [*(f"counting <3: {done} of 3" for done in range(4)), ""]
    html = [message["content"]["data"].get("text/html") for message in messages]
    assert html[2] == '<progress value="2" max="3"></progress> counting &lt;3: 2 of 3'
    assert html[-1] is None
    assert len({message["content"]["transient"]["display_id"] for message in messages}) == 1


def test_a_bar_that_is_cut_short_ends_empty_too(person):
    messages = person(COUNT_TO_THREE + "    raise ValueError('enough')")
    assert [message["msg_type"] for message in messages[-2:]] == ["update_display_data", "error"]
    assert messages[-2]["content"]["data"] == {"text/plain": ""}


def test_ten_thousand_updates_are_few_messages(person):
    started = monotonic()
    messages = person(FAST)
    assert len(messages) <= 3 + 10 * (monotonic() - started)
    assert messages[-1]["content"]["data"] == {"text/plain": ""}


def test_a_terminal_shows_tqdm_and_a_file_nothing(capsys, monkeypatch):
    assert list(track("abc", 3, "counting")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    bar = progress_bar(2, "fetching", unit="B", scale=True)
    bar.update()
    bar.set_postfix_str("data")
    bar.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert "fetching" in err
    assert "1.00/2.00" in err
