"""Several networks of one architecture as one: their parameters stacked, (k, n_out, n_in)."""

from collections.abc import Callable, Sequence

import numpy as np

from nn_helpers import mlp
from nn_helpers._tensorflow import keras, tf
from nn_helpers.epochs import flat_variables, from_bytes


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
