"""What every figure shares: one look, one way to make a figure, and titles that fit.

Figures are made without pyplot's registry: none stays open, and Jupyter shows each once, as the
value of its cell. Colours differ in lightness as well as in hue, so that they survive a grey print.
"""

import importlib
import textwrap
from collections.abc import Callable
from functools import wraps
from typing import Any

import matplotlib
import matplotlib.figure
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import NullLocator

INLINE_BACKEND = "matplotlib_inline.backend_inline"
if str(matplotlib.get_backend(auto_select=False)).endswith(("inline", INLINE_BACKEND)):
    # Pyplot would load it with its first figure; only then does Jupyter show a Figure as an image.
    importlib.import_module(INLINE_BACKEND)

WIDTH = 7.0  # inches, 700 pixels: the column of a blog

INK = "#222222"
MUTED = "#6b6b6b"
RULE = "#d9d9d9"
DARK = "#1b4b72"  # training data, and what is ours
MEDIUM = "#74a2c1"
LIGHT = "#f7c96b"
ACCENT = "#d2691e"  # validation data, and whatever the reader should notice

IMAGE_COLOURS = "gray_r"  # the data's authors negated their photographs: this undoes it
SIGNED_COLOURS = "cividis"  # lightness rises throughout, and the middle, for 0, is a neutral grey

STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": 10.5,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.titlesize": 11,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.titlesize": 12,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same on every machine
    "font.size": 10,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "hatch.linewidth": 0.8,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 9.5,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 9.5,
}


class Figure(matplotlib.figure.Figure):
    """A figure that gives its title to a notebook, as the text alternative of its image.

    It is called like matplotlib's class, since notebooks also keep the ``repr`` of a figure.
    """

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict, dict]:
        """Add to what Jupyter makes of a figure; the image itself stays Jupyter's."""
        title = " ".join(self.get_suptitle().split())
        return {}, {"image/png": {"alt": title}} if title else {}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw under `STYLE`, whatever style the session has, and give the session its own back."""

    @wraps(draw)
    def draw_styled(*args, **kwargs) -> Figure:
        with plt.style.context(STYLE, after_reset=True):
            return draw(*args, **kwargs)

    return draw_styled


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of `width` by `height` inches, unknown to pyplot."""
    return Figure(figsize=(width, height), layout="constrained")


def new_axes(height: float, width: float = WIDTH) -> Axes:
    """The only axes of a new figure."""
    return new_figure(height, width).add_subplot()


def axes_or_new(ax: Axes | None, height: float, width: float = WIDTH) -> tuple[Axes, Axes | Figure]:
    """The axes to draw on and what carries the title: `ax` itself, or new axes and their figure."""
    if ax is not None:
        return ax, ax
    ax = new_axes(height, width)
    return ax, ax.figure


def set_title(target: Figure | Axes, title: str) -> None:
    """Write `title` above a figure from its left edge, or above axes, in lines that fit."""
    if isinstance(target, Axes):
        inches = target.get_position().width * target.figure.bbox.width / target.figure.dpi
        target.set_title(_wrap(title, inches))
    else:
        target.suptitle(_wrap(title, target.get_figwidth()), x=0.012, horizontalalignment="left")


def _wrap(text: str, inches: float) -> str:
    return "\n".join(textwrap.wrap(text, max(int(11.5 * inches), 16)))


def add_legend(carrier: Axes | Figure, ax: Axes) -> None:
    """Name what `ax` shows: below a figure of our own, where it hides no data, or inside `ax`."""
    handles, labels = ax.get_legend_handles_labels()
    if isinstance(carrier, Axes):
        ax.legend(handles, labels)
        return
    place = {"handles": handles, "labels": labels, "loc": "outside lower center"}
    legend = carrier.legend(**place, ncols=len(handles))
    if legend.get_window_extent().width > carrier.bbox.width:
        legend.remove()
        carrier.legend(**place, ncols=2)


def count_ticks(ax: Axes, last: int) -> None:
    """At most eleven ticks for a horizontal axis that counts from 1 to `last`."""
    last = int(last)
    steps = (factor * 10**power for power in range(9) for factor in (1, 5))
    step = next(step for step in steps if last <= 10 * step)
    ax.set_xticks(sorted({1, *range(step, last + 1, step)}))
    margin = max(0.03 * last, 0.3)
    ax.set_xlim(1 - margin, last + margin)


def set_power_ticks(axis: Axis, low: float, high: float, base: int, most: int) -> None:
    """Label a logarithmic axis at powers of `base` from `low` to `high`, or at its two ends."""
    first, last = np.ceil(np.log(low) / np.log(base) - 1e-9), np.log(high) / np.log(base) + 1e-9
    exponents = np.arange(first, last).astype(int)
    if len(exponents) > 1:
        exponents = exponents[:: -(-len(exponents) // most)]
        ticks = float(base) ** exponents
        labels = [rf"$\mathdefault{{10^{{{exponent}}}}}$" for exponent in exponents]
    else:
        ticks = np.unique([low, high])
        labels = [f"{tick:.2g}" for tick in ticks]
    axis.set_ticks(ticks, labels if base == 10 else [f"{tick:.0f}" for tick in ticks])
    axis.set_minor_locator(NullLocator())
