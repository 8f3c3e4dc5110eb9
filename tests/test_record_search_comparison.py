"""The script behind the record of the comparison of searches, at a size that takes seconds."""

import importlib.util
import os
import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from nn_helpers import datasets, preprocessing, records, training, tuning

SCRIPT = Path(__file__).resolve().parents[1] / ".ci" / "record_search_comparison.py"
SETTINGS = {
    "n_trials": 3,
    "n_epochs": 1,
    "mini_batch_size": 200,
    "split": {"validation_fraction": 0.98, "seed": 1},
}


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The script with short searches on few data; its record goes to `tmp_path`."""
    spec = importlib.util.spec_from_file_location("record_search_comparison", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SETTINGS", SETTINGS)
    monkeypatch.setattr(module, "SEEDS", (1, 2))
    monkeypatch.setattr(module.sys, "argv", [str(SCRIPT)])
    monkeypatch.setattr(records, "project_dir", lambda: tmp_path)
    return module


def train_again(trial):
    """Carry out a trial by itself and return its validation accuracy."""
    data = datasets.load_fashion_mnist()
    X = preprocessing.flatten(preprocessing.normalize(data.train_images))
    Y = preprocessing.one_hot(data.train_labels)
    train, validation = preprocessing.train_validation_split(data.train_labels, 0.98, seed=1)
    result = training.train_mlp(
        X[:, train], Y[:, train], None, None, tuning.layer_dims(trial), trial["hidden_activation"],
        learning_rate=trial["learning_rate"], n_epochs=1, mini_batch_size=200, seed=1,
        X_validation=X[:, validation], Y_validation=Y[:, validation],
    )  # fmt: skip
    return result.history["validation_accuracy"].iloc[-1]


def test_it_records_every_trial_of_every_strategy_and_seed(script, capsys):
    script.main()
    record = records.load_record("search_comparison")
    assert record["settings"] == SETTINGS | {
        "seeds": [1, 2],
        "space": {
            "learning_rate": {"low": 1e-4, "high": 0.03, "log": True},
            "num_layers": {"low": 3, "high": 5, "log": False},
            "num_nodes": {"low": 16, "high": 256, "log": True},
            "hidden_activation": {"values": ["relu", "sigmoid", "tanh"]},
        },
    }
    trials = pd.DataFrame(record["results"]["trials"])
    assert set(trials) == {
        "strategy", "seed", "trial", *tuning.MLP_SPACE, "validation_accuracy", "epochs", "pruned",
        "seconds",
    }  # fmt: skip
    searches = trials.groupby(["seed", "strategy"], sort=False)
    assert list(searches.groups) == [(s, name) for s in (1, 2) for name in tuning.STRATEGIES]
    assert searches["trial"].agg(list).tolist() == [[1, 2, 3]] * 6
    assert trials["pruned"].dtype == bool
    assert (trials["epochs"] == 1).all()
    assert (trials["seconds"] > 0).all()
    for seed, tried in trials.groupby("seed"):
        drawn = tuning.random_search(lambda *_, **__: 0.5, tuning.MLP_SPACE, 3, seed).trials
        random = tried[tried["strategy"] == "random search"]
        assert random["learning_rate"].tolist() == drawn["learning_rate"].tolist()
    last = trials.iloc[-1]
    assert last["validation_accuracy"] == train_again(last)
    best = trials[:3]["validation_accuracy"].max()
    assert f"seed 1, random search: best {best:.4f}" in capsys.readouterr().out


@pytest.mark.usefixtures("interrupts")
def test_an_interrupted_record_writes_nothing(script, monkeypatch, tmp_path):
    class Interrupted(subprocess.Popen):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            self.send_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    message = r"^interrupted: the record search_comparison stays as it was$"
    with pytest.raises(SystemExit, match=message):
        script.main()
    assert os.listdir(tmp_path) == []


def test_a_comparison_that_failed_is_not_recorded(script, monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(script, "SETTINGS", SETTINGS | {"n_seeds": 2})
    with pytest.raises(subprocess.CalledProcessError):
        script.main()
    assert "unexpected keyword argument 'n_seeds'" in capfd.readouterr().err
    assert os.listdir(tmp_path) == []
