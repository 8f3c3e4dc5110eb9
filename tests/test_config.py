import math
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_helpers.config import (
    DataExplorationConfig,
    KerasMLPConfig,
    PreprocessingConfig,
    TensorFlowMLPConfig,
    TuningConfig,
)

CONFIGS = [
    DataExplorationConfig,
    PreprocessingConfig,
    TensorFlowMLPConfig,
    KerasMLPConfig,
    TuningConfig,
]

HIDDEN = st.sampled_from(["relu", "sigmoid", "tanh", "none"])
EPOCHS = st.integers(1, 1000)
VALID = {
    "n_train": st.integers(112, 60_000),  # notebook 04's default batch is 100 of nine tenths
    "n_test": st.integers(100, 10_000),
    "data_dir": st.sampled_from([None, ".", Path.home()]),
    "mini_batch_size": st.integers(1, 50),
    "batch_size": st.integers(1, 90),
    "validation_fraction": st.floats(0.1, 0.5),
    "seed": st.integers(0, 2**32 - 1),
    "hidden_layers": st.lists(st.integers(1, 2000), min_size=1, max_size=5),
    "hidden_activation": HIDDEN,
    "output_activation": st.sampled_from(["softmax", "sigmoid", "none"]),
    "optimizer": st.sampled_from(["gd", "momentum", "rms", "adam"]),
    "learning_rate": st.one_of(st.floats(1e-6, 10), st.integers(1, 10)),
    "n_epochs": EPOCHS,
    "num_layers": st.integers(3, 20),
    "num_nodes": st.integers(1, 2000),
    "n_trials": st.integers(3, 500),
}

OTHER_TYPES = st.sampled_from([True, b"1", {}, {"a": 1}, object(), 1j])
NOT_A_NUMBER = st.one_of(st.none(), st.text(max_size=5), st.just("0.01"), st.just([1]), OTHER_TYPES)
NOT_AN_INTEGER = st.one_of(NOT_A_NUMBER, st.floats())
NOT_A_CHOICE = st.one_of(
    st.none(), st.integers(), OTHER_TYPES, st.sampled_from(["", "Relu", "relu ", "adamw", "lbfgs"])
)


def _wrong_count(minimum, maximum=None):
    wrong = [NOT_AN_INTEGER, st.integers(max_value=minimum - 1)]
    return st.one_of(*wrong, *([st.integers(min_value=maximum + 1)] if maximum else []))


WRONG = {
    "n_train": _wrong_count(100, 60_000),
    "n_test": _wrong_count(100, 10_000),
    "data_dir": st.sampled_from([0, True, ["."], b".", "", "/no/such/folder", __file__]),
    "mini_batch_size": _wrong_count(1, 60_000),
    "batch_size": _wrong_count(1, 60_000),
    "validation_fraction": st.one_of(
        NOT_A_NUMBER, st.floats(max_value=0), st.floats(min_value=1), st.just(math.nan)
    ),
    "seed": _wrong_count(0, 2**32 - 1),
    "hidden_layers": st.one_of(
        st.sampled_from([[], 50, "50", None, [50, 0], [-1], [2.5], ["50"], [None], [[50]]]),
    ),
    "hidden_activation": NOT_A_CHOICE,
    "output_activation": NOT_A_CHOICE,
    "optimizer": NOT_A_CHOICE,
    "learning_rate": st.one_of(
        NOT_A_NUMBER, st.floats(max_value=0), st.sampled_from([math.nan, math.inf, -1, 10**400])
    ),
    "n_epochs": _wrong_count(1),
    "num_layers": _wrong_count(3),
    "num_nodes": _wrong_count(1),
    "n_trials": _wrong_count(3),
}


def _names(config):
    return [field.name for field in fields(config)]


@pytest.mark.parametrize("config", CONFIGS)
def test_defaults_are_valid(config):
    assert config().n_train == 60_000


def test_defaults_are_those_of_the_article():
    mlp, keras = TensorFlowMLPConfig(), KerasMLPConfig()
    assert mlp.layer_dims() == [784, 50, 10]
    assert (mlp.optimizer, mlp.learning_rate, mlp.n_epochs) == ("adam", 0.01, 20)
    assert (keras.learning_rate, keras.num_layers, keras.num_nodes) == (0.01, 4, 100)
    assert (keras.n_epochs, keras.batch_size) == (5, 100)


@pytest.mark.parametrize("config", CONFIGS)
@given(data=st.data())
def test_a_valid_set_passes(config, data):
    values = data.draw(st.fixed_dictionaries({}, optional={n: VALID[n] for n in _names(config)}))
    made = config(**values)
    for name, value in values.items():
        kept = getattr(made, name)
        assert kept == (tuple(value) if name == "hidden_layers" else value) or name == "data_dir"


@pytest.mark.parametrize("config", CONFIGS)
@given(data=st.data())
def test_one_wrong_value_is_refused_by_name(config, data):
    name = data.draw(st.sampled_from(_names(config)))
    with pytest.raises((TypeError, ValueError), match=rf"^{name}[^\n]*(got|beyond)[^\n]*$"):
        config(**{name: data.draw(WRONG[name])})


@pytest.mark.parametrize(
    ("config", "values", "message"),
    [
        (
            DataExplorationConfig,
            {"n_train": 70_000},
            "n_train must be from 100 to 60000, got 70000",
        ),
        (TensorFlowMLPConfig, {"n_epochs": 0}, "n_epochs must be at least 1, got 0"),
        (
            TensorFlowMLPConfig,
            {"n_train": 500, "mini_batch_size": 1000},
            "mini_batch_size must be at most n_train = 500, got 1000",
        ),
        (
            KerasMLPConfig,
            {"n_train": 500, "batch_size": 451},
            "batch_size must be at most 450, what n_train = 500 leaves after validation, got 451",
        ),
        (
            PreprocessingConfig,
            {"n_train": 100, "validation_fraction": 0.05},
            "validation_fraction must leave 10 examples or more on both sides of n_train = 100, "
            "got 0.05",
        ),
        (
            PreprocessingConfig,
            {"n_train": 100, "mini_batch_size": 91},
            "mini_batch_size must be at most 90, what n_train = 100 leaves after validation, "
            "got 91",
        ),
        (
            DataExplorationConfig,
            {"data_dir": "/no/such"},
            "data_dir must be an existing folder, got '/no/such'",
        ),
    ],
)
def test_messages(config, values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        config(**values)


def test_a_batch_may_be_all_of_the_data():
    assert TensorFlowMLPConfig(n_train=100, mini_batch_size=100).mini_batch_size == 100
    assert KerasMLPConfig(n_train=500, batch_size=450).batch_size == 450


def test_values_as_json_delivers_them():
    config = TensorFlowMLPConfig(hidden_layers=[100, 50], learning_rate=1)
    assert config.hidden_layers == (100, 50)
    assert type(config.learning_rate) is float
    assert config.layer_dims(n_x=4, n_y=2) == [4, 100, 50, 2]


def test_a_folder_becomes_a_path(tmp_path):
    assert DataExplorationConfig(data_dir=str(tmp_path)).data_dir == tmp_path
    assert DataExplorationConfig(data_dir="~").data_dir == Path.home()


def test_a_config_cannot_be_changed_or_filled_by_position():
    with pytest.raises(FrozenInstanceError):
        TuningConfig().seed = 2
    with pytest.raises(TypeError):
        TuningConfig(60_000)


def test_it_loads_neither_tensorflow_nor_pandas():
    code = "import sys, nn_helpers.config; print({'tensorflow', 'pandas'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout == "set()\n", answer.stderr
