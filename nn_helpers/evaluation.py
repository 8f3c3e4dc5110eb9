"""Evaluation: cost and score of a network on some data."""

import math

import numpy as np

from nn_helpers import mlp
from nn_helpers._tensorflow import tf
from nn_helpers.epochs import EVALUATION_BATCH


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
