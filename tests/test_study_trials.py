"""Trials that call the training function: the same numbers as a direct training, and pruning."""

from pathlib import Path

import pytest

from nn_helpers import datasets, preprocessing, studies, training
from nn_helpers.search_space import Choice, Range

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
TENSORFLOW, KERAS = NOTEBOOKS / "03_tensorflow_mlp.ipynb", NOTEBOOKS / "04_keras_mlp.ipynb"
SMALL = {"n_train": 1000, "n_test": 100, "n_epochs": 2, "seed": 5}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("NN_HELPERS_RUNS", str(tmp_path / "runs"))


def test_a_function_trial_is_the_training_of_the_notebook_on_nine_tenths():
    space = {"learning_rate": Choice((0.003, 0.01)), "hidden_layers": Choice(([8], [8, 4]))}
    plan = studies.make_plan(TENSORFLOW, space, fixed=SMALL, function=True)
    table = studies.run_study(plan)
    assert list(table["hidden_layers"]) == ["[8]", "[8, 4]"] * 2
    data = datasets.load_fashion_mnist()
    labels = data.train_labels[:1000]
    fitted, held_out = preprocessing.train_validation_split(labels, 0.1, 5)
    X = preprocessing.flatten(preprocessing.normalize(data.train_images[:1000]))
    Y = preprocessing.one_hot(labels)
    result = training.train_mlp(
        X[:, fitted],
        Y[:, fitted],
        None,
        None,
        [784, 8, 4, 10],
        learning_rate=0.01,
        n_epochs=2,
        X_validation=X[:, held_out],
        Y_validation=Y[:, held_out],
        seed=5,
    )
    expected = result.history["validation_accuracy"].iloc[-1]
    assert table["validation_accuracy"].iloc[-1] == pytest.approx(expected, abs=1e-6)


def test_keras_trials_are_counted_by_cost_where_asked():
    plan = studies.make_plan(
        KERAS,
        {"num_nodes": Choice((4, 32))},
        fixed=SMALL,
        function=True,
        metric="validation_cost",
        minimize=True,
    )
    table = studies.run_study(plan)
    assert set(table["state"]) == {"complete"}
    lines = studies.format_trials(table, plan).splitlines()
    assert lines[2].split()[1] == "32"


def test_hopeless_trials_of_a_search_are_stopped_and_those_of_a_grid_never():
    rates = {"learning_rate": Range(1e-6, 3e-2, log=True)}
    plan = studies.make_plan(
        TENSORFLOW,
        rates,
        sampler="random",
        n_trials=16,
        fixed={**SMALL, "n_train": 4000, "n_epochs": 5},
        function=True,
    )
    table = studies.run_study(plan)
    counts = table["state"].value_counts()
    assert counts["pruned"] >= 1
    assert counts["complete"] >= 5
    pruned = table[table["state"] == "pruned"]["validation_accuracy"]
    assert pruned.max() < table["validation_accuracy"].max()
    grid = {"learning_rate": Choice(tuple(10.0**-k for k in range(1, 9)))}
    plan = studies.make_plan(TENSORFLOW, grid, fixed={**SMALL, "n_epochs": 4}, function=True)
    assert set(studies.run_study(plan)["state"]) == {"complete"}


def test_a_training_whose_cost_becomes_infinite_fails_its_trial_alone():
    plan = studies.make_plan(
        TENSORFLOW, {"learning_rate": Choice((0.01, 1e30))}, fixed=SMALL, function=True
    )
    table = studies.run_study(plan)
    assert list(table["state"]) == ["complete", "failed"]
    assert "lower learning_rate, now 1e+30" in table["error"].iloc[1]


@pytest.mark.parametrize(
    ("notebook", "metric", "message"),
    [
        (TENSORFLOW, "test_accuracy", "metric must be one that its training function measures"),
        (NOTEBOOKS / "05_tuning.ipynb", "validation_accuracy", "has no training function"),
        (TENSORFLOW, "validation_r2", "metric must be one that its training function measures"),
    ],
)
def test_what_no_training_function_measures_is_refused(notebook, metric, message):
    space = {"seed": Choice((1, 2))}
    with pytest.raises(ValueError, match=message):
        studies.make_plan(notebook, space, function=True, metric=metric)
