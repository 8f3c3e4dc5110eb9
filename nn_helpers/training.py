"""Training: the compiled training loop, its history, what comes out of it.

An epoch is one compiled call: a graph that gathers each mini-batch, computes the cost and its
gradients and applies the optimiser, step after step, without coming back to Python in between.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from nn_helpers import mlp
from nn_helpers._side_by_side import train_many
from nn_helpers._tensorflow import keras, tf
from nn_helpers._training_loop import TrainingResult, make_history, measure, run_epochs
from nn_helpers._training_setup import check_activations, check_examples, check_numbers
from nn_helpers.epochs import (
    as_bytes,
    compile_loops,
    flat_variables,
    from_bytes,
    make_variables,
    read_parameters,
    write_parameters,
)
from nn_helpers.evaluation import evaluate, score_name
from nn_helpers.optimizers import make_optimizer
from nn_helpers.preprocessing import shuffled_order
from nn_helpers.validation import check_integer

__all__ = [
    "Trainer",
    "TrainingResult",
    "compile_epoch",
    "evaluate",
    "gradient_step",
    "make_optimizer",
    "score_name",
    "train_many",
    "train_mlp",
]

MAX_COMPILED = 4  # kinds of network that a `Trainer` keeps compiled


def gradient_step(
    X: tf.Tensor,
    Y: tf.Tensor,
    variables: dict[str, tf.Variable],
    optimizer: keras.optimizers.Optimizer,
    hidden_activation: str = "relu",
    output_activation: str = "softmax",
) -> tf.Tensor:
    """Take one step of the optimiser on one mini-batch; return the cost before the step.

    Parameters
    ----------
    X, Y : Tensor of float32, shapes (n_x, m) and (n_y, m)
    variables : dict of Variable
        The parameters; they are changed in place.
    optimizer : keras Optimizer, built on these variables
    hidden_activation, output_activation : str
    """
    with tf.GradientTape() as tape:
        Y_h = mlp.forward_propagation(X, variables, hidden_activation, output_activation)
        cost = mlp.compute_cost(Y_h, Y, output_activation)
    trained = flat_variables(variables)
    optimizer.apply(tape.gradient(cost, trained), trained)
    return cost


def compile_epoch(
    variables: dict[str, tf.Variable],
    optimizer: keras.optimizers.Optimizer,
    rows: np.ndarray,
    targets: np.ndarray,
    mini_batch_size: int = 64,
    hidden_activation: str = "relu",
    output_activation: str = "softmax",
) -> Callable[[np.ndarray], tf.Tensor]:
    """Compile a function that trains for one epoch.

    Parameters
    ----------
    variables : dict of Variable
        As `make_variables` gives them; the function changes them in place.
    optimizer, hidden_activation, output_activation
        As for `gradient_step`.
    rows : array of float32, shape (m, n_x), an example a row
        Or of uint8: the same as bytes, see `as_bytes`.
    targets : array of float32, shape (m, n_y)
    mini_batch_size : int
        Examples in a step; the last step takes what is left.

    Returns
    -------
    callable
        ``epoch(order)`` with the order (m,) of integers in which to take the examples. It gives
        the mean cost over them.
    """

    def step(rows, targets):
        X, Y = tf.transpose(from_bytes(rows)), tf.transpose(targets)
        return gradient_step(X, Y, variables, optimizer, hidden_activation, output_activation)

    optimizer.build(flat_variables(variables))
    compiled = compile_loops([(step, ())], rows, targets, mini_batch_size)
    return lambda order: compiled(order)[0]


def _check_finite(cost: float, when: str, learning_rate: float) -> None:
    if not math.isfinite(cost):
        raise FloatingPointError(
            f"the cost became {cost} {when}: lower learning_rate, now {learning_rate:g}"
        )


class _Network:
    """A network of one kind and its compiled epoch, which can start from the beginning again."""

    def __init__(
        self,
        layer_dims: list[int],
        activations: tuple[str, str],
        optimizer: str,
        mini_batch_size: int,
        rows: tf.Tensor,
        targets: tf.Tensor,
    ):
        initial = mlp.initialize_parameters(layer_dims)
        self.layer_dims = layer_dims
        self.variables = make_variables(initial, mini_batch_size)
        self.optimizer = make_optimizer(optimizer, learning_rate=1.0)
        self.train_epoch = compile_epoch(
            self.variables, self.optimizer, rows, targets, mini_batch_size, *activations
        )

    def restart(self, learning_rate: float, seed: int) -> None:
        """Set everything that a training changes to what it is before the first step."""
        write_parameters(self.variables, mlp.initialize_parameters(self.layer_dims, seed))
        for variable in self.optimizer.variables:
            variable.assign(tf.zeros_like(variable))
        self.optimizer.learning_rate = learning_rate


class Trainer:
    """Trains networks one after another on the same data, and compiles each kind only once.

    Networks are of one kind if they differ by learning rate, seed and number of epochs alone. The
    last few kinds stay compiled; whatever was trained before, a training gives the same numbers.

    The trainer keeps a copy of the data, so that what becomes of the arrays does not matter to it.

    Parameters
    ----------
    X_train, Y_train : array of float, shapes (n_x, m) and (n_y, m)
    X_validation, Y_validation : array of float, shapes (n_x, k) and (n_y, k), optional
        Measured after every epoch.

    Raises
    ------
    TypeError, ValueError
        If an array is wrong; the message names it.
    """

    def __init__(
        self,
        X_train: np.ndarray,
        Y_train: np.ndarray,
        *,
        X_validation: np.ndarray | None = None,
        Y_validation: np.ndarray | None = None,
    ):
        X, Y = check_examples("train", X_train, Y_train)
        self._sizes = X.shape[0], Y.shape[0]
        validation = check_examples("validation", X_validation, Y_validation, *self._sizes)
        self._validation = None if validation is None else tuple(a.copy("K") for a in validation)
        self._rows, self._targets = tf.constant(as_bytes(X.T)), tf.constant(Y.T)
        self._compiled: OrderedDict[tuple, _Network] = OrderedDict()

    def train(
        self,
        layer_dims: list[int],
        hidden_activation: str = "relu",
        output_activation: str = "softmax",
        optimizer: str = "adam",
        learning_rate: float = 0.01,
        n_epochs: int = 20,
        mini_batch_size: int = 64,
        *,
        seed: int = 1,
        shuffle_seed: int | None = None,
        on_epoch_end: Callable[[dict[str, Any]], None] | None = None,
    ) -> TrainingResult:
        """Train a network from its beginning.

        Parameters
        ----------
        layer_dims, hidden_activation, output_activation, optimizer, learning_rate, n_epochs, \
        mini_batch_size, seed, shuffle_seed, on_epoch_end
            As for `train_mlp`.

        Returns
        -------
        TrainingResult
            Without scores. If the user interrupts, what has been trained until then.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong; the message names it.
        FloatingPointError
            If the cost becomes NaN or infinite.
        """
        layer_dims = mlp.check_layer_dims(*mlp.input_specs(self._sizes), layer_dims)
        activations = check_activations(hidden_activation, output_activation)
        m = self._rows.shape[0]
        n_epochs, mini_batch_size = check_numbers(n_epochs, mini_batch_size, m)
        seed = check_integer("seed", seed, minimum=0)
        shuffle_seed = check_integer(
            "shuffle_seed", seed if shuffle_seed is None else shuffle_seed, minimum=0
        )
        make_optimizer(optimizer, learning_rate)
        network = self._network(layer_dims, activations, optimizer, mini_batch_size)
        network.restart(learning_rate, seed)

        def one_epoch(epoch: int) -> dict[str, Any]:
            cost = float(network.train_epoch(shuffled_order(m, shuffle_seed + epoch)))
            _check_finite(cost, f"in epoch {epoch}", learning_rate)
            parameters = read_parameters(network.variables)
            measured = measure("validation", self._validation, parameters, activations)
            _check_finite(
                measured.get("validation_cost", 0), "on the validation data", learning_rate
            )
            return {"epoch": epoch, "cost": cost, **measured}

        def describe(record: dict[str, Any]) -> str:
            return f"cost {record['cost']:.4f}"

        records, interrupted = run_epochs(one_epoch, describe, n_epochs, on_epoch_end)
        return TrainingResult(
            parameters=read_parameters(network.variables),
            history=make_history(records),
            scores={},
            interrupted=interrupted,
        )

    def _network(self, layer_dims: list[int], *rest: Any) -> _Network:
        """Return the network of that kind: one compiled before, or a new one."""
        kind = tuple(layer_dims), *rest
        if kind not in self._compiled:
            if len(self._compiled) == MAX_COMPILED:
                self._compiled.popitem(last=False)
            self._compiled[kind] = _Network(layer_dims, *rest, self._rows, self._targets)
        self._compiled.move_to_end(kind)
        return self._compiled[kind]


def _show_cost(history: pd.DataFrame) -> None:
    from IPython.display import display

    from nn_helpers.plotting import plot_cost

    display(plot_cost(history))


def train_mlp(
    X_train: np.ndarray,
    Y_train: np.ndarray,
    X_test: np.ndarray | None,
    Y_test: np.ndarray | None,
    layer_dims: list[int],
    hidden_activation: str = "relu",
    output_activation: str = "softmax",
    optimizer: str = "adam",
    learning_rate: float = 0.01,
    n_epochs: int = 20,
    mini_batch_size: int = 64,
    print_cost: bool = False,
    plot_cost: bool = False,
    *,
    X_validation: np.ndarray | None = None,
    Y_validation: np.ndarray | None = None,
    seed: int = 1,
    shuffle_seed: int | None = None,
    on_epoch_end: Callable[[dict[str, Any]], None] | None = None,
) -> TrainingResult:
    """Train an MLP by mini-batch gradient descent and measure it.

    Who trains several networks on the same data saves time with one `Trainer` for all.

    In epoch e the mini-batches are those of ``random_mini_batches(…, seed=shuffle_seed + e)``.

    Parameters
    ----------
    X_train, Y_train : array of float, shapes (n_x, m) and (n_y, m)
    X_test, Y_test : array of float, shapes (n_x, k) and (n_y, k), or None
        Looked at once, after the last step; ``None`` leaves the test scores out.
    layer_dims : list of int
        [n_x, n_h1, …, n_y].
    hidden_activation : {"relu", "sigmoid", "tanh", "none"}
    output_activation : {"softmax", "sigmoid", "none"}
        "none" trains a regression, on the mean squared error.
    optimizer : {"gd", "momentum", "rms", "adam"}
    learning_rate : float
        Step size of the optimiser, positive.
    n_epochs : int
        Passes over the training data.
    mini_batch_size : int
        Examples in a step, from 1 to m.
    print_cost : bool
        Print the cost after the first and every tenth epoch.
    plot_cost : bool
        Show the cost curve.
    X_validation, Y_validation : array of float, optional
        Measured after every epoch.
    seed : int
        The same seed gives the same parameters and mini-batches.
    shuffle_seed : int, optional
        Seed of the mini-batches, where it is to differ from that of the parameters.
    on_epoch_end : callable, optional
        Called after each epoch with its row of the history, a dict. What it raises ends the
        training and comes through.

    Returns
    -------
    TrainingResult
        If the user interrupts, what has been trained until then.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong; the message names it.
    FloatingPointError
        If the cost becomes NaN or infinite.
    """
    layer_dims = mlp.check_layer_dims(X_train, Y_train, layer_dims)
    train = check_examples("train", X_train, Y_train)
    test = check_examples("test", X_test, Y_test, layer_dims[0], layer_dims[-1])
    trainer = Trainer(*train, X_validation=X_validation, Y_validation=Y_validation)

    def report(record: dict[str, Any]) -> None:
        if print_cost and (record["epoch"] == 1 or record["epoch"] % 10 == 0):
            print(f"Cost after epoch {record['epoch']}: {record['cost']:.4f}")
        if on_epoch_end is not None:
            on_epoch_end(record)

    result = trainer.train(
        layer_dims,
        hidden_activation,
        output_activation,
        optimizer,
        learning_rate,
        n_epochs,
        mini_batch_size,
        seed=seed,
        shuffle_seed=shuffle_seed,
        on_epoch_end=report,
    )
    if plot_cost and len(result.history):
        _show_cost(result.history)
    activations = hidden_activation, output_activation
    scores = {}
    for name, examples in [("train", train), ("test", test)]:
        scores |= measure(name, examples, result.parameters, activations)
        _check_finite(scores.get(f"{name}_cost", 0), f"on the {name} data", learning_rate)
    return replace(result, scores=scores)
