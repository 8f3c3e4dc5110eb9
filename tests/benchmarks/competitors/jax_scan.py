"""JAX: the whole epoch in one compiled ``lax.scan``, with Adam by hand."""

from functools import partial

import jax
import jax.numpy as jnp

from ..problem import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Problem, Train


def _cost(layers: list, x: jax.Array, y: jax.Array) -> jax.Array:
    for W, b in layers[:-1]:
        x = jax.nn.relu(x @ W + b)
    W, b = layers[-1]
    return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(x @ W + b), axis=1))


def _step(state: tuple, x: jax.Array, y: jax.Array) -> tuple[tuple, jax.Array]:
    """Take one step of Adam; return the new state and the cost summed over the mini-batch."""
    layers, means, squares, t = state
    cost, gradients = jax.value_and_grad(_cost)(layers, x, y)
    t = t + 1
    rate = LEARNING_RATE * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
    means = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, means, gradients)
    squares = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, squares, gradients)
    layers = jax.tree.map(
        lambda p, m, v: p - rate * m / (jnp.sqrt(v) + EPSILON), layers, means, squares
    )
    return (layers, means, squares, t), cost * len(x)


@partial(jax.jit, static_argnames="mini_batch_size", donate_argnames="state")
def _epoch(
    state: tuple, rows: jax.Array, targets: jax.Array, order: jax.Array, mini_batch_size: int
) -> tuple[tuple, jax.Array]:
    n_full = len(order) // mini_batch_size * mini_batch_size

    def step(state: tuple, batch: jax.Array) -> tuple[tuple, jax.Array]:
        return _step(state, rows[batch], targets[batch])

    state, costs = jax.lax.scan(step, state, order[:n_full].reshape(-1, mini_batch_size))
    total = costs.sum()
    if n_full < len(order):
        state, cost = step(state, order[n_full:])
        total += cost
    return state, total / len(order)


def prepare(problem: Problem) -> Train:
    layers = [(jnp.array(W), jnp.array(b)) for W, b in problem.layers]
    means, squares = (jax.tree.map(jnp.zeros_like, layers) for _ in range(2))
    state = (layers, means, squares, jnp.zeros(()))
    rows, targets = jnp.asarray(problem.rows), jnp.asarray(problem.targets)

    def train(seed: int) -> float:
        nonlocal state
        order = jnp.asarray(problem.order(seed).astype("int32"))
        state, cost = _epoch(state, rows, targets, order, problem.mini_batch_size)
        return float(cost)

    return train
