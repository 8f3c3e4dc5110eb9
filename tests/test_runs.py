import json
import math
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from tiny_notebooks import outputs_of, write_notebook

from nn_helpers import _places, runs

DECLARE = (
    "learning_rate: float = 0.01  # step size of the optimiser\nhidden_layers: list = [50]",
    "from nn_helpers import runs",
)
MEASURE = (
    "import os, sys\n"
    "runs.record(train_cost=0.341234567, test_accuracy=0.5)\n"
    "runs.record(here=os.getcwd(), python=sys.executable)",
    "runs.record(test_accuracy=0.8612, rate=learning_rate, n_layers=len(hidden_layers))",
)


@pytest.fixture
def runs_here(tmp_path, monkeypatch):
    monkeypatch.setenv("NN_HELPERS_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


# ---------------------------------------------------------------- record


def test_record_prints_aligned_lines_outside_ipython(capsys):
    runs.record(test_accuracy=0.86123, n=3, ok=True, tiny=2.5e-7, name="mlp", big=1.5e9)
    assert capsys.readouterr().out.splitlines() == [
        "test_accuracy = 0.8612",
        "n             = 3",
        "ok            = True",
        "tiny          = 2.5e-07",
        "name          = mlp",
        "big           = 1.5e+09",
    ]


class Tensor:
    """As TensorFlow's: ``numpy()`` and ``__array__``, no ``item()``."""

    def __init__(self, value):
        self.value = value

    def numpy(self):
        return np.float32(self.value)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.numpy())


def test_record_takes_numpy_and_tensors(capsys):
    runs.record(a=np.float32(0.5), b=np.array(3), c=np.bool_(True), d=Tensor(0.25))
    assert capsys.readouterr().out == "a = 0.5000\nb = 3\nc = True\nd = 0.2500\n"


@pytest.mark.parametrize(
    ("metrics", "error", "message"),
    [
        ({"cost": math.nan}, ValueError, "cost must be finite to be recorded, got nan"),
        ({"cost": np.float32("inf")}, ValueError, "cost must be finite to be recorded, got inf"),
        ({"cost": None}, TypeError, "cost must be a number, a string or a bool, got None"),
        ({"cost": [0.1]}, TypeError, r"cost must be .*, got \[0.1\] \(list\)"),
        ({"cost": np.ones(2)}, TypeError, r"cost must be .*, got array\(\[1., 1.\]\)"),
        ({"a b": 1}, ValueError, "a metric's name must be a Python identifier, got 'a b'"),
        ({}, ValueError, "record needs at least one metric"),
    ],
)
def test_record_refuses(metrics, error, message, capsys):
    with pytest.raises(error, match=f"^{message}"):
        runs.record(ok=1, **metrics) if metrics else runs.record()
    assert capsys.readouterr().out == ""


# ---------------------------------------------------------------- a real run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run two notebooks where a machine's settings are against it; return what came out."""
    folder = tmp_path_factory.mktemp("a {folder} of é")
    write_notebook(folder / "kernels" / "unused.ipynb", "")
    kernel = {"argv": ["/bin/false"], "display_name": "another", "language": "python"}
    spec = folder / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir()
    spec.write_text(json.dumps(kernel))
    notebooks = [
        write_notebook(folder / "book" / "01_measure.ipynb", *DECLARE, *MEASURE),
        write_notebook(folder / "book" / "02_silent.ipynb", "n_epochs: int = 3", "print(n_epochs)"),
    ]
    before = [path.read_bytes() for path in notebooks]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder))
        patch.setenv("NN_HELPERS_RUNS", str(folder / "runs"))
        patch.chdir(folder)
        parameters = {"learning_rate": 0.5, "hidden_layers": [100, 50], "n_epochs": 7}
        results = runs.run_notebooks(notebooks, parameters=parameters)
    assert [path.read_bytes() for path in notebooks] == before
    return folder, results


def test_a_run_gives_a_row_for_each_notebook(run):
    _, results = run
    assert list(results["notebook"]) == ["01_measure", "02_silent"]
    assert (results["seconds"] > 0).all()
    assert results["test_accuracy"][0] == 0.8612
    assert np.isnan(results["test_accuracy"][1])


def test_each_copy_stands_in_a_new_folder_that_carries_the_time(run):
    folder, results = run
    for file, name in zip(results["file"], results["notebook"], strict=True):
        assert (folder / file).is_file()
        stamp, _, rest = (folder / file).parent.name.partition(f"_{name}")
        pd.to_datetime(stamp, format="%Y-%m-%d_%H%M%S")
        assert rest == ""
        assert (folder / file).parent.parent == folder / "runs"


def test_read_metrics_merges_and_the_later_value_counts(run):
    folder, results = run
    assert runs.read_metrics(folder / results["file"][0]) == {
        "train_cost": 0.341234567,
        "test_accuracy": 0.8612,
        "here": str(folder / "book"),
        "python": sys.executable,
        "rate": 0.5,
        "n_layers": 2,
    }


def test_each_notebook_receives_the_parameters_that_it_declares(run):
    folder, results = run
    silent = nbformat.read(folder / results["file"][1], as_version=4)
    assert [cell.source for cell in silent.cells] == [
        "n_epochs: int = 3",
        "# Parameters\nn_epochs = 7\n",
        "print(n_epochs)",
    ]
    assert silent.cells[-1].outputs[0].text == "7\n"


def test_record_shows_text_beside_the_data(run):
    folder, results = run
    output = outputs_of(folder / results["file"][0])[-1][0]
    assert output.data["text/plain"] == (
        "test_accuracy = 0.8612\nrate          = 0.5000\nn_layers      = 2"
    )
    assert output.data[runs.METRICS_MIME]["n_layers"] == 2


def test_the_table_fits_and_lists_the_files(run):
    _, results = run
    lines = runs.format_results(results).splitlines()
    assert lines[0].split("  ")[0] == "notebook"
    assert lines[2].split()[:5] == ["01_measure", "0.3412", "–", "–", "0.8612"]
    assert lines[3].split()[:5] == ["02_silent", "–", "–", "–", "–"]
    assert lines[-2:] == [f"  {file}" for file in results["file"]]


def test_the_table_fits_with_long_names_and_every_metric():
    row = {
        "notebook": "a_very_long_name" * 9,
        "seconds": 12345.678,
        "file": "runs/x.ipynb",
        "train_cost": 123.456789,
        "train_accuracy": 1,
        "test_accuracy": "high",
        "best_validation_accuracy_random_search": 0.87,
        "best_validation_accuracy_gaussian_process": 0.88,
    }
    lines = runs.format_results(pd.DataFrame([row])).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[2].split()[1:] == ["123.4568", "1.0000", "0.8800", "–", "12345.7"]


# ---------------------------------------------------------------- failures


def test_a_failing_cell_ends_the_run_and_keeps_its_copy(tmp_path, capsys):
    good = write_notebook(tmp_path / "good.ipynb", "1 + 1")
    bad = write_notebook(
        tmp_path / "bad.ipynb",
        "rate = 1",
        "raise ValueError('rate must be positive\\nreally')",
        "2",
    )
    with pytest.raises(runs.RunError) as failure:
        runs.run_notebooks([bad, good], output_dir=tmp_path / "out", parameters={"rate": -1})
    assert str(failure.value) == (
        "bad.ipynb failed in cell [3] with ValueError: rate must be positive; "
        f"its copy is {tmp_path / 'out' / 'bad.ipynb'}"
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["bad.ipynb"]
    assert "[1/2] bad: running" in capsys.readouterr().err


def test_a_kernel_that_dies_is_told(tmp_path):
    path = write_notebook(
        tmp_path / "dies.ipynb", "print('before')", "import os; os.kill(os.getpid(), 9)"
    )
    with pytest.raises(runs.RunError, match=r"^dies.ipynb lost its kernel, .* its copy is [^\n]*$"):
        runs.run_notebooks(path, output_dir=tmp_path / "out")
    assert outputs_of(tmp_path / "out" / "dies.ipynb")[0][0].text == "before\n"


def test_a_finished_kernel_is_shut_down_without_an_interrupt(tmp_path):
    """A kernel that is still tidying up would report one on standard error."""
    path = write_notebook(
        tmp_path / "a.ipynb",
        "from pathlib import Path",
        "def note(*_):\n    Path('interrupted').touch()\n"
        "get_ipython().kernel.saved_sigint_handler = note",
        "import atexit\natexit.register(Path('ended').touch)",
    )
    runs.run_notebooks(path, output_dir=tmp_path / "out")
    assert (tmp_path / "ended").exists()
    assert not (tmp_path / "interrupted").exists()


def test_wrong_use_is_refused_before_anything_runs(tmp_path, runs_here):
    path = write_notebook(tmp_path / "book" / "a.ipynb", "n_epochs = 1")
    other = write_notebook(tmp_path / "other" / "a.ipynb", "n_epochs = 1")
    refuse = pytest.raises
    with refuse(FileNotFoundError, match=r"none.ipynb does not exist; give the path of a notebook"):
        runs.run_notebooks([path, tmp_path / "none.ipynb"])
    message = r"^n_epoch is not a parameter of a.ipynb, did you mean n_epochs; declared: n_epochs$"
    with refuse(ValueError, match=message):
        runs.run_notebooks(path, parameters={"n_epoch": 2})
    with refuse(ValueError, match=r"^the copies cannot go beside the notebooks"):
        runs.run_notebooks(path, output_dir=tmp_path / "other" / ".." / "book")
    with refuse(FileExistsError, match=r"a.ipynb exists already; choose another folder"):
        runs.run_notebooks(path, output_dir=other.parent)
    with refuse(ValueError, match=r"^two notebooks are called a.ipynb"):
        runs.run_notebooks([path, other], output_dir=tmp_path / "out")
    assert not runs_here.exists()


@pytest.mark.parametrize("text", ["", "<html>", "[]", "{}", '{"cells": [3]}', "\0\xff"])
def test_read_metrics_refuses_what_is_no_notebook(tmp_path, text):
    path = tmp_path / "out.ipynb"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"out.ipynb is not a Jupyter notebook; give the path of"):
        runs.read_metrics(path)


def test_read_metrics_says_what_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.ipynb does not exist"):
        runs.read_metrics(tmp_path / "none.ipynb")
    with pytest.raises(ValueError, match=r"is not a Jupyter notebook"):
        runs.read_metrics(tmp_path)
    path = write_notebook(tmp_path / "new.ipynb", "1")
    with pytest.raises(ValueError, match=r"new.ipynb holds no recorded metrics; execute a"):
        runs.read_metrics(str(path))


# ---------------------------------------------------------------- places


def test_log_dir_is_new_each_time(runs_here):
    folders = {runs.log_dir("03_tensorflow_mlp") for _ in range(3)}
    assert len(folders) == 3
    assert {folder.parent for folder in folders} == {runs_here / "logs" / "03_tensorflow_mlp"}
    assert all(folder.is_dir() for folder in folders)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/tmp", "a/"])
def test_log_dir_refuses_a_path(runs_here, name):
    with pytest.raises(ValueError, match=r"^name must be a folder's name without slashes, got "):
        runs.log_dir(name)
    assert not runs_here.exists()


def test_runs_go_into_the_project_or_where_one_stands(monkeypatch, tmp_path):
    monkeypatch.delenv("NN_HELPERS_RUNS", raising=False)
    project = Path(runs.__file__).parents[1]
    assert runs.runs_dir() == project / "runs"
    monkeypatch.setattr(_places, "__file__", str(tmp_path / "site" / "nn_helpers" / "runs.py"))
    monkeypatch.chdir(tmp_path)
    assert runs.runs_dir() == tmp_path / "runs"
    with pytest.raises(FileNotFoundError, match=r"give a notebook's path$"):
        runs.run_notebooks()


# ---------------------------------------------------------------- in place


def test_execute_in_place_leaves_nothing_of_the_machine(tmp_path, capsys):
    path = write_notebook(
        tmp_path / "a.ipynb",
        "import os\nprint(1, flush=True)\nprint(2, flush=True)\n"
        "print(os.path.basename(os.getcwd()))",
        "display('x'); print(3)",
        widgets={},
        papermill={"duration": 3},
        article={"title": "Ours"},
    )
    notebook = nbformat.read(path, as_version=4)
    cell = notebook.cells[0]
    cell.metadata.update(execution={"iopub.status.busy": "2026"}, papermill={}, tolerance=0.1)
    cell.outputs = [nbformat.v4.new_output("stream", text="old")]
    nbformat.write(notebook, path)
    path.chmod(0o640)

    runs.execute_in_place(path)

    executed = nbformat.read(path, as_version=4)
    assert [c.id for c in executed.cells] == [c.id for c in notebook.cells]
    assert [c.execution_count for c in executed.cells] == [1, 2]
    assert executed.cells[0].metadata == {"tags": ["parameters"], "tolerance": 0.1}
    assert [o.text for o in executed.cells[0].outputs] == [f"1\n2\n{tmp_path.name}\n"]
    assert [o.output_type for o in executed.cells[1].outputs] == ["display_data", "stream"]
    assert set(executed.metadata) == {"article", "kernelspec", "language_info"}
    assert executed.metadata.kernelspec.name == "python3"
    assert "version" not in executed.metadata.language_info
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["a.ipynb"]
    assert capsys.readouterr().err.startswith("a.ipynb: running\na.ipynb: done in ")

    first = path.read_bytes()
    runs.execute_in_place(path)
    assert path.read_bytes() == first


def test_a_failing_cell_leaves_the_file(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", "1", "1 / 0")
    before = path.read_bytes()
    with pytest.raises(runs.RunError) as failure:
        runs.execute_in_place([path])
    assert str(failure.value) == (
        "a.ipynb failed in cell [2] with ZeroDivisionError: division by zero; "
        "the file stays as it was"
    )
    assert "----> 1 1 / 0" in failure.value.details
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.ipynb"]


def test_runs_loads_nothing_heavy():
    code = "import sys, nn_helpers.runs; print({'papermill', 'pandas', 'numpy'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout == "set()\n", answer.stderr
