"""Training: optimisers, the compiled training loop, its history, evaluation.

An epoch is one compiled call: a graph that gathers each mini-batch, computes the cost and its
gradients and applies the optimiser, step after step, without coming back to Python in between.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nn_helpers import mlp
from nn_helpers._progress import progress_bar
from nn_helpers._stacked import RateOfEach, stack, stacked_step, unstack
from nn_helpers._tensorflow import keras, tf
from nn_helpers._training_setup import Setup, check_setup
from nn_helpers.epochs import (
    EVALUATION_BATCH,
    as_bytes,
    compile_loops,
    flat_variables,
    from_bytes,
    make_variables,
    read_parameters,
)
from nn_helpers.preprocessing import shuffled_order
from nn_helpers.validation import OPTIMIZERS, check_choice, check_integer, check_positive

N_STACKS = 2  # of `train_many`, which train in parallel


@dataclass(frozen=True)
class TrainingResult:
    """What `train_mlp` returns.

    Attributes
    ----------
    parameters : dict of ndarray, float32
        ``W1`` (n_h1, n_x), ``b1`` (n_h1, 1), …
    history : DataFrame
        A row an epoch: ``epoch`` (from 1), ``cost`` (mean over the epoch's examples, each taken
        before its own step) and, with validation data, ``validation_cost`` and
        ``validation_accuracy`` (or ``validation_r2``).
    scores : dict of float
        ``train_cost``, ``train_accuracy``, ``test_cost``, ``test_accuracy`` after the last step;
        ``…_r2`` in place of ``…_accuracy`` for a regression.
    interrupted : bool
        Whether the user stopped the training before its last epoch.
    """

    parameters: dict[str, np.ndarray]
    history: pd.DataFrame
    scores: dict[str, float]
    interrupted: bool = False


def make_optimizer(optimizer: str, learning_rate: float) -> keras.optimizers.Optimizer:
    """Return one of Keras' optimisers.

    Parameters
    ----------
    optimizer : {"gd", "momentum", "rms", "adam"}
        Gradient descent; with a momentum of 0.9 (Polyak 1964); RMSProp (Tieleman and Hinton 2012,
        *Neural Networks for Machine Learning*, lecture 6.5); Adam (Kingma and Ba 2015,
        arXiv 1412.6980).
    learning_rate : float
        The step size, positive.

    Raises
    ------
    ValueError
        If the optimiser is not one of those named or the learning rate is not positive.
    """
    check_choice("optimizer", optimizer, OPTIMIZERS)
    return _make_optimizer(optimizer, check_positive("learning_rate", learning_rate))


def _make_optimizer(
    optimizer: str, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
) -> keras.optimizers.Optimizer:
    if optimizer == "gd":
        return keras.optimizers.SGD(learning_rate)
    if optimizer == "momentum":
        return keras.optimizers.SGD(learning_rate, momentum=0.9)
    if optimizer == "rms":
        return keras.optimizers.RMSprop(learning_rate)
    return keras.optimizers.Adam(learning_rate)


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


def score_name(output_activation: str) -> str:
    """Return "accuracy" for a network that tells classes, "r2" for a regression."""
    return "r2" if output_activation == "none" else "accuracy"


def evaluate(
    X: np.ndarray,
    Y: np.ndarray,
    parameters: mlp.Parameters,
    hidden_activation: str = "relu",
    output_activation: str = "softmax",
) -> tuple[float, float]:
    """Return cost and score of a network on some data.

    Parameters
    ----------
    X, Y : array, shapes (n_x, m) and (n_y, m)
    parameters : dict of Tensor or ndarray
    hidden_activation, output_activation : str

    Returns
    -------
    cost, score : float
        The score is the share of examples whose largest output is their class (for a single
        sigmoid: whose probability is on the side of 0.5 that `Y` is), or the coefficient of
        determination R², averaged over the outputs, for a regression. It is NaN when the cost is
        not finite.
    """
    # Rows, because columns of a transposed view would be copied one number at a time.
    rows, targets = (np.asarray(array, np.float32).T for array in (X, Y))
    m = rows.shape[0]
    total, outputs = 0.0, []
    for start in range(0, m, EVALUATION_BATCH):
        batch = slice(start, start + EVALUATION_BATCH)
        x, y = tf.transpose(rows[batch]), tf.transpose(targets[batch])
        Y_h = mlp.forward_propagation(x, parameters, hidden_activation, output_activation)
        total += float(mlp.compute_cost(Y_h, y, output_activation)) * x.shape[1]
        outputs.append(Y_h.numpy())
    Y_h = np.concatenate(outputs, axis=1)
    if not math.isfinite(total):
        return total / m, math.nan
    if output_activation == "sigmoid" and targets.shape[1] == 1:
        return total / m, float(np.mean((Y_h[0] > 0) == (targets[:, 0] > 0.5)))
    if score_name(output_activation) == "accuracy":
        return total / m, float(np.mean(Y_h.argmax(axis=0) == np.argmax(Y, axis=0)))
    from sklearn.metrics import r2_score

    return total / m, float(r2_score(np.transpose(Y), Y_h.T))


def _check_finite(cost: float, when: str, learning_rate: float) -> None:
    if not math.isfinite(cost):
        raise FloatingPointError(
            f"the cost became {cost} {when}: lower learning_rate, now {learning_rate:g}"
        )


def _measure(setup: Setup, name: str, parameters: dict[str, np.ndarray]) -> dict[str, float]:
    """Evaluate a network on the data of that name, if there are any."""
    if setup.data[name] is None:
        return {}
    cost, score = evaluate(*setup.data[name], parameters, *setup.activations)
    return {f"{name}_cost": cost, f"{name}_{score_name(setup.activations[1])}": score}


def _run_epochs(
    one_epoch: Callable[[int], Any], describe: Callable[[Any], str], n_epochs: int
) -> tuple[list[Any], bool]:
    """Train epoch by epoch; return what each gave and whether the user interrupted."""
    records, interrupted = [], False
    bar = progress_bar(n_epochs, "Training", unit="epoch")
    try:
        for epoch in range(1, n_epochs + 1):
            records.append(one_epoch(epoch))
            bar.set_postfix_str(describe(records[-1]))
            bar.update()
    except KeyboardInterrupt:
        interrupted = True
    finally:
        bar.close()
    return records, interrupted


def _history(records: list[dict[str, float]]) -> pd.DataFrame:
    return pd.DataFrame(records) if records else pd.DataFrame(columns=["epoch", "cost"])


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
) -> TrainingResult:
    """Train an MLP by mini-batch gradient descent and measure it.

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
    setup = check_setup(
        layer_dims,
        hidden_activation,
        output_activation,
        n_epochs,
        mini_batch_size,
        train=(X_train, Y_train),
        validation=(X_validation, Y_validation),
        test=(X_test, Y_test),
    )
    seed = check_integer("seed", seed, minimum=0)
    shuffle_seed = check_integer(
        "shuffle_seed", seed if shuffle_seed is None else shuffle_seed, minimum=0
    )
    keras_optimizer = make_optimizer(optimizer, learning_rate)
    X, Y = setup.data["train"]
    variables = make_variables(
        mlp.initialize_parameters(setup.layer_dims, seed), setup.mini_batch_size
    )
    train_epoch = compile_epoch(
        variables, keras_optimizer, as_bytes(X.T), Y.T, setup.mini_batch_size, *setup.activations
    )

    def measure(name: str) -> dict[str, float]:
        measured = _measure(setup, name, read_parameters(variables))
        if measured:
            _check_finite(measured[f"{name}_cost"], f"on the {name} data", learning_rate)
        return measured

    def one_epoch(epoch: int) -> dict[str, float]:
        cost = float(train_epoch(shuffled_order(setup.m, shuffle_seed + epoch)))
        _check_finite(cost, f"in epoch {epoch}", learning_rate)
        if print_cost and (epoch == 1 or epoch % 10 == 0):
            print(f"Cost after epoch {epoch}: {cost:.4f}")
        return {"epoch": epoch, "cost": cost, **measure("validation")}

    records, interrupted = _run_epochs(
        one_epoch, lambda record: f"cost {record['cost']:.4f}", setup.n_epochs
    )
    if plot_cost and records:
        _show_cost(_history(records))
    return TrainingResult(
        parameters=read_parameters(variables),
        history=_history(records),
        scores=measure("train") | measure("test"),
        interrupted=interrupted,
    )


def train_many(
    X_train: np.ndarray,
    Y_train: np.ndarray,
    X_test: np.ndarray | None,
    Y_test: np.ndarray | None,
    layer_dims: list[int],
    hidden_activation: str = "relu",
    output_activation: str = "softmax",
    optimizer: str = "adam",
    learning_rates: Sequence[float] = (0.01,),
    n_epochs: int = 20,
    mini_batch_size: int = 64,
    *,
    X_validation: np.ndarray | None = None,
    Y_validation: np.ndarray | None = None,
    seeds: Sequence[int] = (1,),
    shuffle_seed: int = 1,
) -> list[TrainingResult]:
    """Train several networks of one architecture side by side, on the same mini-batches.

    Their parameters are stacked, in two stacks that train in parallel, and an epoch of all is one
    compiled call. Each network comes out as
    ``train_mlp(…, learning_rate=…, seed=…, shuffle_seed=shuffle_seed)`` trains it alone, but for
    the rounding of float32, which shows after some thousand steps at a high learning rate.

    Parameters
    ----------
    learning_rates : sequence of float
        One for each network, or a single one for all.
    seeds : sequence of int
        Of the initial parameters: one for each network, or a single one for all.
    shuffle_seed : int
        Seed of the mini-batches.
    X_train, Y_train, X_test, Y_test, layer_dims, hidden_activation, output_activation, optimizer, \
    n_epochs, mini_batch_size, X_validation, Y_validation
        As for `train_mlp`.

    Returns
    -------
    list of TrainingResult
        In the order of the learning rates and seeds. A network whose cost becomes NaN or infinite
        does not stop the others: its history and its scores say so.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong; the message names it.
    """
    setup = check_setup(
        layer_dims,
        hidden_activation,
        output_activation,
        n_epochs,
        mini_batch_size,
        train=(X_train, Y_train),
        validation=(X_validation, Y_validation),
        test=(X_test, Y_test),
    )
    check_choice("optimizer", optimizer, OPTIMIZERS)
    shuffle_seed = check_integer("shuffle_seed", shuffle_seed, minimum=0)
    networks = _check_networks(learning_rates, seeds)
    stacks, steps = [], []
    for part in np.array_split(np.arange(len(networks)), min(N_STACKS, len(networks))):
        rates, initial_seeds = zip(*(networks[i] for i in part), strict=True)
        parameters = [mlp.initialize_parameters(setup.layer_dims, s) for s in initial_seeds]
        keras_optimizer = _make_optimizer(optimizer, RateOfEach(rates))
        stacks.append(make_variables(stack(parameters), setup.mini_batch_size))
        step = stacked_step(stacks[-1], keras_optimizer, *setup.activations)
        steps.append((step, (len(part),)))
    X, Y = setup.data["train"]
    train_epoch = compile_loops(steps, as_bytes(X.T), Y.T, setup.mini_batch_size)

    def parameters_of_all() -> list[dict[str, np.ndarray]]:
        return [one for part in stacks for one in unstack(read_parameters(part))]

    def one_epoch(epoch: int) -> list[dict[str, float]]:
        order = shuffled_order(setup.m, shuffle_seed + epoch)
        costs = np.concatenate([part.numpy() for part in train_epoch(order)])
        return [
            {"epoch": epoch, "cost": float(cost), **_measure(setup, "validation", parameters)}
            for cost, parameters in zip(costs, parameters_of_all(), strict=True)
        ]

    def describe(records: list[dict[str, float]]) -> str:
        costs = (record["cost"] for record in records)
        return f"lowest cost {min(filter(math.isfinite, costs), default=math.nan):.4f}"

    records, interrupted = _run_epochs(one_epoch, describe, setup.n_epochs)
    return [
        TrainingResult(
            parameters=parameters,
            history=_history([record[number] for record in records]),
            scores=_measure(setup, "train", parameters) | _measure(setup, "test", parameters),
            interrupted=interrupted,
        )
        for number, parameters in enumerate(parameters_of_all())
    ]


def _check_networks(
    learning_rates: Sequence[float], seeds: Sequence[int]
) -> list[tuple[float, int]]:
    """Return the learning rate and the seed of each network."""
    for name, values in [("learning_rates", learning_rates), ("seeds", seeds)]:
        if isinstance(values, str) or not np.iterable(values):
            raise TypeError(
                f"{name} must be a sequence, one value for each network, got {values!r}"
            )
    rates = [check_positive("learning_rates", rate) for rate in learning_rates]
    seeds = [check_integer("seeds", seed, minimum=0) for seed in seeds]
    n_networks = max(len(rates), len(seeds))
    if not rates or not seeds or {len(rates), len(seeds)} - {1, n_networks}:
        raise ValueError(
            "learning_rates and seeds must hold one value for each network, or a single one, "
            f"got {len(rates)} and {len(seeds)}"
        )
    return [(rates[i % len(rates)], seeds[i % len(seeds)]) for i in range(n_networks)]
