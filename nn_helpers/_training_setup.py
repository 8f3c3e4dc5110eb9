"""What `nn_helpers.training` checks before it starts."""

from dataclasses import dataclass

import numpy as np

from nn_helpers import mlp
from nn_helpers.validation import (
    HIDDEN_ACTIVATIONS,
    OUTPUT_ACTIVATIONS,
    check_choice,
    check_integer,
)

Examples = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A training's checked arguments.

    Attributes
    ----------
    layer_dims : list of int
    activations : tuple of str
        That of the hidden layers and that of the output.
    n_epochs, mini_batch_size : int
    data : dict
        ``train``, ``validation`` and ``test``: X and Y of float32, or None.
    """

    layer_dims: list[int]
    activations: tuple[str, str]
    n_epochs: int
    mini_batch_size: int
    data: dict[str, Examples | None]

    @property
    def m(self) -> int:
        """Number of training examples."""
        return self.data["train"][0].shape[1]


def check_setup(
    layer_dims: list[int],
    hidden_activation: str,
    output_activation: str,
    n_epochs: int,
    mini_batch_size: int,
    *,
    train: Examples,
    validation: tuple[np.ndarray | None, np.ndarray | None],
    test: tuple[np.ndarray | None, np.ndarray | None],
) -> Setup:
    """Return the arguments of a training if each is right and they fit each other."""
    layer_dims = mlp.check_layer_dims(*train, layer_dims)
    activations = check_activations(hidden_activation, output_activation)
    pairs = {"train": train, "validation": validation, "test": test}
    ends = layer_dims[0], layer_dims[-1]
    data = {name: check_examples(name, *pair, *ends) for name, pair in pairs.items()}
    m = data["train"][0].shape[1]
    n_epochs, mini_batch_size = check_numbers(n_epochs, mini_batch_size, m)
    return Setup(
        layer_dims=layer_dims,
        activations=activations,
        n_epochs=n_epochs,
        mini_batch_size=mini_batch_size,
        data=data,
    )


def check_activations(hidden_activation: str, output_activation: str) -> tuple[str, str]:
    """Return the activations of the hidden layers and of the output if both are known."""
    return (
        check_choice("hidden_activation", hidden_activation, HIDDEN_ACTIVATIONS),
        check_choice("output_activation", output_activation, OUTPUT_ACTIVATIONS),
    )


def check_numbers(n_epochs: int, mini_batch_size: int, m: int) -> tuple[int, int]:
    """Return the number of epochs and the size of a mini-batch if they suit `m` examples."""
    return (
        check_integer("n_epochs", n_epochs, minimum=1),
        check_integer("mini_batch_size", mini_batch_size, minimum=1, maximum=m),
    )


def check_examples(
    name: str,
    X: np.ndarray | None,
    Y: np.ndarray | None,
    n_x: int | None = None,
    n_y: int | None = None,
) -> Examples | None:
    """Return X and Y as float32 if their shapes fit the network and each other.

    Without `n_x` and `n_y` any number of rows will do, but there must be examples.
    """
    if X is None and Y is None and n_x is not None:
        return None
    if n_x is not None and (X is None or Y is None):
        raise ValueError(f"X_{name} and Y_{name} go together: give both or neither")
    X, Y = np.asarray(X), np.asarray(Y)
    for variable, array, rows in [("X", X, n_x), ("Y", Y, n_y)]:
        if array.ndim != 2 or rows not in (None, array.shape[0]):
            wanted = f"n_{variable.lower()}" if rows is None else rows
            raise ValueError(f"{variable}_{name} must have shape ({wanted}, m), got {array.shape}")
        if not np.issubdtype(array.dtype, np.floating):
            raise TypeError(
                f"{variable}_{name} must hold floats, prepared by normalize and one_hot, "
                f"got dtype {array.dtype}"
            )
        if array.size and not np.isfinite([array.min(), array.max()]).all():
            raise ValueError(f"{variable}_{name} must hold finite numbers, got NaN or infinity")
    if X.shape[1] != Y.shape[1] or X.shape[1] == 0:
        raise ValueError(
            f"X_{name} and Y_{name} must hold the same number of examples, at least one, "
            f"got {X.shape[1]} and {Y.shape[1]}"
        )
    return X.astype(np.float32, copy=False), Y.astype(np.float32, copy=False)
