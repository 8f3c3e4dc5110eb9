import os
import signal
import subprocess
import sys
import time

import pytest
from tiny_notebooks import outputs_of, write_notebook

from nn_helpers.__main__ import main


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "nn_helpers", *map(str, arguments)], capture_output=True, text=True
    )


def test_help_shows_the_commands_and_each_an_example():
    whole = command("--help")
    assert whole.returncode == 0
    for name in ("run", "runs", "study", "execute"):
        assert f"    {name} " in whole.stdout
        answer = command(name, "--help")
        assert answer.returncode == 0
        assert f"python -m nn_helpers {name}" in answer.stdout.partition("example")[2]


def test_run_prints_the_table_and_nothing_else_on_standard_output(here):
    notebook = write_notebook(
        here / "book" / "a.ipynb",
        "rate = 0.01\nlayers = [50]",
        "from nn_helpers import runs\nruns.record(test_accuracy=rate, n_layers=len(layers))",
    )
    options = ("-p", "rate", "0.875", "-p", "layers", "[1, 2]", "--output", "out")
    (here / "more.yaml").write_text("rate: 7\n")
    answer = command("run", "-f", "more.yaml", *options, notebook)
    assert answer.returncode == 0, answer.stderr
    assert "warning" not in answer.stderr.lower()
    assert answer.stderr.startswith(
        "1 notebook, copies in out\n[1/1] a: running\n[1/1] a: done in "
    )
    lines = answer.stdout.strip().splitlines()
    assert lines[2].split()[:5] == ["a", "–", "–", "–", "0.8750"]
    assert lines[-2:] == ["Executed copies:", "  out/a.ipynb"]
    assert (here / "out" / "a.ipynb").is_file()


def test_a_failing_notebook_is_exit_code_1(here, capsys):
    write_notebook(here / "a.ipynb", "rate = 1", "raise ValueError(f'rate is {rate}')")
    assert main(["run", "a.ipynb", "-p", "rate", "-3"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    last = err.splitlines()[-1]
    assert last.startswith(
        "a.ipynb failed in cell [3] with ValueError: rate is -3; its copy is runs/"
    )
    copy = last.rpartition(" ")[2]
    assert outputs_of(here / copy)[-1][0].ename == "ValueError"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["walk"], "invalid choice: 'walk'"),
        (["run", "-p", "rate"], "argument -p/--parameters: expected 2 arguments"),
        (["run", "none.ipynb"], "none.ipynb does not exist; give the path of a notebook"),
        (["run", "text.txt"], "text.txt is not a Jupyter notebook"),
        (["run", "a.ipynb", "-p", "rat", "1"], "rat is not a parameter of a.ipynb, did you mean"),
        (["run", "a.ipynb", "-y", "[1"], "the YAML text '[1' must be YAML, such as n_epochs: 2"),
        (["run", "a.ipynb", "-f", "none.yaml"], "No such file or directory: 'none.yaml'"),
        (["study", "a.ipynb"], "a study needs at least one parameter that varies"),
        (["study", "a.ipynb", "--grid", "rate=1,2", "--trials", "3"], "leave --trials and"),
        (["study", "a.ipynb", "--grid", "rat=1,2"], "rat is not a parameter of a.ipynb, did you"),
        (["run", "a.ipynb", "--output", "."], "the copies cannot go beside the notebooks"),
        (["execute", "none.ipynb"], "none.ipynb does not exist"),
    ],
)
def test_wrong_use_is_exit_code_2(here, capsys, arguments, message):
    write_notebook(here / "a.ipynb", "rate = 1")
    (here / "text.txt").write_text("text")
    try:
        code = main(arguments)
    except SystemExit as stop:  # argparse's own
        code = stop.code
    assert code == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_sentence(here, capsys):
    write_notebook(here / "a.ipynb", "rate = 1")
    (here / "runs").write_text("a file where the folder should be")
    assert main(["run", "a.ipynb"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_execute_replaces_good_notebooks_only(here, capsys):
    good = write_notebook(here / "good.ipynb", "print('done')")
    bad = write_notebook(here / "bad.ipynb", "1 / 0")
    before = bad.read_bytes()
    assert main(["execute", "good.ipynb", "bad.ipynb"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "----> 1 1 / 0" in err
    assert err.splitlines()[-1] == (
        "bad.ipynb failed in cell [1] with ZeroDivisionError: division by zero; "
        "the file stays as it was"
    )
    assert outputs_of(good)[0][0].text == "done\n"
    assert bad.read_bytes() == before


SLEEP = "import os\nfrom pathlib import Path\nPath('pid').write_text(str(os.getpid()))\n" + (
    "import time; time.sleep(60)"
)


def test_an_interrupt_ends_a_command_and_its_kernel(here):
    started = []
    for name in ("run", "execute"):
        notebook = write_notebook(here / name / "a.ipynb", "1", SLEEP)
        process = subprocess.Popen(
            [sys.executable, "-m", "nn_helpers", name, str(notebook)],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append((notebook, notebook.read_bytes(), process))
    for notebook, before, process in started:
        pid_file = notebook.parent / "pid"
        _wait_for(lambda file=pid_file: file.exists() and file.read_text())
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 130
        last = "interrupted; what was done stays as it is"
        assert err.splitlines()[-1] == last
        assert "Traceback" not in err
        _wait_for(lambda file=pid_file: not _is_alive(int(file.read_text())))
        assert notebook.read_bytes() == before


def _wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
