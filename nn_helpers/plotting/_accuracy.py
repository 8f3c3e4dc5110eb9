"""Accuracies of trials, on an axis that one failed trial does not squeeze."""

import numpy as np
from matplotlib.axes import Axes

from nn_helpers.plotting._style import INK

LEAST_REACH = 0.02  # of accuracy: no axis is cut to less


def accuracy_floor(accuracy: np.ndarray) -> float:
    """The lowest accuracy worth showing among those of all trials.

    It lies four times as far below the best as the median does; or it is the lowest accuracy, where
    a cut would gain little. Of two trials, or where half of them failed, none is cut off.
    """
    best, lowest = np.max(accuracy), np.min(accuracy)
    reach = max(4 * (best - np.median(accuracy)), LEAST_REACH)
    return float(lowest if best - lowest <= 1.5 * reach else best - reach)


def plot_from_floor(ax: Axes, x: np.ndarray, accuracy: np.ndarray, floor: float, **look) -> None:
    """Plot accuracies, those below `floor` as triangles that point down from it."""
    x, accuracy = np.asarray(x), np.asarray(accuracy)
    below = accuracy < floor
    ax.plot(x, accuracy, markevery=~below, **look)
    if below.any():
        triangles = {**look, "marker": "v", "markersize": 7, "linestyle": "", "label": None}
        ax.plot(x[below], np.full(below.sum(), floor), zorder=3, **triangles)


def cut_at_floor(ax: Axes, accuracy: np.ndarray, floor: float) -> None:
    """End the axis just below `floor` where some drawn `accuracy` is lower, and say so."""
    if np.min(accuracy) >= floor:
        return
    margin = 0.07 * (np.max(accuracy) - floor)
    ax.set_ylim(floor - margin, np.max(accuracy) + margin)
    look = {"marker": "v", "markersize": 7, "color": INK, "markerfacecolor": "none"}
    ax.plot([], [], linestyle="", label="below the axis", **look)
