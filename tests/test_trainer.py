"""Training again and again on the same data: the same numbers as a training by itself."""

import gc
import json
import subprocess
import sys
import weakref
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from nn_helpers import training
from nn_helpers.preprocessing import normalize, one_hot

pytestmark = pytest.mark.usefixtures("nothing_logged")

LEARNING_RATES = {"gd": 0.05, "momentum": 0.01, "rms": 0.001, "adam": 0.001}
N_X, N_Y, M = 256, 4, 150


def images(seed, m=M):
    """Images and labels without a relation to them."""
    rng = np.random.default_rng(seed)
    X = normalize(rng.integers(256, size=(m, N_X), dtype=np.uint8)).T
    return X, one_hot(rng.integers(N_Y, size=m), N_Y)


def arguments(layers=(40,), activations=("relu", "softmax"), optimizer="adam", **changes):
    settings = {
        "layer_dims": [N_X, *layers, N_Y],
        "hidden_activation": activations[0],
        "output_activation": activations[1],
        "optimizer": optimizer,
        "learning_rate": LEARNING_RATES[optimizer],
        "n_epochs": 2,
        "mini_batch_size": 64,
        "seed": 3,
    }
    return settings | changes


def make_trainer(train, validation):
    return training.Trainer(*train, X_validation=validation[0], Y_validation=validation[1])


def train_alone(train, validation, **settings):
    others = {"X_validation": validation[0], "Y_validation": validation[1]}
    return training.train_mlp(*train, None, None, **settings, **others)


def assert_bit_identical(got, wanted):
    assert list(got.parameters) == list(wanted.parameters)
    for name, value in got.parameters.items():
        assert value.tobytes() == wanted.parameters[name].tobytes(), name
    assert got.history.equals(wanted.history)
    assert got.interrupted == wanted.interrupted


@pytest.fixture(scope="module")
def data():
    return images(0), images(1, m=50)


@pytest.fixture(scope="module")
def shared(data):
    """A trainer for every test that may leave it as it was: compiling is what takes time here."""
    return make_trainer(*data)


@pytest.mark.parametrize(
    ("optimizer", "layers", "activations"),
    [
        ("gd", (7, 5), ("tanh", "none")),
        ("momentum", (), ("none", "sigmoid")),
        ("rms", (7,), ("relu", "sigmoid")),
        ("adam", (40,), ("relu", "softmax")),
    ],
)
def test_a_later_training_is_bit_for_bit_a_first_one(data, optimizer, layers, activations):
    trainer, rate = make_trainer(*data), LEARNING_RATES[optimizer]
    settings = arguments(layers, activations, optimizer)
    first = trainer.train(**settings)
    changed = [
        trainer.train(**settings | change)
        for change in ({"learning_rate": rate / 3}, {"seed": 4}, {"n_epochs": 3})
    ]
    assert_bit_identical(trainer.train(**settings), first)
    lower = arguments(layers, activations, optimizer, learning_rate=rate / 3)
    assert_bit_identical(changed[0], train_alone(*data, **lower))
    weights = [result.parameters["W1"] for result in (first, *changed)]
    assert len({w.tobytes() for w in weights}) == 4, "each change changes the result"


def test_it_is_bit_for_bit_that_of_a_fresh_process(shared):
    program = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_trainer import arguments, images, train_alone
parameters = train_alone(images(0), images(1, m=50), **arguments()).parameters
json.dump({{name: value.tobytes().hex() for name, value in parameters.items()}}, sys.stdout)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    shared.train(**arguments(learning_rate=0.01, seed=9))
    again = shared.train(**arguments()).parameters
    assert json.loads(run.stdout) == {name: value.tobytes().hex() for name, value in again.items()}


def test_kinds_of_network_do_not_mix(shared, monkeypatch):
    """Each differs from the first by one thing that makes it another kind."""
    monkeypatch.setattr(training, "MAX_COMPILED", 6)
    kinds = [
        arguments(),
        arguments(layers=(41,)),
        arguments(activations=("tanh", "softmax")),
        arguments(activations=("relu", "sigmoid")),
        arguments(optimizer="rms", learning_rate=0.001),
        arguments(mini_batch_size=65),
    ]
    results = [shared.train(**kind) for kind in kinds]
    for kind, result in zip(kinds, results, strict=True):
        assert_bit_identical(shared.train(**kind), result)
    costs = {result.history["validation_cost"].iloc[-1] for result in results}
    assert len(costs) == len(kinds)


def test_each_kind_is_compiled_once_and_the_last_few_are_kept(data, monkeypatch):
    compiled, compile_epoch = [], training.compile_epoch

    def spy(variables, *rest):
        compiled.append(variables["b1"].shape[0])
        return compile_epoch(variables, *rest)

    monkeypatch.setattr(training, "compile_epoch", spy)
    monkeypatch.setattr(training, "MAX_COMPILED", 2)
    trainer, widths = make_trainer(*data), (2, 3)
    for width, rate in product(widths, (0.1, 0.2)):
        trainer.train(**arguments(layers=(width,), learning_rate=rate, n_epochs=1))
    assert compiled == list(widths)
    for width in (2, 50, 2, 3):  # the 50 takes the place of the 3, which was used least lately
        trainer.train(**arguments(layers=(width,), learning_rate=0.1, n_epochs=1))
    assert compiled == [*widths, 50, 3]


def test_the_trainer_keeps_a_copy_of_the_data(data):
    for scale in (1, 0.7):  # pixels, and numbers that are none
        train, validation = (
            [(array * np.float32(scale)).copy("K") for array in pair] for pair in data
        )
        trainer = make_trainer(train, validation)
        first = trainer.train(**arguments())
        for array in (*train, *validation):
            array[...] = array[:, ::-1].copy() * np.float32(0.5)
        assert_bit_identical(trainer.train(**arguments()), first)


def test_data_of_the_same_shapes_do_not_mix(shared):
    others = images(7), images(8, m=50)
    trainers = [shared, make_trainer(*others)]
    results = [trainer.train(**arguments()) for trainer in trainers]
    for trainer, result in zip(trainers, results, strict=True):
        assert_bit_identical(trainer.train(**arguments()), result)
    assert not results[0].history.equals(results[1].history)


def test_the_arrays_are_not_kept_alive(data):
    train, validation = ([array.copy("K") for array in pair] for pair in data)
    references = [weakref.ref(array) for array in (*train, *validation)]
    trainer = make_trainer(train, validation)
    trainer.train(**arguments(n_epochs=1))
    del train, validation
    gc.collect()
    assert [reference() for reference in references] == [None] * 4


def test_a_training_that_diverged_or_was_ended_leaves_nothing_behind(shared):
    first = shared.train(**arguments())
    with pytest.raises(FloatingPointError, match="lower learning_rate, now 1e"):
        shared.train(**arguments(learning_rate=1e38))

    def stop(record):
        raise StopIteration

    with pytest.raises(StopIteration):
        shared.train(**arguments(), on_epoch_end=stop)
    assert_bit_identical(shared.train(**arguments()), first)


def test_it_trains_without_validation_data_and_leaves_scores_out(data, shared):
    trainer = training.Trainer(*data[0])
    result = trainer.train(**arguments())
    assert list(result.history) == ["epoch", "cost"]
    assert result.scores == {}
    validated = shared.train(**arguments())
    assert result.history["cost"].equals(validated.history["cost"])


X, Y = images(0, m=10)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"X_train": None}, ValueError, r"X_train must have shape \(n_x, m\), got \(\)"),
        ({"Y_train": Y[0]}, ValueError, r"Y_train must have shape \(n_y, m\), got \(10,\)"),
        ({"X_train": X[:, :9]}, ValueError, "X_train and Y_train must hold the same number"),
        ({"X_train": X > 0.5}, TypeError, "X_train must hold floats, .* got dtype bool"),
        ({"X_validation": X}, ValueError, "X_validation and Y_validation go together"),
        (
            {"X_validation": X[:5], "Y_validation": Y},
            ValueError,
            r"X_validation must have shape \(256, m\), got \(5, 10\)",
        ),
    ],
)
def test_wrong_data_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        training.Trainer(**{"X_train": X, "Y_train": Y} | changes)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"layer_dims": [255, 4]}, ValueError, "layer_dims must start with 256, .*got 255"),
        ({"optimizer": "sgd"}, ValueError, "optimizer must be one of .* got 'sgd'"),
        ({"learning_rate": -1}, ValueError, "learning_rate must be positive, got -1"),
        ({"mini_batch_size": 151}, ValueError, "mini_batch_size must be from 1 to 150, got 151"),
        ({"n_epochs": 0}, ValueError, "n_epochs must be at least 1, got 0"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"hidden_activation": "gelu"}, ValueError, "hidden_activation must be .* got 'gelu'"),
    ],
)
def test_a_wrong_setting_is_refused_before_any_work(data, changes, error, message, monkeypatch):
    monkeypatch.setattr(training, "compile_epoch", lambda *_, **__: pytest.fail("work began"))
    with pytest.raises(error, match=message):
        make_trainer(*data).train(**arguments() | changes)


# After each epoch


def test_each_epoch_reports_its_row_of_the_history(data, shared):
    seen = []
    result = train_alone(*data, **arguments(n_epochs=3), on_epoch_end=seen.append)
    assert seen == result.history.to_dict("records")
    assert list(seen[0]) == ["epoch", "cost", "validation_cost", "validation_accuracy"]
    assert_bit_identical(result, shared.train(**arguments(n_epochs=3)))


def test_what_a_report_raises_ends_the_training_and_comes_through(shared, bar_that):
    class HopelessError(Exception):
        pass

    seen, error = [], HopelessError("enough")

    def report(record):
        seen.append(record["epoch"])
        if record["epoch"] == 2:
            raise error

    bar = bar_that(lambda done: None)
    with pytest.raises(HopelessError) as caught:
        shared.train(**arguments(n_epochs=5), on_epoch_end=report)
    assert caught.value is error
    assert seen == [1, 2]
    assert bar.closed


def test_a_report_changes_no_history(shared):
    result = shared.train(**arguments(), on_epoch_end=dict.clear)
    assert result.history["epoch"].tolist() == [1, 2]
