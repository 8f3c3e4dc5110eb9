"""Figures of notebooks 03 and 04: how training went, and what the trained network does."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from nn_helpers.plotting._checks import (
    check_array,
    check_column,
    check_images,
    check_labels,
    check_length,
    check_table,
)
from nn_helpers.plotting._images import image_grid
from nn_helpers.plotting._style import (
    ACCENT,
    DARK,
    INK,
    MEDIUM,
    add_legend,
    axes_or_new,
    count_ticks,
    new_axes,
    new_figure,
    set_title,
    styled,
)
from nn_helpers.validation import check_integer


def _draw_history(ax: Axes, history: pd.DataFrame, metric: str) -> None:
    """Draw a metric of the training data and, where it was measured, of the validation data."""
    ax.plot(history["epoch"], history[metric], "-o", color=DARK, label="training")
    if f"validation_{metric}" in history:
        validation = history[f"validation_{metric}"]
        ax.plot(history["epoch"], validation, "--s", color=ACCENT, label="validation")
    ax.set(xlabel="epoch", ylabel=metric)
    count_ticks(ax, history["epoch"].max())
    ax.grid(axis="y")


@styled
def plot_cost(history: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """Draw the training cost after each epoch.

    Parameters
    ----------
    history : DataFrame
        One row an epoch, with columns ``epoch`` (from 1) and ``cost``; ``validation_cost`` is drawn
        when present.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing, or there are no rows.
    """
    history = check_table("history", history, ["epoch", "cost"])
    ax, titled = axes_or_new(ax, height=3.4)
    _draw_history(ax, history, "cost")
    if "validation_cost" in history:
        add_legend(titled, ax)
    first, last = history["cost"].iloc[[0, -1]]
    if not np.isfinite(last):
        title = "Training diverged: the cost is no longer a finite number"
    elif len(history) == 1:
        title = f"Training cost after one epoch: {first:.3f}"
    else:
        verb = "falls" if last < first else "does not fall: it goes"
        title = f"The training cost {verb} from {first:.3f} to {last:.3f}"
    set_title(titled, title)
    return ax.figure


@styled
def plot_learning_curves(history: pd.DataFrame) -> Figure:
    """Draw cost and accuracy after each epoch, training beside validation.

    Parameters
    ----------
    history : DataFrame
        One row an epoch, with columns ``epoch`` (from 1), ``cost`` and ``accuracy``;
        ``validation_cost`` and ``validation_accuracy`` are drawn when present.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing, or there are no rows.
    """
    history = check_table("history", history, ["epoch", "cost", "accuracy"])
    figure = new_figure(height=3.4)
    axes = figure.subplots(1, 2)
    for ax, metric in zip(axes, ("cost", "accuracy"), strict=True):
        _draw_history(ax, history, metric)
    axes[1].set_ylabel("accuracy (share right)")
    add_legend(figure, axes[1])
    measured = "validation" if "validation_accuracy" in history else "training"
    accuracy = history["accuracy" if measured == "training" else "validation_accuracy"]
    best = accuracy.argmax()
    epoch = history["epoch"].iloc[best]
    set_title(figure, f"Best {measured} accuracy: {accuracy.iloc[best]:.3f}, after epoch {epoch}")
    return figure


@styled
def plot_confusion_matrix(matrix: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draw how many examples of each class (row) are given each label (column).

    The shade is the share of the true class, on a scale that lets rare mistakes show.

    Parameters
    ----------
    matrix : ndarray of int, shape (n_classes, n_classes)
        Counts; row the true class, column the predicted one.
    class_names : sequence of str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If `matrix` is not square, or there are not as many class names.
    """
    matrix = check_array("matrix", matrix, ("n_classes", "n_classes"))
    n_classes = len(matrix)
    matrix = check_array("matrix", matrix, (n_classes, n_classes))
    names = check_length("class_names", class_names, n_classes, "class")
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)

    ax = new_axes(height=0.5 * n_classes + 1.3)
    picture = ax.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=1), aspect="auto")
    for (row, column), count in np.ndenumerate(matrix):
        colour = "white" if shares[row, column] > 0.4 else INK if count else "#a8a8a8"
        ax.text(column, row, f"{count:,.0f}", color=colour, fontsize=9, ha="center", va="center")
    ax.figure.colorbar(
        picture,
        ax=ax,
        label="share of the true class",
        ticks=[0, 0.01, 0.05, 0.2, 0.5, 1],
        format=PercentFormatter(1, decimals=0),
    )
    ax.set_xticks(range(n_classes), names, rotation=40, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(n_classes), names)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlabel="predicted class", ylabel="true class")
    set_title(ax.figure, _most_confused(matrix, names))
    return ax.figure


def _most_confused(matrix: np.ndarray, names: Sequence[str]) -> str:
    mistakes = matrix - np.diag(np.diag(matrix))
    true, predicted = np.unravel_index(mistakes.argmax(), matrix.shape)
    right = f"{np.trace(matrix):,.0f} of {matrix.sum():,.0f} right"
    if not mistakes.any():
        return right
    count = mistakes[true, predicted]
    return f"{right}; the most frequent mistake: {names[true]} → {names[predicted]} ({count:,.0f})"


@styled
def plot_mistakes(
    images: np.ndarray,
    labels: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray,
    class_names: Sequence[str],
    n_columns: int = 5,
    what: str = "probability",
) -> Figure:
    """Show misclassified images: true class → predicted class, and the output for it.

    Parameters
    ----------
    images : ndarray, shape (m, height, width)
        All are shown, in their order.
    labels, predicted : ndarray of int, shape (m,)
    confidence : ndarray, shape (m,)
        Outputs from 0 to 1 for the predicted classes.
    class_names : sequence of str
    n_columns : int
    what : str
        What the title calls `confidence`: ``"output"``, say, where it is no probability.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the shapes do not agree.
    """
    images = check_images("images", images)
    m, n_classes = len(images), len(class_names)
    labels = check_labels("labels", labels, m, n_classes)
    predicted = check_labels("predicted", predicted, m, n_classes)
    confidence = check_array("confidence", confidence, (m,))
    n_columns = check_integer("n_columns", n_columns, minimum=1)
    captions = [
        f"{class_names[label]}\n→ {class_names[guess]}\n{_digits(value)}"
        for label, guess, value in zip(labels, predicted, confidence, strict=True)
    ]
    figure, _ = image_grid(images, captions, n_columns)
    set_title(figure, f"Confident mistakes: true class → predicted class, and its {what}")
    return figure


def _digits(value: float) -> str:
    """Three digits, or five near 1, where confident predictions crowd; it is never rounded to 1."""
    if value < 0.999:
        return f"{value:.3f}"
    return f"{value:.5f}" if value < 0.999995 else "> 0.99999"


@styled
def plot_regression(
    x: np.ndarray, y: np.ndarray, y_hat: np.ndarray, ax: Axes | None = None
) -> Figure:
    """Draw the points of a problem with one feature, and the curve fitted through them.

    Parameters
    ----------
    x, y, y_hat : ndarray, shape (m,) or (1, m)
        Feature, target and prediction of each example, in any order.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the sizes differ.
    """
    x = check_array("x", np.squeeze(x), ("m",))
    y = check_array("y", np.squeeze(y), x.shape)
    y_hat = check_array("y_hat", np.squeeze(y_hat), x.shape)
    order = np.argsort(x, kind="stable")
    residual, spread = np.sum((y - y_hat) ** 2), np.sum((y - y.mean()) ** 2)

    ax, titled = axes_or_new(ax, height=3.6)
    ax.scatter(x, y, s=14, color=MEDIUM, edgecolor=DARK, linewidth=0.5, label="examples")
    ax.plot(x[order], y_hat[order], color=ACCENT, linewidth=2.2, label="prediction")
    ax.set(xlabel="feature x", ylabel="target y")
    ax.grid(axis="y")
    add_legend(titled, ax)
    fit = f": R² = {1 - residual / spread:.3f}" if spread > 0 else ""
    set_title(titled, f"A curve fitted by the regression head{fit}")
    return ax.figure


@styled
def plot_epoch_times(table: pd.Series | pd.DataFrame) -> Figure:
    """Draw the seconds that each training loop takes for an epoch.

    Parameters
    ----------
    table : Series or DataFrame
        Indexed by the loop's name. A Series of seconds, or a DataFrame with the column ``seconds``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the column is missing, or there are no rows.
    """
    seconds = check_column("table", table, "seconds")
    ax = new_axes(height=0.5 * len(seconds) + 1.1)
    colours = [ACCENT if value == seconds.min() else MEDIUM for value in seconds]
    bars = ax.barh(range(len(seconds)), seconds, 0.62, color=colours)
    ax.bar_label(bars, fmt="{:.2g} s", padding=4)
    ax.set_yticks(range(len(seconds)), seconds.index)
    ax.set(xlabel="time for one epoch (seconds)", ylabel="loop")
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.tick_params(axis="y", length=0)
    title = f"Fastest: {seconds.index[seconds.argmin()]}"
    if len(seconds) > 1:
        title += f", {seconds.max() / seconds.min():.1f} times the speed of the slowest"
    set_title(ax.figure, title)
    return ax.figure
