"""Images side by side, as several figures show them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from nn_helpers.plotting._style import IMAGE_COLOURS, RULE, WIDTH, new_figure

PIXEL_TICKS = (0, 50, 100, 150, 200, 255)


def pixel_limit(images: np.ndarray) -> int:
    """The end of the pixels' scale: 1 once they are normalised, 255 before."""
    return 1 if images.dtype.kind == "f" and images.max() <= 1 else 255


def caption_size(cell: float) -> int:
    """A font size for captions below images that are `cell` inches wide."""
    return 9 if cell > 1 else 8 if cell > 0.85 else 7


def draw_image(
    ax: Axes, image: np.ndarray, limit: float, caption: str = "", size: float = 9
) -> AxesImage:
    """Show one image on a white ground, without ticks, and its caption below."""
    picture = ax.imshow(image, cmap=IMAGE_COLOURS, vmin=0, vmax=limit)
    ax.set(xticks=[], yticks=[])
    pad = size * (1.35 + 1.2 * caption.count("\n"))  # to the baseline of the last line
    ax.set_xlabel(caption, fontsize=size, labelpad=pad, verticalalignment="baseline")
    ax.spines[:].set(visible=True, color=RULE, linewidth=0.6)
    return picture


def image_grid(
    images: np.ndarray, captions: Sequence[str], n_columns: int, margin: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """Show images row after row in a new figure, each with its caption below.

    `margin` inches stay free for a colour bar at the right.
    """
    n_rows = -(-len(images) // n_columns)
    cell = min((WIDTH - margin) / n_columns, 1.7)
    size = caption_size(cell)
    n_lines = max(caption.count("\n") + 1 for caption in captions)
    height = n_rows * (cell + 0.08 + n_lines * size / 50) + 0.35
    figure = new_figure(height, max(cell * n_columns + margin, 3.5))
    axes = [figure.add_subplot(n_rows, n_columns, index + 1) for index in range(len(images))]
    for ax, image, caption in zip(axes, images, captions, strict=True):
        draw_image(ax, image, pixel_limit(images), caption, size)
    return figure, axes
