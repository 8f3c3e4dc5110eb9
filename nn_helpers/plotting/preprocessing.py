"""Figures of notebook 02: each step of the preparation, before and after."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from nn_helpers.plotting._checks import (
    check_array,
    check_images,
    check_labels,
    check_length,
    check_table,
)
from nn_helpers.plotting._images import PIXEL_TICKS, draw_image, pixel_limit
from nn_helpers.plotting._style import (
    ACCENT,
    DARK,
    INK,
    LIGHT,
    MEDIUM,
    add_legend,
    new_axes,
    new_figure,
    set_title,
    styled,
)
from nn_helpers.validation import check_integer

MOST_EXAMPLES = 400
EXAMPLES_IN_A_ROW = 25


@styled
def plot_before_after(
    before: np.ndarray, after: np.ndarray, names: Sequence[str] = ("as loaded", "normalised")
) -> Figure:
    """Show an image and the histogram of all pixels, before and after normalising.

    The pictures and the bars are alike: only the scales differ.

    Parameters
    ----------
    before : ndarray, shape (m, height, width)
        Pixel values from 0 to 255. The first image is shown; the histogram counts all,
        of which a thousand are plenty.
    after : ndarray, same shape
        The same images with pixel values from 0 to 1.
    names : sequence of two str
        What to call the two.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    before = check_images("before", before)
    after = check_array("after", after, before.shape)
    names = check_length("names", names, 2, "of before and after")
    figure = new_figure(height=6.2)
    axes = figure.subplots(2, 2, height_ratios=[2, 1], sharey="row")
    for column, (images, limit) in enumerate([(before, 255), (after, 1)]):
        top, bottom = axes[:, column]
        picture = draw_image(top, images[0], limit)
        scale = f"pixel value (0–{limit})"
        ticks = np.linspace(0, 1, 6) if limit == 1 else PIXEL_TICKS
        figure.colorbar(picture, ax=top, label=scale, location="bottom", ticks=ticks, shrink=0.8)
        top.set_title(f"{names[column]}: {images.dtype}")
        bottom.hist(images.ravel(), bins=np.linspace(0, limit, 52), color=(MEDIUM, DARK)[column])
        bottom.set(xlabel=scale, yscale="log", xticks=ticks)
        bottom.grid(axis="y")
    axes[1, 0].set_ylabel("number of pixels\n(log scale)")
    set_title(figure, "Normalising changes the scale and nothing else")
    return figure


@styled
def plot_flatten(image: np.ndarray, x: np.ndarray, row: int | None = None) -> Figure:
    """Show an image and the column of features it becomes, with one row marked in both.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        Normalised pixel values.
    x : ndarray, shape (height * width,) or (height * width, 1)
        The same values, row after row: one column of ``X``.
    row : int, optional
        The row to mark; the middle one when left out.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the sizes do not agree, or the image has no such row.
    """
    image = check_array("image", image, ("height", "width"))
    height, width = image.shape
    x = check_array("x", np.reshape(x, -1), (image.size,))
    row = check_integer("row", height // 2 if row is None else row, 0, height - 1)
    start, limit = row * width, pixel_limit(image)

    figure = new_figure(height=4.6)
    picture, line = figure.subplots(2, 1, height_ratios=[3, 2])
    draw_image(picture, image, limit, f"{height} × {width} pixels")
    picture.axhspan(row - 0.5, row + 0.5, facecolor="none", edgecolor=ACCENT, linewidth=1.8)
    picture.annotate(
        f"row {row}", (width - 0.5, row), xytext=(10, 0), textcoords="offset points", va="center"
    )
    line.axvspan(start, start + width, color=LIGHT, alpha=0.6, linewidth=0)
    line.plot(x, color=DARK, linewidth=0.9)
    line.annotate(
        f"row {row}: features {start} to {start + width - 1}",
        (start + width, x.max()),
        xytext=(4, 6),
        textcoords="offset points",
    )
    line.set(
        xlabel="feature (index in the column x)",
        ylabel=f"pixel value (0–{limit})",
        xlim=(0, x.size),
    )
    line.margins(y=0.18)
    line.set_xticks(np.linspace(0, x.size, 8))
    line.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    set_title(figure, f"Flattened: {height} rows of {width} pixels become one column of {x.size}")
    return figure


@styled
def plot_one_hot(
    Y: np.ndarray, labels: np.ndarray, class_names: Sequence[str], n_columns: int = 20
) -> Figure:
    """Picture the first columns of ``Y`` as a matrix: one dark cell in each.

    Parameters
    ----------
    Y : ndarray, shape (n_y, m)
        One-hot labels, one column an example.
    labels : ndarray of int, shape (m,)
        The labels that were encoded; written below their columns.
    class_names : sequence of str
        One for each of the n_y rows.
    n_columns : int
        How many columns to show.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the shapes do not agree.
    """
    Y = check_array("Y", Y, ("n_y", "m"))
    names = check_length("class_names", class_names, len(Y), "row of Y")
    labels = check_labels("labels", labels, Y.shape[1], len(Y))
    shown, labels = Y[:, :n_columns], labels[:n_columns]

    ax = new_axes(height=0.3 * len(Y) + 1.3)
    edges = [np.arange(size + 1) - 0.5 for size in shown.shape[::-1]]
    ax.pcolormesh(*edges, shown, cmap="Blues", vmin=0, vmax=1.25, edgecolor="white", linewidth=1)
    for (row, column), value in np.ndenumerate(shown):
        colour = "white" if value > 0.5 else "#9a9a9a"
        ax.text(column, row, f"{value:g}", color=colour, fontsize=8, ha="center", va="center")
    ax.set_xticks(range(shown.shape[1]), labels)
    ax.set_yticks(range(len(Y)), [f"{name}  {row}" for row, name in enumerate(names)])
    ax.invert_yaxis()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlabel="label of each example (one column an example)", ylabel="class (row of Y)")
    set_title(ax.figure, f"One-hot: the first {shown.shape[1]} columns of Y, a single 1 in each")
    return ax.figure


@styled
def plot_split(table: pd.DataFrame) -> Figure:
    """Draw how the examples of each class are divided, one stacked bar a class.

    Parameters
    ----------
    table : DataFrame
        One row for each class, named by the index; the counts in columns ``train``, ``validation``
        and ``test``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing.
    """
    columns = ["train", "validation", "test"]
    table = check_table("table", table, columns)
    ax = new_axes(height=0.36 * len(table) + 1.3)
    ends = table[columns].cumsum(axis="columns")
    widest = ends["test"].max()
    looks = [(DARK, "white"), (MEDIUM, INK), (LIGHT, INK)]
    for column, (colour, ink) in zip(columns, looks, strict=True):
        bars = ax.barh(
            range(len(table)),
            table[column],
            0.72,
            left=ends[column] - table[column],
            color=colour,
            label=column,
            edgecolor="white",
        )
        texts = [f"{n:,}" if n > 0.07 * widest else "" for n in table[column]]
        ax.bar_label(bars, texts, label_type="center", color=ink, fontsize=8.5)
    ax.set_yticks(range(len(table)), table.index)
    ax.set(xlabel="number of examples", ylabel="class")
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    add_legend(ax.figure, ax)
    train, validation, test = table[columns].sum()
    set_title(
        ax.figure, f"{train:,} examples to train on, {validation:,} to choose by, {test:,} to test"
    )
    return ax.figure


@styled
def plot_mini_batches(batch_of_example: np.ndarray, mini_batch_size: int) -> Figure:
    """Picture one epoch: which mini-batch each example falls into, and how large each one is.

    Parameters
    ----------
    batch_of_example : ndarray of int, shape (m,)
        The number of each example's mini-batch, counted from 0, in the order in which the examples
        are stored. At most 400: this is a picture of a small sample.
    mini_batch_size : int

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there are too many examples, or the mini-batches do not have this size (the last may be
        smaller).
    """
    size = check_integer("mini_batch_size", mini_batch_size, minimum=1)
    batches, counts = _check_batches(batch_of_example, size)
    shades = matplotlib.colormaps["Greys"](np.linspace(0.12, 0.85, len(counts)))
    is_smaller = counts[-1] < size
    if is_smaller:
        shades[-1] = to_rgba(ACCENT)

    n_rows = -(-len(batches) // EXAMPLES_IN_A_ROW)
    figure = new_figure(height=0.27 * n_rows + 3.2)
    top, bottom = figure.subplots(2, 1, height_ratios=[0.27 * n_rows, 1.8])
    _draw_batch_of_each(top, batches, shades, outlined=len(counts) - 1 if is_smaller else None)
    _draw_batch_sizes(bottom, counts, size, shades)
    ending = f", the last with only {counts[-1]}" if is_smaller else ""
    noun = "mini-batch" if len(counts) == 1 else "mini-batches"
    title = f"One epoch of {len(batches)} shuffled examples: {len(counts)} {noun}{ending}"
    set_title(figure, title)
    return figure


def _check_batches(batch_of_example: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The mini-batch of each example, and the number of examples in each mini-batch."""
    batches = check_array("batch_of_example", batch_of_example, ("m",))
    m = len(batches)
    if m > MOST_EXAMPLES:
        raise ValueError(
            f"batch_of_example must hold at most {MOST_EXAMPLES} examples, got {batches.shape}"
        )
    check_labels("batch_of_example", batches, m, -(-m // size))
    counts = np.bincount(batches)
    if not ((counts[:-1] == size).all() and counts[-1] <= size):
        raise ValueError(
            f"batch_of_example must fill mini-batches of mini_batch_size {size}, the last perhaps "
            f"smaller, got sizes {', '.join(map(str, counts[:10]))}"
        )
    return batches, counts


def _draw_batch_of_each(
    ax: Axes, batches: np.ndarray, shades: np.ndarray, outlined: int | None
) -> None:
    """A cell for each example, shaded and numbered by its mini-batch."""
    for position, batch in enumerate(batches):
        row, column = divmod(position, EXAMPLES_IN_A_ROW)
        border = {"edgecolor": INK, "linewidth": 1.6} if batch == outlined else {}
        cell = Rectangle((column - 0.45, row - 0.42), 0.9, 0.84, facecolor=shades[batch], **border)
        ax.add_patch(cell)
        ink = "white" if shades[batch][:3].mean() < 0.55 else INK
        ax.text(column, row, batch, color=ink, fontsize=8, ha="center", va="center_baseline")
    ax.set(xlim=(-0.5, EXAMPLES_IN_A_ROW - 0.5), ylim=(row + 0.5, -0.5))
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xticks(range(0, EXAMPLES_IN_A_ROW, 5))
    ax.set_yticks(range(row + 1), range(0, len(batches), EXAMPLES_IN_A_ROW))
    ax.set(xlabel="example, counted along each row", ylabel="first of the row")
    ax.set_title("Which mini-batch each example falls into")


def _draw_batch_sizes(ax: Axes, counts: np.ndarray, size: int, shades: np.ndarray) -> None:
    """A bar for each mini-batch, the last hatched where it is smaller."""
    bars = ax.bar(range(len(counts)), counts, 0.8, color=shades, edgecolor=INK, linewidth=0.6)
    if counts[-1] < size:
        bars[-1].set(hatch="///", linewidth=1.6)
    if len(counts) <= 25:
        ax.bar_label(bars, padding=2, fontsize=9)
    ax.axhline(size, color=INK, linestyle="--", linewidth=1)
    ax.annotate(
        f"mini_batch_size = {size}",
        (1, size),
        xycoords=("axes fraction", "data"),
        xytext=(0, 16),
        textcoords="offset points",
        ha="right",
    )
    ax.set(xlabel="mini-batch, in the order of training", ylabel="examples in it")
    ax.set_ylim(0, size * 1.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(4, integer=True))
