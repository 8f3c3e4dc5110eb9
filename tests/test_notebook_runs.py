"""Each notebook through papermill: with other parameters, and with parameters that it refuses."""

import math
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

from nn_helpers import runs

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
SMALL = {"n_train": 2000, "n_test": 500}
OTHER = {"n_train": 3000, "n_test": 1000}
RUNS = [
    ("01_data_exploration", SMALL),
    ("01_data_exploration", OTHER),
    ("02_preprocessing", SMALL),
    ("02_preprocessing", OTHER),
    ("03_tensorflow_mlp", {"n_epochs": 2, "n_train": 5000}),
    (
        "03_tensorflow_mlp",
        {
            **SMALL,
            "n_epochs": 1,
            "hidden_layers": [30, 20],
            "hidden_activation": "tanh",
            "output_activation": "sigmoid",
            "optimizer": "momentum",
            "mini_batch_size": 128,
            "seed": 7,
        },
    ),
    ("04_keras_mlp", {**SMALL, "n_epochs": 1}),
    (
        "04_keras_mlp",
        {
            **OTHER,
            "n_epochs": 2,
            "num_layers": 3,
            "num_nodes": 20,
            "hidden_activation": "sigmoid",
            "learning_rate": 0.005,
            "batch_size": 64,
            "seed": 7,
        },
    ),
    ("05_tuning", {**SMALL, "n_trials": 3, "n_epochs": 1}),
    ("05_tuning", {**OTHER, "n_trials": 4, "n_epochs": 1, "seed": 7}),
]
REFUSALS = [
    ("01_data_exploration", {"n_train": 70000}, "ValueError", "70000"),
    ("02_preprocessing", {"data_dir": "no-such-folder"}, "ValueError", "'no-such-folder'"),
    ("03_tensorflow_mlp", {"learning_rate": float("nan")}, "ValueError", "nan"),
    ("03_tensorflow_mlp", {"hidden_layers": []}, "ValueError", "[]"),
    ("04_keras_mlp", {"learning_rate": "0.01"}, "TypeError", "'0.01'"),
    ("05_tuning", {"n_epochs": 0}, "ValueError", "0"),
]


def run_papermill(*arguments, cwd):
    """Run papermill's command as a user would."""
    # With this variable, ipykernel would not capture what libraries write.
    environment = {k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}
    return subprocess.run(
        [sys.executable, "-m", "papermill", *map(str, arguments)],
        cwd=cwd,
        env={**environment, "NN_HELPERS_RUNS": str(cwd)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def options(parameters):
    """Write parameters as options: ``-p name value``, a list as YAML."""
    for name, value in parameters.items():
        yield from (
            ["-y", f"{name}: {value}"] if isinstance(value, list) else ["-p", name, str(value)]
        )


@pytest.mark.slow
@pytest.mark.parametrize(("name", "parameters"), RUNS)
def test_a_run_with_other_parameters_records_its_results(name, parameters, tmp_path):
    run = run_papermill(
        NOTEBOOKS / f"{name}.ipynb", "out.ipynb", *options(parameters), cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    metrics = runs.read_metrics(tmp_path / "out.ipynb")
    numbers = [value for value in metrics.values() if not isinstance(value, str)]
    assert numbers
    assert all(map(math.isfinite, numbers))
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.get("name") == "stderr"]


@pytest.mark.parametrize("name", sorted({name for name, _ in RUNS}))
def test_papermill_explains_the_parameters(name, tmp_path):
    path = NOTEBOOKS / f"{name}.ipynb"
    explained = run_papermill("--help-notebook", path, cwd=tmp_path).stdout
    known = papermill.inspect_notebook(path)
    assert known
    for parameter in known.values():
        declared = f"  {parameter['name']}: {parameter['inferred_type_name']} (default"
        assert declared in explained
        assert parameter["help"] in explained


@pytest.mark.parametrize(("name", "parameters", "error", "value"), REFUSALS)
def test_a_wrong_parameter_is_refused_before_any_work(name, parameters, error, value, tmp_path):
    out = tmp_path / "out.ipynb"
    with pytest.raises(papermill.PapermillExecutionError) as refusal:
        papermill.execute_notebook(
            NOTEBOOKS / f"{name}.ipynb", out, parameters, progress_bar=False, cwd=tmp_path
        )
    assert refusal.value.ename == error
    (parameter,) = parameters
    sentence = refusal.value.evalue
    assert sentence.startswith(f"{parameter} must ")
    assert sentence.endswith(f"got {value}") or f"got {value} " in sentence
    assert "\n" not in sentence
    cells = [cell for cell in nbformat.read(out, as_version=4).cells if cell.cell_type == "code"]
    injected = [("injected-parameters" in cell.metadata.get("tags", [])) for cell in cells]
    after = cells[injected.index(True) + 1]
    assert [output.output_type for output in after.outputs] == ["error"]
