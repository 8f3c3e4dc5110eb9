"""Studies on one machine: what is planned, refused, carried out and printed."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from tiny_notebooks import write_notebook

from nn_helpers import runs, studies
from nn_helpers.__main__ import main
from nn_helpers._study_plan import Plan, read_grid, read_search
from nn_helpers.search_space import Choice, Range

RECORD = "from nn_helpers import runs\nruns.record(validation_accuracy=1 - abs(rate - 0.3))"


@pytest.fixture
def notebook(here):
    return write_notebook(here / "a.ipynb", "rate: float = 0.5\nkind: str = 'x'", RECORD)


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "nn_helpers", "study", *map(str, arguments)],
        capture_output=True,
        text=True,
    )


# ---------------------------------------------------------------- the command line's words


def test_a_grid_is_read_with_its_lists_and_types():
    grid = read_grid(["rate=0.001,1e-2", "layers=[50],[100, 50]", "kind=adam,rms", "n=1"])
    assert {name: one.values for name, one in grid.items()} == {
        "rate": (0.001, 0.01),
        "layers": ([50], [100, 50]),
        "kind": ("adam", "rms"),
        "n": (1,),
    }


def test_a_search_is_read_as_ranges_and_choices():
    assert read_search(["a=1e-4:1e-1:log", "b=3:5", "c=0:1.5", "d=relu,tanh"]) == {
        "a": Range(1e-4, 1e-1, log=True),
        "b": Range(3, 5),
        "c": Range(0, 1.5),
        "d": Choice(("relu", "tanh")),
    }


@pytest.mark.parametrize("entry", ["a", "=3", "a=", "a=5:3", "a=0:1:log", "a=x:y", "a=1:2:lin"])
def test_what_is_no_range_is_refused(entry):
    with pytest.raises(ValueError, match=r"^(a|--search) must "):
        read_search([entry])


@pytest.mark.parametrize("entries", [["a=1,1"], ["a=1,"], ["a=1", "a=2"], ["1=2"]])
def test_what_is_no_list_of_values_is_refused(entries):
    with pytest.raises(ValueError, match=r"^(a|--grid) must|^--grid a is given twice"):
        read_grid(entries)


def test_a_plan_comes_back_from_its_text(notebook):
    space = {"rate": Range(1e-3, 0.1, log=True), "kind": Choice(("x", "y"))}
    plan = studies.make_plan(notebook, space, sampler="random", n_trials=7)
    assert Plan.from_json(plan.to_json()) == plan


def test_random_points_depend_on_the_seed_alone_and_more_of_them_begin_alike(notebook):
    space = {"rate": Range(1e-3, 0.1, log=True), "kind": Choice(("x", "y"))}

    def points(n_trials, seed):
        plan = studies.make_plan(notebook, space, sampler="random", n_trials=n_trials, seed=seed)
        return plan.points()

    assert points(5, seed=1) == points(9, seed=1)[:5]
    assert points(5, seed=1) != points(5, seed=2)


# ---------------------------------------------------------------- refused before anything runs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grid", "rate=1,2", "--search", "kind=x,y"], "a study is a --grid or a --search"),
        (["--grid", "rate=1,2", "-p", "rate", "1"], "rate is fixed by -p and varies"),
        (["--grid", "rate=1,fast"], "rate must be of type float, got 'fast' (str)"),
        (["--grid", "rat=1,2"], "rat is not a parameter of a.ipynb, did you mean rate"),
        (["--search", "rate=0:1", "--trials", "0"], "trials must be at least 1, got 0"),
        (["--search", "rate=0:1", "--sampler", "gp"], "sampler must be one of grid, random, tpe"),
        (["--grid", "rate=1,2", "--workers", "0"], "workers must be at least 1, got 0"),
        (["--grid", "rate=1,2", "--study", "a/b"], "name must be a folder's name"),
        (["--grid", "rate=1,2", "--function"], "a.ipynb has no training function"),
        (["--grid", "rate=1,2", "--storage", "://x"], "got one that cannot be understood"),
        (["--grid", "rate=1,2", "--storage", "mongo://u:p@h/d"], "got mongo://u:***@h/d"),
    ],
)
def test_wrong_use_is_refused_in_one_sentence(here, notebook, capsys, arguments, message):
    assert main(["study", "a.ipynb", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(here.glob("runs/*/*.ipynb"))


def test_a_metric_that_the_executed_notebook_does_not_record_is_refused(here, notebook):
    runs.execute_in_place(notebook)
    message = r"metric must be one that a.ipynb measures \(validation_accuracy\), got valid.*, did"
    with pytest.raises(ValueError, match=message):
        studies.make_plan(notebook, {"rate": Choice((1, 2))}, metric="validation_acuracy")


def test_a_database_that_does_not_answer_is_one_sentence_without_the_password(here, notebook):
    url = "postgresql://study:secret@127.0.0.1:9/none"
    answer = command("a.ipynb", "--grid", "rate=1,2", "--storage", url)
    assert answer.returncode == 1
    assert answer.stderr.count("\n") == 1
    message = "the storage postgresql://study:***@127.0.0.1:9/none cannot be opened (connection"
    assert message in answer.stderr


# ---------------------------------------------------------------- carried out


def test_a_search_is_done_printed_and_kept(here, notebook):
    options = ("--search", "rate=0.0:1.0", "--trials", 5, "--sampler", "random", "--seed", 3)
    answer = command("a.ipynb", *options, "--study", "s", "--workers", 2)
    assert answer.returncode == 0, answer.stderr
    assert "5 of 5 finished, 0 running, 0 failed, best validation_accuracy 0." in answer.stderr
    table = studies.load_trials("s")
    assert list(table["trial"]) == [1, 2, 3, 4, 5]
    assert set(table["state"]) == {"complete"}
    assert list(table["validation_accuracy"]) == pytest.approx(1 - (table["rate"] - 0.3).abs())
    lines = answer.stdout.strip().splitlines()
    assert lines[0].split() == ["trial", "rate", "validation_accuracy", "seconds"]
    best = table.loc[table["validation_accuracy"].idxmax()]
    assert lines[2].split()[0] == str(best["trial"])
    assert lines[-1] == "s: 5 complete; kept in runs/s/study.journal"
    recorded = runs.load_runs()
    assert sorted(recorded["rate"]) == sorted(table["rate"])

    again = command("a.ipynb", *options, "--study", "s")
    assert again.returncode == 0
    assert "study s: all 5 trials are done" in again.stderr
    pd.testing.assert_frame_equal(studies.load_trials("s"), table)

    other = command("a.ipynb", "--grid", "rate=1,2", "--study", "s")
    assert other.returncode == 2
    assert "the study s was started with another sampler, seed, space" in other.stderr


def test_a_study_is_prolonged_by_more_trials(here, notebook):
    space = {"rate": Range(0.0, 1.0)}
    tables = []
    for n_trials in (2, 4):
        plan = studies.make_plan(notebook, space, sampler="random", n_trials=n_trials)
        tables.append(studies.run_study(plan))
    assert len(runs.load_runs()) == 4
    pd.testing.assert_frame_equal(tables[1].head(2), tables[0], check_dtype=False)


def test_a_tpe_search_goes_where_it_is_better(here, notebook):
    plan = studies.make_plan(notebook, {"rate": Range(0.0, 1.0)}, sampler="tpe", n_trials=3)
    table = studies.run_study(plan)
    assert len(table) == 3
    assert table["rate"].is_unique


def test_failing_trials_are_named_and_do_not_stop_the_others(here):
    write_notebook(
        here / "a.ipynb",
        "rate: float = 0.5",
        "if rate > 1:\n    raise ValueError(f'{rate} is too fast')",
        "from nn_helpers import runs\nif rate < 1:\n    runs.record(validation_accuracy=rate)",
    )
    answer = command("a.ipynb", "--grid", "rate=0.5,1.0,2.0", "--study", "s")
    assert answer.returncode == 1
    lines = answer.stdout.strip().splitlines()
    assert lines[-3] == "s: 2 failed, 1 complete; kept in runs/s/study.journal"
    assert lines[-2] == (
        "trial 2 failed: no number was measured as validation_accuracy, but nothing"
    )
    assert lines[-1].startswith(
        "trial 3 failed: a.ipynb failed in cell [3] with ValueError: 2.0 is too fast; its copy is"
    )


def test_a_worker_that_always_dies_fails_its_trial_after_three_attempts(here):
    write_notebook(here / "a.ipynb", "rate: float = 0.5", RECORD)
    source = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"
    write_notebook(here / "deadly.ipynb", "rate: float = 0.5", source, RECORD)
    answer = command("deadly.ipynb", "--grid", "rate=0.1", "--study", "s", "--workers", 4)
    assert answer.returncode == 1
    assert answer.stderr.count("a worker was ended by SIGKILL; its trial is done again") >= 3
    [trial] = studies.load_trials("s").to_dict("records")
    assert (trial["state"], trial["error"]) == ("failed", "its worker died 3 times")


def test_each_of_two_workers_has_its_share_of_the_cores(here):
    write_notebook(
        here / "a.ipynb",
        "rate: float = 0.5",
        "import os\nfrom nn_helpers import runs\n"
        "runs.record(validation_accuracy=len(os.sched_getaffinity(0)),"
        " threads=int(os.environ['OMP_NUM_THREADS']))",
    )
    plan = studies.make_plan(here / "a.ipynb", {"rate": Choice((0.1, 0.2))})
    table = studies.run_study(plan, n_workers=2)
    share = max(1, len(os.sched_getaffinity(0)) // 2)
    assert set(table["validation_accuracy"]) == {share}
    assert set(runs.load_runs()["threads"]) == {share}


def test_there_is_no_study_of_another_name(here):
    with pytest.raises(ValueError, match=r"^there is no study s in runs/$"):
        studies.load_trials("s")


# ---------------------------------------------------------------- disks


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 400 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if os.getuid() or not shutil.which("mount") or subprocess.run(mount).returncode:
        pytest.skip("only root may mount a small disk, and not everywhere")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def fill(disk):
    with pytest.raises(OSError, match="No space left"):
        (disk / "filling").write_bytes(bytes(2**20))


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_that_takes_nothing_is_one_sentence_and_loses_no_run(
    here, notebook, small_disk, monkeypatch, fault
):
    monkeypatch.setenv("NN_HELPERS_RUNS", str(small_disk / "runs"))
    runs.run_notebooks(notebook)
    before = runs.load_runs()
    files = {p: p.read_bytes() for p in small_disk.rglob("*") if p.is_file()}
    if fault == "full":
        fill(small_disk)
    else:
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    reason = "No space left on device" if fault == "full" else "Read-only file system"
    for arguments in (["run", "a.ipynb"], ["study", "a.ipynb", "--grid", "rate=1,2"]):
        answer = subprocess.run(
            [sys.executable, "-m", "nn_helpers", *arguments], capture_output=True, text=True
        )
        assert answer.returncode == 1
        [sentence] = [line for line in answer.stderr.splitlines() if line.startswith("error: ")]
        assert reason in sentence
        assert "Traceback" not in answer.stderr
    assert {path: path.read_bytes() for path in files} == files
    complete = runs.load_runs()
    pd.testing.assert_frame_equal(complete[complete["run"].isin(before["run"])], before)


def test_a_disk_that_fills_up_in_mid_study_stops_it_and_the_study_goes_on(here, small_disk):
    filler = small_disk / "filling"
    source = f"from pathlib import Path\nif rate > 1:\n    Path({str(filler)!r}).write_bytes"
    write_notebook(
        here / "a.ipynb",
        "rate: float = 0.5",
        f"{source}(b'x' * 200_000) if not Path('free').exists() else None",
        "'y' * 150_000",
        "from nn_helpers import runs\nruns.record(validation_accuracy=rate)",
    )
    os.environ["NN_HELPERS_RUNS"] = str(small_disk / "runs")
    first = command("a.ipynb", "--grid", "rate=0.5,2.0", "--study", "s")
    assert first.returncode == 1
    assert "No space left on device" in first.stderr
    assert "the same command goes on" in first.stderr
    assert "Traceback" not in first.stderr
    filler.unlink()
    (here / "free").touch()
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    second = command("a.ipynb", "--grid", "rate=0.5,2.0", "--study", "s")
    assert second.returncode == 0, second.stderr
    assert list(studies.load_trials("s")["state"]) == ["complete", "complete"]
