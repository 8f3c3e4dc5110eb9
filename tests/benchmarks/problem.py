"""What every loop of the benchmark is given: data, sizes, first parameters, order of examples."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nn_helpers import datasets, mlp
from nn_helpers.preprocessing import flatten, normalize, one_hot, shuffled_order

LEARNING_RATE, BETA_1, BETA_2, EPSILON = 0.01, 0.9, 0.999, 1e-7  # of Adam, Keras' but for the first


class Epoch(NamedTuple):
    """What an epoch of training gave."""

    cost: float
    seconds: float


Train = Callable[[int], float | Epoch]
"""Trains one epoch, on the order of a seed, and returns its mean cost.

A loop that does more in its call than train times the epoch itself and returns an `Epoch`.
"""


@dataclass(frozen=True, eq=False)
class Problem:
    """A network, its training data and how they are gone through.

    Attributes
    ----------
    rows : ndarray of float32, shape (m, n_x)
        Pixels from 0 to 1, an example a row.
    targets : ndarray of float32, shape (m, n_y)
        One-hot labels.
    layer_dims : tuple of int
        [n_x, n_h1, …, n_y]; relu in the hidden layers, softmax behind the last.
    mini_batch_size : int
    shuffled : bool
        Whether each epoch has an order of its own. A loop that shuffles by itself can be compared
        with the others only where none does.
    """

    rows: np.ndarray
    targets: np.ndarray
    layer_dims: tuple[int, ...] = (784, 50, 10)
    mini_batch_size: int = 64
    shuffled: bool = True

    @property
    def m(self) -> int:
        """The number of examples."""
        return len(self.rows)

    @cached_property
    def parameters(self) -> dict[str, np.ndarray]:
        """The first parameters: ``W1`` (n_h1, n_x), ``b1`` (n_h1, 1), …"""
        drawn = mlp.initialize_parameters(list(self.layer_dims))
        return {name: value.numpy() for name, value in drawn.items()}

    @property
    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The first parameters for examples in rows: weights (n_in, n_out), biases (n_out,)."""
        return [
            (self.parameters[f"W{layer}"].T.copy(), self.parameters[f"b{layer}"][:, 0].copy())
            for layer in range(1, len(self.layer_dims))
        ]

    def order(self, seed: int) -> np.ndarray:
        """Return the order (m,) in which an epoch takes the examples."""
        return shuffled_order(self.m, seed) if self.shuffled else np.arange(self.m)

    def batches(self, seed: int) -> Iterator[np.ndarray]:
        """Yield the positions of the examples of each mini-batch of an epoch."""
        order = self.order(seed)
        for start in range(0, self.m, self.mini_batch_size):
            yield order[start : start + self.mini_batch_size]


def describe(problem: Problem) -> str:
    """Say which network it is, and what it is trained on."""
    return (
        f"{list(problem.layer_dims)}, {problem.m:,} images, "
        f"mini-batches of {problem.mini_batch_size:,}"
    )


def load_problem(n_examples: int) -> Problem:
    """Return the network [784, 50, 10] and the first training images of Fashion-MNIST."""
    data = datasets.load_fashion_mnist()
    rows = flatten(normalize(data.train_images[:n_examples])).T
    return Problem(rows, one_hot(data.train_labels[:n_examples]).T)
