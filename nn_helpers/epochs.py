"""An epoch in one compiled graph: what `nn_helpers.training` and `nn_helpers.keras_mlp` share.

Three things make the graph fast on a processor. It never comes back to Python between two steps.
It keeps pixels as the bytes they were, a quarter of the memory to move, and scales a mini-batch
after gathering it. And it multiplies a wide first layer in blocks: TensorFlow deals the work of
one product out to all threads, which for a small product costs more than it saves, and a block is
too small to be dealt out.
"""

from collections.abc import Callable

import numpy as np

from nn_helpers._tensorflow import tf
from nn_helpers.preprocessing import MAX_PIXEL

N_BLOCKS = 4
MIN_BLOCKED_NODES = 32
MIN_BLOCKED_INPUTS = 256
BLOCKED_MINI_BATCHES = range(4, 65)
EVALUATION_BATCH = 2_000  # examples that are evaluated at once, which bounds the memory
_ROWS_AT_ONCE = 500


class ColumnBlocks:
    """A matrix of parameters (n_out, n_in), kept as blocks of its columns.

    ``blocks @ A`` is the product of the whole matrix and `A` (n_in, m), as a sum over the blocks.
    The matrix may be a stack of matrices (k, n_out, n_in), which all multiply the same `A`.

    Attributes
    ----------
    blocks : list of Variable, shapes (…, n_out, n_in / n_blocks), as equal as can be
    """

    def __init__(self, matrix: np.ndarray, n_blocks: int):
        pieces = np.array_split(np.asarray(matrix), n_blocks, axis=-1)
        self.blocks = [tf.Variable(np.ascontiguousarray(piece)) for piece in pieces]

    def __matmul__(self, A: tf.Tensor) -> tf.Tensor:
        return multiply_blocks(self.blocks, A)


def multiply_blocks(blocks: list[tf.Tensor], A: tf.Tensor) -> tf.Tensor:
    """Multiply a matrix, given as blocks of its columns, and `A`, shape (n_in, m)."""
    pieces = tf.split(A, [block.shape[-1] for block in blocks], axis=0)
    return tf.add_n([_times(W, A) for W, A in zip(blocks, pieces, strict=True)])


def _times(W: tf.Tensor, A: tf.Tensor) -> tf.Tensor:
    """Multiply a matrix, or each matrix of a stack, and `A`, in one product."""
    *n_out, n_in = W.shape
    return tf.reshape(tf.reshape(W, (-1, n_in)) @ A, (*n_out, A.shape[1]))


def count_blocks(n_out: int, n_in: int, mini_batch_size: int) -> int:
    """Return in how many blocks a matrix of that shape is multiplied fastest: one, or several."""
    wide = n_out >= MIN_BLOCKED_NODES and n_in >= MIN_BLOCKED_INPUTS
    return N_BLOCKS if wide and mini_batch_size in BLOCKED_MINI_BATCHES else 1


def make_variables(
    parameters: dict[str, tf.Tensor], mini_batch_size: int
) -> dict[str, tf.Variable | ColumnBlocks]:
    """Make what the optimiser changes: a variable for each parameter, or the first `W` in blocks.

    Parameters
    ----------
    parameters : dict of Tensor
        As `mlp.initialize_parameters` gives them, or those of k networks stacked, (k, n_out, n_in).
    mini_batch_size : int
        Blocks pay for small mini-batches and a wide first layer only.
    """
    variables = {name: tf.Variable(value, name=name) for name, value in parameters.items()}
    *stacked, n_out, n_in = parameters["W1"].shape
    n_blocks = count_blocks(n_out, n_in, mini_batch_size)
    if n_blocks > 1 or stacked:
        variables["W1"] = ColumnBlocks(parameters["W1"], n_blocks)
    return variables


def flat_variables(variables: dict[str, tf.Variable | ColumnBlocks]) -> list[tf.Variable]:
    """Return the variables themselves, block for block, in order."""
    return [v for value in variables.values() for v in getattr(value, "blocks", [value])]


def read_parameters(variables: dict[str, tf.Variable | ColumnBlocks]) -> dict[str, np.ndarray]:
    """Return the present parameters as whole arrays: copies, which training does not change."""
    return {
        name: np.concatenate([v.numpy() for v in getattr(value, "blocks", [value])], axis=-1)
        for name, value in variables.items()
    }


def write_parameters(
    variables: dict[str, tf.Variable | ColumnBlocks], parameters: dict[str, tf.Tensor]
) -> None:
    """Change the parameters to other ones of the same shapes; the inverse of `read_parameters`."""
    for name, value in variables.items():
        blocks = getattr(value, "blocks", [value])
        pieces = np.array_split(np.asarray(parameters[name]), len(blocks), axis=-1)
        for variable, piece in zip(blocks, pieces, strict=True):
            variable.assign(piece)


def as_bytes(rows: np.ndarray) -> np.ndarray:
    """Return pixels as the bytes that `preprocessing.normalize` scaled; other numbers as they are.

    Parameters
    ----------
    rows : ndarray of float32, an example a row

    Returns
    -------
    ndarray, the same shape
        Of uint8, if each number is exactly a byte over 255; else `rows` itself.
    """
    if rows.dtype != np.float32:
        return rows
    pixels = np.empty(rows.shape, np.uint8)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        if not (rows[part].min() >= 0 and rows[part].max() <= 1):
            return rows
        pixels[part] = np.rint(rows[part] * np.float32(MAX_PIXEL))
        if not np.array_equal(pixels[part] / np.float32(MAX_PIXEL), rows[part]):
            return rows
    return pixels


def from_bytes(rows: tf.Tensor) -> tf.Tensor:
    """Scale pixels as `preprocessing.normalize` does, if that is what the numbers are."""
    return tf.cast(rows, tf.float32) / MAX_PIXEL if rows.dtype == tf.uint8 else rows


def for_each_mini_batch(
    step: Callable[..., tf.Tensor],
    order: tf.Tensor,
    mini_batch_size: int,
    *arrays: tf.Tensor,
    cost_shape: tuple[int, ...] = (),
) -> tf.Tensor:
    """Call `step` on each mini-batch, in a loop of the graph; return the mean cost.

    Parameters
    ----------
    step : callable
        ``step(*mini_batch)`` with the rows of each of the `arrays`. It gives the mini-batch's mean
        cost, of `cost_shape`.
    order : Tensor of int32, shape (m,)
        The order in which to take the rows.
    mini_batch_size : int
        Examples in a step; the last step takes what is left.
    arrays : Tensor, shapes (m, …)
    """
    m = order.shape[0]
    n_full, n_left = divmod(m, mini_batch_size)

    def summed_cost(batch):
        return step(*(tf.gather(array, batch) for array in arrays)) * batch.shape[0]

    total = tf.zeros(cost_shape)
    for k in tf.range(n_full):
        total += summed_cost(tf.slice(order, [k * mini_batch_size], [mini_batch_size]))
    if n_left:
        total += summed_cost(order[n_full * mini_batch_size :])
    return total / m


def compile_loops(
    steps: list[tuple[Callable[..., tf.Tensor], tuple[int, ...]]],
    rows: np.ndarray,
    targets: np.ndarray,
    mini_batch_size: int,
) -> Callable[[np.ndarray], list[tf.Tensor]]:
    """Compile an epoch: a loop over the mini-batches around each step, the loops in parallel.

    Parameters
    ----------
    steps : list of (step, cost_shape)
        As for `for_each_mini_batch`.
    rows, targets : ndarray, shapes (m, …)
    mini_batch_size : int

    Returns
    -------
    callable
        ``epoch(order)`` with the order (m,) of integers in which to take the examples. It gives
        the mean costs, one for each step.
    """

    def loop(step, cost_shape):
        @tf.function(jit_compile=True)
        def run(rows, targets, order):
            return for_each_mini_batch(
                step, order, mini_batch_size, rows, targets, cost_shape=cost_shape
            )

        return run

    loops = [loop(*step) for step in steps]

    @tf.function
    def epoch(rows, targets, order):
        return [run(rows, targets, order) for run in loops]

    rows, targets = tf.constant(rows), tf.constant(targets)
    # Traced once, here: TensorFlow warns of a function that it has to trace in call after call.
    compiled = epoch.get_concrete_function(rows, targets, tf.TensorSpec((rows.shape[0],), tf.int32))
    return lambda order: compiled(rows, targets, tf.constant(order, tf.int32))
