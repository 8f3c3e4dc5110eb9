"""Several networks of one architecture as one: their parameters stacked, (k, n_out, n_in)."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from nn_helpers import mlp
from nn_helpers._tensorflow import keras, tf
from nn_helpers._training_loop import TrainingResult, make_history, measure, run_epochs
from nn_helpers._training_setup import check_setup
from nn_helpers.epochs import (
    as_bytes,
    compile_loops,
    flat_variables,
    from_bytes,
    make_variables,
    read_parameters,
)
from nn_helpers.optimizers import choose_optimizer
from nn_helpers.preprocessing import shuffled_order
from nn_helpers.validation import OPTIMIZERS, check_choice, check_integer, check_positive

N_STACKS = 2  # of `train_many`, which train in parallel


class RateOfEach(keras.optimizers.schedules.LearningRateSchedule):
    """A constant learning rate for each of some stacked networks."""

    def __init__(self, rates: Sequence[float]):
        self._rates = tf.reshape(tf.constant(rates, tf.float32), (-1, 1, 1))

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return self._rates


def stack(parameters: list[mlp.Parameters]) -> mlp.Parameters:
    """Stack what several networks have in one place."""
    return {name: tf.stack([p[name] for p in parameters]) for name in parameters[0]}


def unstack(stacked: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """Return the parameters of each network; the inverse of `stack`."""
    return [
        dict(zip(stacked, values, strict=True)) for values in zip(*stacked.values(), strict=True)
    ]


def stacked_step(
    variables: dict[str, tf.Variable],
    optimizer: keras.optimizers.Optimizer,
    hidden_activation: str,
    output_activation: str,
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return a step of all networks on one mini-batch; it gives the cost of each, shape (k,)."""
    trained = flat_variables(variables)
    optimizer.build(trained)

    def step(rows, targets):
        X, Y = tf.transpose(from_bytes(rows)), tf.transpose(targets)
        with tf.GradientTape() as tape:
            Y_h = mlp.forward_propagation(X, variables, hidden_activation, output_activation)
            costs = tf.stack([mlp.compute_cost(y, Y, output_activation) for y in tf.unstack(Y_h)])
        # The gradient of the sum: no network's cost depends on another's parameters.
        optimizer.apply(tape.gradient(costs, trained), trained)
        return costs

    return step


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
        keras_optimizer = choose_optimizer(optimizer, RateOfEach(rates))
        stacks.append(make_variables(stack(parameters), setup.mini_batch_size))
        step = stacked_step(stacks[-1], keras_optimizer, *setup.activations)
        steps.append((step, (len(part),)))
    X, Y = setup.data["train"]
    train_epoch = compile_loops(steps, as_bytes(X.T), Y.T, setup.mini_batch_size)

    def parameters_of_all() -> list[dict[str, np.ndarray]]:
        return [one for part in stacks for one in unstack(read_parameters(part))]

    def measure_on(name: str, parameters: dict[str, np.ndarray]) -> dict[str, float]:
        return measure(name, setup.data[name], parameters, setup.activations)

    def one_epoch(epoch: int) -> list[dict[str, float]]:
        order = shuffled_order(setup.m, shuffle_seed + epoch)
        costs = np.concatenate([part.numpy() for part in train_epoch(order)])
        return [
            {"epoch": epoch, "cost": float(cost), **measure_on("validation", parameters)}
            for cost, parameters in zip(costs, parameters_of_all(), strict=True)
        ]

    def describe(records: list[dict[str, float]]) -> str:
        costs = (record["cost"] for record in records)
        return f"lowest cost {min(filter(math.isfinite, costs), default=math.nan):.4f}"

    records, interrupted = run_epochs(one_epoch, describe, setup.n_epochs)
    return [
        TrainingResult(
            parameters=parameters,
            history=make_history([record[number] for record in records]),
            scores=measure_on("train", parameters) | measure_on("test", parameters),
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
