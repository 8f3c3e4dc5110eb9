"""Figures of notebook 01: the images, their classes, and what there is to beat."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from nn_helpers.plotting._checks import (
    check_array,
    check_column,
    check_images,
    check_labels,
    check_length,
    check_table,
)
from nn_helpers.plotting._images import (
    PIXEL_TICKS,
    caption_size,
    draw_image,
    image_grid,
    pixel_limit,
)
from nn_helpers.plotting._style import (
    ACCENT,
    DARK,
    IMAGE_COLOURS,
    LIGHT,
    MUTED,
    WIDTH,
    add_legend,
    axes_or_new,
    new_axes,
    new_figure,
    set_title,
    styled,
)


@styled
def plot_image(image: np.ndarray, title: str, ax: Axes | None = None) -> Figure:
    """Show one image, with its rows and columns counted and a bar for the grey scale.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        Pixel values: integers from 0 to 255, or normalised floats from 0 to 1.
    title : str
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If `image` has another shape.
    """
    image = check_array("image", image, ("height", "width"))
    ax, titled = axes_or_new(ax, height=4.1, width=4.8)
    limit = pixel_limit(image)
    picture = ax.imshow(image, cmap=IMAGE_COLOURS, vmin=0, vmax=limit)
    ax.figure.colorbar(picture, ax=ax, label=f"pixel value (0–{limit})")
    ax.set(xlabel="column (pixels)", ylabel="row (pixels)")
    ax.spines[:].set_visible(True)
    set_title(titled, title)
    return ax.figure


@styled
def plot_image_grid(
    images: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    n_rows: int = 5,
    n_columns: int = 5,
    title: str | None = None,
) -> Figure:
    """Show the first ``n_rows * n_columns`` images, each with the name of its class.

    Parameters
    ----------
    images : ndarray, shape (m, height, width)
        At least ``n_rows * n_columns`` images.
    labels : ndarray of int, shape (m,)
    class_names : sequence of str
    n_rows, n_columns : int
    title : str, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there are fewer images, or the labels do not fit them or the class names.
    """
    images = check_images("images", images)
    labels = check_labels("labels", labels, len(images), len(class_names))
    n_shown = n_rows * n_columns
    if not 0 < n_shown <= len(images):
        raise ValueError(
            f"images must hold at least n_rows * n_columns = {n_shown} images, got {images.shape}"
        )
    captions = [class_names[label] for label in labels[:n_shown]]
    figure, _ = image_grid(images[:n_shown], captions, n_columns)
    set_title(figure, title or f"The first {n_shown} images and their classes")
    return figure


@styled
def plot_class_balance(table: pd.DataFrame) -> Figure:
    """Draw how many training and test images each class has.

    Parameters
    ----------
    table : DataFrame
        One row for each class, named by the index; the counts in columns ``train`` and ``test``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing.
    """
    table = check_table("table", table, ["train", "test"])
    ax = new_axes(height=0.42 * len(table) + 1.3)
    rows = np.arange(len(table))
    for column, offset, colour in (("train", -0.2, DARK), ("test", 0.2, LIGHT)):
        bars = ax.barh(rows + offset, table[column], 0.38, color=colour, label=column)
        ax.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8.5)
    ax.set(xlabel="number of images", ylabel="class", yticks=rows, yticklabels=table.index)
    ax.margins(x=0.1)
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    add_legend(ax.figure, ax)
    counts = table[["train", "test"]]
    if (counts == counts.iloc[0]).all(axis=None):
        train, test = counts.iloc[0]
        title = f"Balanced: {train:,} training and {test:,} test images in every class"
    else:
        train = counts["train"]
        title = f"From {train.min():,} to {train.max():,} training images in a class"
    set_title(ax.figure, title)
    return ax.figure


@styled
def plot_pixel_histogram(images: np.ndarray, ax: Axes | None = None) -> Figure:
    """Draw how often each pixel value occurs, on a logarithmic scale: 0 dwarfs the others.

    Parameters
    ----------
    images : ndarray of uint8, shape (m, height, width)
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If `images` has another shape or type.
    """
    images = check_images("images", images)
    if images.dtype != np.uint8:
        raise ValueError(f"images must be uint8, as loaded, got {images.dtype} {images.shape}")
    counts = np.zeros(256, dtype=int)
    for image in np.array_split(images, -(-len(images) // 1000)):
        counts += np.bincount(image.ravel(), minlength=256)
    zero_share = counts[0] / counts.sum()

    ax, titled = axes_or_new(ax, height=3.4)
    ax.bar(np.arange(1, 256), counts[1:], width=1.0, color=DARK)
    ax.bar(0, counts[0], width=3.0, color=ACCENT)
    ax.annotate(
        "0, mostly background",
        (0, counts[0]),
        xytext=(12, -4),
        textcoords="offset points",
        verticalalignment="top",
    )
    if counts[255] > 2 * counts[250:255].max():
        above = {"xytext": (3, 3), "textcoords": "offset points", "horizontalalignment": "right"}
        ax.annotate("255, the darkest", (255, counts[255]), **above)
    ax.set(xlabel="pixel value (0–255)", ylabel="number of pixels (log scale)", yscale="log")
    ax.set(xlim=(-5, 258), xticks=PIXEL_TICKS)
    ax.grid(axis="y")
    set_title(titled, f"{zero_share:.1%} of all pixels have the value 0")
    return ax.figure


@styled
def plot_class_means(means: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Show the mean image of each class, in rows of five.

    Parameters
    ----------
    means : ndarray, shape (n_classes, height, width)
    class_names : sequence of str
        One for each mean image.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If `means` has another shape, or there are not as many class names.
    """
    means = check_array("means", means, ("n_classes", "height", "width"))
    names = check_length("class_names", class_names, len(means), "mean image")
    figure, axes = image_grid(means, names, n_columns=5, margin=0.9)
    scale = f"mean pixel value (0–{pixel_limit(means)})"
    figure.colorbar(axes[0].images[0], ax=axes, label=scale, shrink=0.8)
    set_title(figure, "The mean image of each class")
    return figure


@styled
def plot_image_pairs(
    left: np.ndarray,
    right: np.ndarray,
    titles: Sequence[str],
    left_name: str = "train",
    right_name: str = "test",
    title: str | None = None,
) -> Figure:
    """Show near-duplicates: each column a pair, one image above the other, then where they differ.

    Parameters
    ----------
    left, right : ndarray, shape (n_pairs, height, width)
        The two images of each pair.
    titles : sequence of str
        What to write under each pair, such as its distance.
    left_name, right_name : str
        Where the images come from.
    title : str, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the shapes differ, or there are not as many titles as pairs.
    """
    left = check_array("left", left, ("n_pairs", "height", "width"))
    right = check_array("right", right, left.shape)
    titles = check_length("titles", titles, len(left), "pair")
    limit = pixel_limit(left)
    differences = np.abs(right.astype(float) - left)
    largest = max(differences.max(), limit / 255)

    cell = min((WIDTH - 1.3) / len(left), 1.5)
    size = caption_size(cell)
    figure = new_figure(3 * cell + 1.1, max(cell * len(left) + 1.3, 3.5))
    axes = figure.subplots(3, len(left), squeeze=False)
    for column, caption in enumerate(titles):
        draw_image(axes[0, column], left[column], limit)
        draw_image(axes[1, column], right[column], limit)
        picture = draw_image(axes[2, column], differences[column], largest, caption, size)
    for ax, name in zip(axes[:, 0], (left_name, right_name, "difference"), strict=True):
        ax.set_ylabel(name)
    figure.colorbar(picture, ax=axes[2], label="difference\nof pixel values")
    set_title(figure, title or f"{len(left)} pairs that are nearly the same image")
    return figure


@styled
def plot_baselines(table: pd.Series | pd.DataFrame) -> Figure:
    """Draw the accuracies of simple models, best at the top.

    Parameters
    ----------
    table : Series or DataFrame
        Indexed by name. A Series of accuracies; or a DataFrame with the column ``accuracy`` and, to
        set published results apart, ``source``: ``"ours"`` or ``"published"``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the column is missing, or a source is neither of the two.
    """
    accuracy = check_column("table", table, "accuracy")
    source = pd.Series("ours", index=accuracy.index)
    if isinstance(table, pd.DataFrame) and "source" in table:
        source = table["source"]
    unknown = source[~source.isin(["ours", "published"])]
    if len(unknown):
        raise ValueError(f"table's source must be ours or published, got {unknown.iloc[0]!r}")
    ascending = accuracy.argsort(kind="stable")
    accuracy, source = accuracy.iloc[ascending], source.iloc[ascending]

    ax = new_axes(height=0.36 * len(accuracy) + 1.2)
    looks = {
        "ours": {"color": DARK, "label": "measured here"},
        "published": {"color": "white", "hatch": "////", "edgecolor": MUTED, "label": "published"},
    }
    for name, look in looks.items():
        rows = np.flatnonzero(source == name)
        if len(rows):
            bars = ax.barh(rows, accuracy.iloc[rows], 0.66, **look)
            ax.bar_label(bars, fmt="{:.3f}", padding=4, fontsize=9)
    ax.set(xlabel="test accuracy (share of images right)", ylabel="model", xlim=(0, 1.08))
    ax.set_yticks(range(len(accuracy)), accuracy.index)
    ax.set_xticks(np.linspace(0, 1, 6))
    ax.tick_params(axis="y", length=0)
    if source.nunique() > 1:
        add_legend(ax.figure, ax)
    where = " and ".join(look["label"] for name, look in looks.items() if (source == name).any())
    set_title(ax.figure, f"Accuracy of simple models, {where}")
    return ax.figure
