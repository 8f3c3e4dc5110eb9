"""The script behind the record of the best network, at a size that takes seconds."""

import importlib.util
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from nn_helpers import datasets, records, regularized_mlp

SCRIPT = Path(__file__).resolve().parents[1] / ".ci" / "record_best_network.py"


@pytest.fixture
def script(tmp_path, monkeypatch):
    """The script with a tiny recipe, two seeds and few data; its record goes to `tmp_path`."""
    spec = importlib.util.spec_from_file_location("record_best_network", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    recipe = regularized_mlp.Recipe(hidden_layers=(16,), n_epochs=2, batch_size=100)
    few = datasets.load_fashion_mnist().subset(1000, 500)
    monkeypatch.setattr(module, "RECIPE", recipe)
    monkeypatch.setattr(module, "SEEDS", (1, 2))
    monkeypatch.setattr(datasets, "load_fashion_mnist", lambda: few)
    monkeypatch.setattr(records, "project_dir", lambda: tmp_path)
    return module


def test_it_records_every_network_their_mean_and_the_ensemble(script, monkeypatch, capsys):
    seen, average = [], regularized_mlp.average_probabilities
    monkeypatch.setattr(
        regularized_mlp, "average_probabilities", lambda p: seen.append(p) or average(p)
    )
    script.main()
    record = records.load_record("best_network")
    assert record["settings"]["recipe"]["hidden_layers"] == [16]
    assert record["settings"]["seeds"] == [1, 2]
    results = record["results"]
    assert results["n_parameters"] == 784 * 16 + 2 * 16 + 16 * 10 + 10
    assert (results["validated"]["n_train"], results["n_train"]) == (900, 1000)
    assert 0.1 < results["validated"]["validation_accuracy"] < 1
    assert [network["seed"] for network in results["networks"]] == [1, 2]
    labels = datasets.load_fashion_mnist().test_labels
    networks = seen[-1]
    accuracies = [(p.argmax(axis=1) == labels).mean() for p in networks]
    assert [n["test_accuracy"] for n in results["networks"]] == accuracies
    assert results["mean_test_accuracy"] == pytest.approx(sum(accuracies) / 2)
    assert results["std_test_accuracy"] == pytest.approx(
        abs(accuracies[0] - accuracies[1]) / np.sqrt(2)
    )
    together = (networks[0] + networks[1]).argmax(axis=1)
    assert results["ensemble_test_accuracy"] == (together == labels).mean()
    assert f"mean {results['mean_test_accuracy']:.4f}" in capsys.readouterr().out


def test_the_mean_of_shares_that_floats_miss_is_exact(script, monkeypatch):
    # Added as floats, these five shares of 500 images have the mean 0.40800000000000003.
    n_correct = (203, 202, 203, 198, 214)
    right = np.eye(10)[datasets.load_fashion_mnist().test_labels]

    def predict(_x, _y, x_new, seed):
        wrong = np.roll(right[n_correct[seed - 1] :], 1, axis=1)
        return np.vstack([right[: n_correct[seed - 1]], wrong])[: len(x_new)], 1, 0.0

    monkeypatch.setattr(script, "SEEDS", (1, 2, 3, 4, 5))
    monkeypatch.setattr(script, "train_and_predict", predict)
    assert script.measure()["mean_test_accuracy"] == sum(n_correct) / 2500


@pytest.mark.usefixtures("interrupts")
def test_an_interrupted_record_writes_nothing(script, monkeypatch, tmp_path):
    class Bar:
        def set_postfix_str(self, note): ...

        def update(self):
            os.kill(os.getpid(), signal.SIGINT)

        def close(self): ...

    monkeypatch.setattr(regularized_mlp.keras_mlp, "progress_bar", lambda *_, **__: Bar())
    with pytest.raises(SystemExit, match=r"^interrupted: the record best_network stays as it was$"):
        script.main()
    assert os.listdir(tmp_path) == []
