"""Figures of notebook 03 about the network itself: its layers, activations and weights."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nn_helpers.plotting._checks import check_array
from nn_helpers.plotting._style import (
    ACCENT,
    DARK,
    INK,
    LIGHT,
    MEDIUM,
    MUTED,
    SIGNED_COLOURS,
    WIDTH,
    add_legend,
    new_axes,
    new_figure,
    set_title,
    styled,
)
from nn_helpers.validation import check_integer, check_sizes

MOST_CIRCLES = 6


@styled
def plot_network(layer_dims: Sequence[int]) -> Figure:
    """Draw the multilayer perceptron: a column of circles a layer, the parameters between them.

    Parameters
    ----------
    layer_dims : list of int
        Sizes ``[n_x, n_h1, …, n_y]``, at least two. Of a large layer only a few nodes are drawn.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there are fewer than two layers, or a size is less than 1.
    """
    sizes = check_sizes("layer_dims", list(layer_dims))
    if len(sizes) < 2:
        raise ValueError(f"layer_dims must name an input and an output layer, got {layer_dims}")
    last = len(sizes) - 1
    width = max(WIDTH, 0.95 * len(sizes))
    ax = new_axes(height=4.2, width=width)
    heights = [_node_heights(size) for size in sizes]
    is_tight = width / len(sizes) < 1.35
    for layer, (left, right) in enumerate(pairwise(heights), start=1):
        _draw_connections(ax, layer, left, right)
        gap = "\n" if is_tight else " "
        n_out, n_in = sizes[layer], sizes[layer - 1]
        text = f"W{layer}{gap}({n_out}, {n_in})\nb{layer}{gap}({n_out}, 1)"
        ax.text(layer - 0.5, -4.0, text, fontsize=9, linespacing=1.4, ha="center", va="top")
    for layer, size in enumerate(sizes):
        kind = "input" if layer == 0 else "output" if layer == last else "hidden"
        _draw_layer(ax, layer, kind, size, heights[layer], is_tight)
    ax.set(xlim=(-0.5, last + 0.5), ylim=(-6.2, 6.1) if is_tight else (-5.4, 5.2))
    ax.set_axis_off()
    n_parameters = sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes))
    name = "-".join(map(str, sizes))
    set_title(ax.figure, f"A multilayer perceptron {name}: {n_parameters:,} parameters")
    return ax.figure


def _draw_connections(ax: Axes, layer: int, left: np.ndarray, right: np.ndarray) -> None:
    """A line from every node drawn of the layer before to every one of `layer`."""
    starts, ends = np.repeat(left, len(right)), np.tile(right, len(left))
    ax.plot([layer - 1, layer], [starts, ends], color="#a9b6bf", linewidth=0.7, zorder=1)


def _node_heights(size: int) -> np.ndarray:
    """Where to draw the nodes of a layer: all of a small one, else some above and below dots."""
    if size <= MOST_CIRCLES:
        return (size - 1) / 2 - np.arange(size)
    return np.array([3.0, 2.0, 1.0, -1.0, -2.0, -3.0])


def _draw_layer(
    ax: Axes, layer: int, kind: str, size: int, heights: np.ndarray, is_tight: bool
) -> None:
    """A column of circles, and the name and the size of the layer above it."""
    colour = {"input": LIGHT, "hidden": MEDIUM, "output": DARK}[kind]
    x = np.full(len(heights), layer)
    ax.scatter(x, heights, s=190, color=colour, edgecolor=INK, linewidth=0.8, zorder=2)
    if len(heights) < size:
        ax.scatter(np.full(3, layer), [0.5, 0.0, -0.5], s=9, color=MUTED, zorder=2)
    name, symbol = {
        "input": ("input", "n_x"),
        "hidden": (f"hidden layer {layer}", f"n_h{layer}"),
        "output": ("output layer", "n_y"),
    }[kind]
    name = name.replace(" ", "\n", 1) if is_tight else name
    ax.text(layer, 3.6, f"{name}\n{symbol} = {size}", linespacing=1.4, ha="center", va="bottom")


@styled
def plot_activations() -> Figure:
    """Draw relu, sigmoid and tanh, each with its derivative.

    Returns
    -------
    matplotlib.figure.Figure
    """
    z = np.linspace(-4, 4, 401)
    sigmoid = 1 / (1 + np.exp(-z))
    curves = {
        "relu": (np.maximum(z, 0), np.where(z == 0, np.nan, z > 0)),
        "sigmoid": (sigmoid, sigmoid * (1 - sigmoid)),
        "tanh": (np.tanh(z), 1 - np.tanh(z) ** 2),
    }
    figure = new_figure(height=3.1)
    axes = figure.subplots(1, 3)
    for ax, (name, (value, derivative)) in zip(axes, curves.items(), strict=True):
        ax.plot(z, value, color=DARK, label="g(z)")
        ax.plot(z, derivative, color=ACCENT, linestyle="--", label="its derivative g′(z)")
        ax.set(xlabel="z", ylabel="g(z), g′(z)", title=name, xticks=[-4, -2, 0, 2, 4])
        ax.grid(axis="both")
    add_legend(figure, axes[0])
    set_title(figure, "The hidden activations: sigmoid and tanh flatten out, relu does not")
    return figure


@styled
def plot_first_layer_weights(
    W1: np.ndarray,
    image_shape: tuple[int, int] = (28, 28),
    n_columns: int = 10,
    max_nodes: int = 50,
) -> Figure:
    """Show the weights into each node of the first hidden layer as an image.

    The scale is symmetric about 0 and leaves out the most extreme 0.5 % of the weights.

    Parameters
    ----------
    W1 : ndarray, shape (n_h1, height * width)
    image_shape : tuple of two int
        ``(height, width)``.
    n_columns : int
    max_nodes : int
        Show the first `max_nodes` nodes.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the rows of `W1` do not have the size of an image.
    """
    W1 = check_array("W1", W1, ("n_h1", int(np.prod(image_shape))))
    n_columns = check_integer("n_columns", n_columns, minimum=1)
    shown = W1[: check_integer("max_nodes", max_nodes, minimum=1)]
    n_columns = min(n_columns, len(shown))
    n_rows = -(-len(shown) // n_columns)
    limit = np.quantile(np.abs(shown), 0.995) or 1.0

    cell = min((WIDTH - 1.4) / n_columns, 1.6)
    figure = new_figure((cell + 0.02) * n_rows + 0.5, max(cell * n_columns + 1.4, 3.5))
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, weights in zip(axes.flat, shown, strict=False):
        picture = ax.imshow(weights.reshape(image_shape), SIGNED_COLOURS, vmin=-limit, vmax=limit)
    figure.colorbar(picture, ax=axes, label="weight (grey is 0)", extend="both", shrink=0.9)
    which = "all" if len(shown) == len(W1) else f"the first {len(shown)} of"
    set_title(figure, f"First-layer weights of {which} {len(W1)} hidden nodes")
    return figure
