"""What each notebook may be told: its parameters, checked before any work starts.

One frozen dataclass a notebook, with the notebook's own defaults. Creating it checks every value:
a wrong one is refused by name, ``learning_rate must be positive, got -0.1``.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from nn_helpers.validation import (
    HIDDEN_ACTIVATIONS,
    OPTIMIZERS,
    OUTPUT_ACTIVATIONS,
    check_choice,
    check_integer,
    check_positive,
    check_sizes,
)

N_CLASSES = 10
MIN_EXAMPLES = 100  # enough for each class to stand in a split
MAX_TRAIN = 60_000
MAX_TEST = 10_000
MAX_SEED = 2**32 - 1  # what NumPy, scikit-learn and TensorFlow all take
KERAS_VALIDATION_FRACTION = 0.1


def _check_folder(name: str, value: object) -> Path | None:
    """Return `value`, an existing folder or ``None``, as a path."""
    if value is None:
        return None
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path or None, got {value!r} ({type(value).__name__})")
    folder = Path(value).expanduser()
    if not str(value) or not folder.is_dir():
        raise ValueError(f"{name} must be an existing folder, got {str(value)!r}")
    return folder


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How much of Fashion-MNIST to use, and where it lies.

    Parameters
    ----------
    n_train, n_test : int
        The first so many training and test examples; at least 100 each.
    data_dir : str, Path or None
        A folder that holds the four files; ``None`` looks in the usual places.

    Raises
    ------
    TypeError, ValueError
        If a value has the wrong type or lies outside its range; the message names it.
    """

    n_train: int = MAX_TRAIN
    n_test: int = MAX_TEST
    data_dir: str | Path | None = None

    def __post_init__(self) -> None:
        self._check("n_train", check_integer, MIN_EXAMPLES, MAX_TRAIN)
        self._check("n_test", check_integer, MIN_EXAMPLES, MAX_TEST)
        self._check("data_dir", _check_folder)

    def _check(self, name: str, check: Callable[..., Any], *limits: Any) -> None:
        """Replace a field by its checked value."""
        object.__setattr__(self, name, check(name, getattr(self, name), *limits))

    def _check_training(self, batch_size_name: str) -> None:
        """Check the fields that every training shares."""
        self._check("learning_rate", check_positive)
        self._check("n_epochs", check_integer, 1)
        self._check("seed", check_integer, 0, MAX_SEED)
        self._check(batch_size_name, check_integer, 1)

    def _check_batch_fits(self, name: str, validation_fraction: float = 0.0) -> None:
        """Refuse a batch that is larger than the training part of the data."""
        size, limit = getattr(self, name), self._n_fitted(validation_fraction)
        if size > limit:
            part = (
                f"{limit}, what n_train = {self.n_train} leaves after validation"
                if validation_fraction
                else f"n_train = {limit}"
            )
            raise ValueError(f"{name} must be at most {part}, got {size}")

    def _n_fitted(self, validation_fraction: float) -> int:
        """Count the training examples that are left after the validation split."""
        return self.n_train - ceil(validation_fraction * self.n_train)


@dataclass(frozen=True, kw_only=True)
class DataExplorationConfig(DataConfig):
    """Parameters of notebook 01, those of `DataConfig`."""


@dataclass(frozen=True, kw_only=True)
class PreprocessingConfig(DataConfig):
    """Parameters of notebook 02, beside those of `DataConfig`.

    Parameters
    ----------
    mini_batch_size : int
        Examples in a mini-batch, at most those that are left after the split.
    validation_fraction : float
        Share of the training examples held out; each part keeps at least ten.
    seed : int
        Of the split and the shuffling, from 0 to 2**32 - 1.
    """

    mini_batch_size: int = 64
    validation_fraction: float = 0.1
    seed: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("mini_batch_size", check_integer, 1)
        self._check("validation_fraction", check_positive, 1)
        self._check("seed", check_integer, 0, MAX_SEED)
        n_fitted = self._n_fitted(self.validation_fraction)
        if min(n_fitted, self.n_train - n_fitted) < N_CLASSES:
            raise ValueError(
                f"validation_fraction must leave {N_CLASSES} examples or more on both sides of "
                f"n_train = {self.n_train}, got {self.validation_fraction}"
            )
        self._check_batch_fits("mini_batch_size", self.validation_fraction)


@dataclass(frozen=True, kw_only=True)
class TensorFlowMLPConfig(DataConfig):
    """Parameters of notebook 03, beside those of `DataConfig`.

    Parameters
    ----------
    hidden_layers : sequence of int
        Nodes in each hidden layer; kept as a tuple.
    hidden_activation : {"relu", "sigmoid", "tanh", "none"}
    output_activation : {"softmax", "sigmoid", "none"}
        With "none" the network is fitted to the one-hot labels by least squares.
    optimizer : {"gd", "momentum", "rms", "adam"}
    learning_rate : float
    n_epochs : int
    mini_batch_size : int
        At most `n_train`.
    seed : int
        Of the initial parameters and the shuffling, from 0 to 2**32 - 1.
    """

    hidden_layers: Sequence[int] = (50,)
    hidden_activation: str = "relu"
    output_activation: str = "softmax"
    optimizer: str = "adam"
    learning_rate: float = 0.01
    n_epochs: int = 20
    mini_batch_size: int = 64
    seed: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("hidden_layers", check_sizes)
        self._check("hidden_activation", check_choice, HIDDEN_ACTIVATIONS)
        self._check("output_activation", check_choice, OUTPUT_ACTIVATIONS)
        self._check("optimizer", check_choice, OPTIMIZERS)
        self._check_training("mini_batch_size")
        self._check_batch_fits("mini_batch_size")

    def layer_dims(self, n_x: int = 784, n_y: int = N_CLASSES) -> list[int]:
        """Return the sizes of all layers, ``[n_x, *hidden_layers, n_y]``."""
        return [n_x, *self.hidden_layers, n_y]


@dataclass(frozen=True, kw_only=True)
class KerasMLPConfig(DataConfig):
    """Parameters of notebook 04, beside those of `DataConfig`.

    Parameters
    ----------
    learning_rate : float
    num_layers : int
        Counts the input and the output layer, so at least 3.
    num_nodes : int
        Nodes in each hidden layer.
    hidden_activation : {"relu", "sigmoid", "tanh", "none"}
    n_epochs : int
    batch_size : int
        At most the examples that are left when a tenth is held out for validation.
    seed : int
        Of the initial weights and the shuffling, from 0 to 2**32 - 1.
    """

    learning_rate: float = 0.01
    num_layers: int = 4
    num_nodes: int = 100
    hidden_activation: str = "relu"
    n_epochs: int = 5
    batch_size: int = 100
    seed: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("num_layers", check_integer, 3)
        self._check("num_nodes", check_integer, 1)
        self._check("hidden_activation", check_choice, HIDDEN_ACTIVATIONS)
        self._check_training("batch_size")
        self._check_batch_fits("batch_size", KERAS_VALIDATION_FRACTION)


@dataclass(frozen=True, kw_only=True)
class TuningConfig(DataConfig):
    """Parameters of notebook 05, beside those of `DataConfig`.

    Parameters
    ----------
    n_trials : int
        Networks that each strategy may train, at least 3.
    n_epochs : int
        Epochs of each trial.
    seed : int
        Of the split, the search and the training, from 0 to 2**32 - 1.
    """

    n_trials: int = 12
    n_epochs: int = 5
    seed: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("n_trials", check_integer, 3)
        self._check("n_epochs", check_integer, 1)
        self._check("seed", check_integer, 0, MAX_SEED)
