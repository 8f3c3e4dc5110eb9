"""Studies whose workers are killed and whose database is started anew: nothing lost or doubled."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import optuna
import psutil
import pytest
from postgres_server import PostgresServer, find_binaries
from sqlalchemy import event
from tiny_notebooks import write_notebook

from nn_helpers import runs, studies
from nn_helpers._study_storage import open_storage

RATES = [round(0.05 * k, 2) for k in range(1, 13)]
SLOW = "import time; time.sleep(1)"
RECORD = "from nn_helpers import runs\nruns.record(validation_accuracy=rate)"


@pytest.fixture
def server(tmp_path):
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    # Not below tmp_path, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    folder.chmod(0o755)
    running = PostgresServer(binaries, folder / "server")
    yield running
    running.stop()
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def slow_notebook(here):
    return write_notebook(here / "slow.ipynb", "rate: float = 0.5", SLOW, RECORD)


def start_study(*options):
    grid = ",".join(map(str, RATES))
    command = [sys.executable, "-m", "nn_helpers", "study", "slow.ipynb", "--grid", f"rate={grid}"]
    return subprocess.Popen(
        [*command, "--study", "rates", *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def workers_of(command):
    return [
        child
        for child in psutil.Process(command.pid).children()
        if "nn_helpers._study_worker" in child.cmdline()
    ]


def trials_of(storage):
    try:
        study = optuna.load_study(study_name="rates", storage=open_storage(storage))
    except (KeyError, OSError):
        return []
    return study.get_trials(deepcopy=False)


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def counted(storage):
    return Counter(trial.state.name for trial in trials_of(storage))


def worker_names(storage):
    return {t.user_attrs.get("worker") for t in trials_of(storage) if t.state.name == "RUNNING"}


def check_each_once(storage):
    """Each point of the grid is complete exactly once, in our table and in Optuna's own."""
    table = studies.load_trials("rates", storage)
    assert list(table["rate"]) == RATES
    assert list(table["validation_accuracy"]) == RATES
    assert set(table["state"]) == {"complete"}
    trials = trials_of(storage)
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    assert sorted(trial.params["rate"] for trial in complete) == RATES
    assert not [trial for trial in trials if not trial.state.is_finished()]
    recorded = runs.load_runs().set_index("run")
    assert len(recorded) >= len(RATES)
    for trial in complete:
        run = recorded.loc[f"rates/{trial.user_attrs['run']}"]
        assert (run["status"], run["rate"]) == ("complete", trial.params["rate"])
    return trials


@pytest.mark.slow
def test_four_machines_one_killed_and_the_database_started_anew(here, server):
    options = ("--storage", server.url, "--grace", 6)
    commands = [start_study(*options) for _ in range(4)]
    wait_for(lambda: counted(server.url)["RUNNING"] == 4)

    victim = commands[0]
    doomed = [victim.pid, *(child.pid for child in workers_of(victim))]
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    assert counted(server.url)["COMPLETE"] < len(RATES)
    server.stop()
    time.sleep(2)
    server.start()

    for command in commands[1:]:
        out, err = command.communicate(timeout=240)
        assert command.returncode == 0, err
        assert "Traceback" not in err
        assert f"{len(RATES)} complete" in out
    trials = check_each_once(server.url)
    assert "died" in [trial.user_attrs.get("lost") for trial in trials]
    victim.communicate()


def test_a_database_that_dies_in_the_middle_of_a_query_is_waited_for(server):
    """Optuna takes the lost connection for too large a query, and asks again on the broken one."""
    storage = open_storage(server.url)
    study = optuna.create_study(storage=storage, study_name="rates")
    study.add_trial(optuna.trial.create_trial(value=1.0))
    restarted = []

    def restart(_connection, _cursor, statement, *_):
        if "FROM trials" in statement and not restarted:
            restarted.append(True)
            server.stop()
            server.start()

    event.listen(storage._backend.engine, "before_cursor_execute", restart)
    assert [trial.value for trial in study.get_trials(deepcopy=False)] == [1.0]
    assert restarted


@pytest.mark.slow
def test_two_workers_on_a_file_one_killed(here):
    command = start_study("--workers", 2)
    storage = str(here / "runs" / "rates" / "study.journal")
    wait_for(lambda: counted(storage)["RUNNING"] == 2 and counted(storage)["COMPLETE"] > 1)
    workers_of(command)[0].kill()
    _, err = command.communicate(timeout=240)
    assert command.returncode == 0, err
    assert "a worker was ended by SIGKILL; its trial is done again" in err
    assert "Traceback" not in err
    check_each_once(storage)


@pytest.mark.slow
def test_a_study_goes_on_after_everything_was_stopped(here):
    first = start_study("--workers", 2)
    storage = str(here / "runs" / "rates" / "study.journal")
    wait_for(lambda: counted(storage)["COMPLETE"] > 1)
    started = workers_of(first)
    first.send_signal(signal.SIGINT)
    _, err = first.communicate(timeout=60)
    assert first.returncode == 130
    assert err.splitlines()[-1] == "interrupted; the same command goes on"
    assert "Traceback" not in err
    assert not any(worker.is_running() for worker in started)
    done = counted(storage)["COMPLETE"]
    assert not counted(storage)["RUNNING"]

    second = start_study("--workers", 2)
    _, err = second.communicate(timeout=240)
    assert second.returncode == 0, err
    trials = check_each_once(storage)
    assert 0 < done < len(RATES)
    assert {t.user_attrs.get("lost") for t in trials} <= {None, "stopped"}
