"""What a run leaves: its record, whatever ends it, its logs, and the table of all runs."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tiny_notebooks import write_notebook

from nn_helpers import datasets, runs
from nn_helpers.__main__ import main

DECLARE = "rate: float = 0.5\nlayers: list = [50]\nseed: int = 3\ndata_dir: str = None"
RECORD = "from nn_helpers import runs\nruns.record(test_accuracy=rate, name='x', rate=2 * rate)"


def git(*arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def only_record(here):
    [path] = (here / "runs").glob("*/run.json")
    return json.loads(path.read_text())


def test_a_run_records_what_it_needs_to_be_repeated(here):
    write_notebook(here / "a.ipynb", DECLARE, RECORD)
    (here / ".gitignore").write_text("runs\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    results = runs.run_notebooks("a.ipynb", parameters={"rate": 0.25})
    (here / "new.txt").touch()
    runs.run_notebooks("a.ipynb", parameters={"rate": 0.75})
    first, second = runs.load_runs().to_dict("records")

    record = json.loads((here / results["file"][0]).with_name("run.json").read_text())
    parameters = {"rate": 0.25, "layers": [50], "seed": 3, "data_dir": None}
    assert record["parameters"] == parameters
    assert record["given"] == {"rate": 0.25}
    assert record["metrics"] == {"test_accuracy": 0.25, "name": "x", "rate": 0.5}
    assert (record["status"], record["seed"], record["notebook"]) == ("complete", 3, "a")
    assert record["data"]["sha256"] == datasets.content_digest()
    assert record["versions"]["tensorflow"] == version("tensorflow")
    assert record["git"] == {"commit": git("rev-parse", "HEAD"), "clean": True}

    assert (first["status"], first["test_accuracy"], first["rate"]) == ("complete", 0.25, 0.5)
    assert (first["parameter_rate"], first["seed"], first["layers"]) == (0.25, 3, [50])
    assert (first["clean"], second["clean"]) == (True, False)
    assert first["commit"] == second["commit"] == record["git"]["commit"]
    age = pd.Timestamp.now("UTC") - second["started"]
    assert pd.Timedelta(0) < age < pd.Timedelta("5min")


def test_what_a_run_without_git_or_data_does_not_know_is_left_open(here):
    write_notebook(here / "a.ipynb", "rate: float = 0.5", "1 + 1")
    runs.run_notebooks("a.ipynb")
    record = only_record(here)
    assert (record["git"], record["data"], record["seed"], record["metrics"]) == (None,) * 3 + ({},)
    [row] = runs.load_runs().to_dict("records")
    assert (row["status"], row["commit"]) == ("complete", None)


def test_a_failed_run_keeps_what_it_measured_and_why_it_failed(here):
    write_notebook(here / "a.ipynb", DECLARE, RECORD, "1 / 0")
    with pytest.raises(runs.RunError):
        runs.run_notebooks("a.ipynb")
    record = only_record(here)
    assert record["status"] == "failed"
    assert "a.ipynb failed in cell [3] with ZeroDivisionError" in record["error"]
    assert record["metrics"]["test_accuracy"] == 0.5


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_is_marked_as_such(here, end):
    started = here / "started"
    sleep = f"from pathlib import Path\nPath({str(started)!r}).touch()\nimport time; time.sleep(60)"
    write_notebook(here / "a.ipynb", DECLARE, RECORD, sleep)
    process = subprocess.Popen(
        [sys.executable, "-m", "nn_helpers", "run", "a.ipynb"],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not started.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert list(runs.load_runs()["status"]) == ["running"]
    assert only_record(here)["status"] == "running"
    process.send_signal(end)
    process.wait(30)
    assert list(runs.load_runs()["status"]) == ["interrupted"]
    assert only_record(here)["status"] == "interrupted"
    [copy] = (here / "runs").glob("*/a.ipynb")
    json.loads(copy.read_text())  # whole
    assert not list((here / "runs").glob("*/.*"))


def test_logs_go_into_the_run_and_tensorboard_reads_its_hyperparameters(here):
    write_notebook(
        here / "a.ipynb",
        DECLARE,
        "from nn_helpers import runs\n(runs.log_dir('a') / 'note').touch()",
        RECORD,
    )
    runs.run_notebooks("a.ipynb")
    [run] = (here / "runs").iterdir()
    assert len(list(run.glob("logs/*/note"))) == 1
    events = EventAccumulator(str(run / "logs"))
    events.Reload()
    tags = events.summary_metadata
    content = tags["_hparams_/session_start_info"].plugin_data.content
    given = hparams_metadata.parse_session_start_info_plugin_data(content)
    values = {name: getattr(v, v.WhichOneof("kind")) for name, v in given.hparams.items()}
    assert values == {"rate": 0.5, "layers": "[50]", "seed": 3.0, "data_dir": "null"}
    assert given.group_name
    scalars = {tag: events.Tensors(tag)[0].tensor_proto.float_val[0] for tag in ("test_accuracy",)}
    assert scalars == {"test_accuracy": 0.5}


def test_the_table_can_be_sorted_by_any_number(here, capsys):
    write_notebook(here / "a.ipynb", DECLARE, RECORD)
    for rate in (0.25, 0.75, 0.5):
        runs.run_notebooks("a.ipynb", parameters={"rate": rate})
    capsys.readouterr()
    assert main(["runs", "--sort", "test_accuracy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition("=")[2] for line in lines[2:]] == ["0.75", "0.5", "0.25"]
    assert main(["runs", "--sort", "seed"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[-3:] == ["seed", "seconds", "given"]
    assert main(["runs", "--sort", "sed"]) == 2
    assert "sed is not a number that any run has, did you mean seed" in capsys.readouterr().err


def test_no_runs_yet_is_no_error(here, capsys):
    assert main(["runs"]) == 0
    assert "no run is recorded yet" in capsys.readouterr().out
    assert runs.load_runs().empty


def test_help_comes_at_once():
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "nn_helpers", "--help"], check=True, stdout=subprocess.DEVNULL
        )
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.5


def test_a_copy_elsewhere_is_another_one(here):
    write_notebook(here / "a.ipynb", DECLARE, RECORD)
    runs.run_notebooks("a.ipynb", output_dir="out")
    [copy] = (here / "runs").glob("*/a.ipynb")
    assert copy.read_bytes() == Path("out/a.ipynb").read_bytes()
    assert os.listdir("out") == ["a.ipynb"]
