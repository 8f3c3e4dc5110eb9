"""Figures of notebook 05 about the Gaussian-process search: what it tried and what it believes.

They show what scikit-optimize's plots of the same names show, from the same result. Drawn here
because those average over samples without a seed, space their points evenly where the axis is
logarithmic, show minus the accuracy, and do not fit the width of a page.
"""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nn_helpers.plotting._accuracy import accuracy_floor, cut_at_floor, plot_from_floor
from nn_helpers.plotting._style import (
    ACCENT,
    DARK,
    INK,
    MEDIUM,
    WIDTH,
    add_legend,
    axes_or_new,
    count_ticks,
    set_power_ticks,
    set_title,
    styled,
)

GRID_POINTS = 24  # along each hyperparameter
N_SAMPLES = 100  # settings of the others to average over
COLOURS = "cividis"
RIM = 0.05  # of an axis, beyond either end of the range


def _check_result(result: Any) -> None:
    for attribute in ("space", "x_iters", "func_vals", "models", "x"):
        if not hasattr(result, attribute):
            raise ValueError(
                f"result must be what gp_minimize returns, got {type(result).__name__} without "
                f"{attribute!r}"
            )


@styled
def plot_gp_convergence(result: Any, ax: Axes | None = None) -> Figure:
    """Draw the accuracy of each trial of a search, and the best so far.

    Parameters
    ----------
    result : scipy.optimize.OptimizeResult
        From ``skopt.gp_minimize`` of minus the validation accuracy.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If `result` is something else.
    """
    _check_result(result)
    accuracy = -np.asarray(result.func_vals)
    trial = np.arange(1, len(accuracy) + 1)
    n_random = len(accuracy) - len(result.models) + 1 if result.models else len(accuracy)
    random = trial <= n_random
    ax, titled = axes_or_new(ax, height=3.8)
    floor = accuracy_floor(accuracy)
    looks = ("none", "random start"), (DARK, "chosen by the Gaussian process")
    for chosen, (face, label) in zip((random, ~random), looks, strict=True):
        look = {"markerfacecolor": face, "markeredgecolor": DARK, "label": label}
        look |= {"marker": "o", "linestyle": ""}
        plot_from_floor(ax, trial[chosen], accuracy[chosen], floor, **look)
    best = np.maximum.accumulate(accuracy)
    ax.plot(trial, best, color=ACCENT, drawstyle="steps-post", label="best so far")
    cut_at_floor(ax, accuracy, floor)
    ax.set(xlabel="trial", ylabel="validation accuracy")
    count_ticks(ax, len(accuracy))
    ax.grid(axis="y")
    add_legend(titled, ax)
    winner = int(accuracy.argmax())
    set_title(
        titled, f"Convergence: the best accuracy, {best[-1]:.3f}, comes in trial {winner + 1}"
    )
    return ax.figure


@styled
def plot_partial_dependence(result: Any) -> Figure:
    """Draw the accuracy that the model of a search expects, for each hyperparameter and pair.

    On the diagonal one hyperparameter varies, below it two; the model's expectation is averaged
    over the others. Dots are the trials, the star is the best.

    Parameters
    ----------
    result : scipy.optimize.OptimizeResult
        From ``skopt.gp_minimize`` of minus the validation accuracy, with at least as many calls as
        initial points.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If `result` is something else, or holds no fitted model.
    """
    _check_result(result)
    if not result.models:
        raise ValueError(
            "result must hold a fitted model, got none: run at least n_initial_points trials"
        )
    dimensions = result.space.dimensions
    figure, axes = _triangle(dimensions)
    surfaces = {}
    for row, column in zip(*np.tril_indices(len(dimensions)), strict=True):
        ax = axes[row, column]
        if row == column:
            x = _grid(dimensions[row])
            look = "o" if _is_categorical(dimensions[row]) else "-"
            expected = expected_accuracy(result, {row: x})
            ax.plot(_places(dimensions[row], x), expected, look, color=DARK)
            ax.axvline(_places(dimensions[row], [result.x[row]])[0], color=ACCENT, linestyle="--")
            continue
        surfaces[ax] = _draw_surface(ax, result, row, column)
        _draw_trials(ax, result, row, column, s=9, color="white", edgecolor=INK, linewidth=0.5)
    _share_limits(axes.diagonal(), surfaces)
    for ax in axes.diagonal():
        ax.set_ylabel("accuracy")
    star = "★ and dashed line: the best trial\n○ the other trials"
    _add_key(axes, next(iter(surfaces.values()), None), "expected validation accuracy", star)
    set_title(figure, "What the Gaussian process expects of each hyperparameter")
    return figure


def _draw_surface(ax: Axes, result: Any, row: int, column: int) -> QuadMesh:
    """The expected accuracy for each pair of values of two hyperparameters."""
    across, up = result.space.dimensions[column], result.space.dimensions[row]
    x, y = _grid(across), _grid(up)
    pairs = {column: x * len(y), row: [value for value in y for _ in x]}
    expected = expected_accuracy(result, pairs).reshape(len(y), len(x))
    places = _places(across, x), _places(up, y)
    return ax.pcolormesh(*places, expected, cmap=COLOURS, rasterized=True)


@styled
def plot_evaluations(result: Any) -> Figure:
    """Draw where a search spent its trials, and in which order.

    On the diagonal, how many trials each value had; below it every trial, shaded by its number.
    The star is the best.

    Parameters
    ----------
    result : scipy.optimize.OptimizeResult
        From ``skopt.gp_minimize``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If `result` is something else.
    """
    _check_result(result)
    dimensions = result.space.dimensions
    figure, axes = _triangle(dimensions)
    order = np.arange(1, len(result.x_iters) + 1)
    points = None
    for row, column in zip(*np.tril_indices(len(dimensions)), strict=True):
        if row == column:
            values = _places(dimensions[row], [x[row] for x in result.x_iters])
            axes[row, row].hist(values, _bins(dimensions[row]), color=MEDIUM, edgecolor="white")
            axes[row, row].set_ylabel("trials")
            axes[row, row].yaxis.set_major_locator(MaxNLocator(3, integer=True))
        else:
            points = _draw_trials(
                axes[row, column], result, row, column, s=24, c=order, cmap=COLOURS, alpha=0.9
            )
    _add_key(axes, points, "trial, in order", "★ the best trial")
    set_title(figure, f"Where the search spent its {len(order)} trials")
    return figure


def expected_accuracy(result: Any, chosen: dict[int, list]) -> np.ndarray:
    """The model's expectation where some hyperparameters take given values, whatever the others.

    Parameters
    ----------
    result : scipy.optimize.OptimizeResult
    chosen : dict
        From the index of a hyperparameter to its values, n for each.

    Returns
    -------
    ndarray, shape (n,)
        Averages over `N_SAMPLES` random settings of the other hyperparameters, always the same.
    """
    space = result.space
    samples = space.transform(space.rvs(N_SAMPLES, random_state=0))
    starts = np.cumsum([0] + [dimension.transformed_size for dimension in space.dimensions])
    n = len(next(iter(chosen.values())))
    points = np.tile(samples, (n, 1, 1))
    for index, values in chosen.items():
        columns = np.reshape(space.dimensions[index].transform(values), (n, 1, -1))
        points[:, :, starts[index] : starts[index + 1]] = columns
    predicted = result.models[-1].predict(points.reshape(n * N_SAMPLES, -1))
    return -predicted.reshape(n, N_SAMPLES).mean(axis=1)


def _is_categorical(dimension: Any) -> bool:
    return hasattr(dimension, "categories")


def _is_whole(dimension: Any) -> bool:
    return not _is_categorical(dimension) and np.issubdtype(dimension.dtype, np.integer)


def _is_logarithmic(dimension: Any) -> bool:
    return dimension.prior == "log-uniform"


def _grid(dimension: Any) -> list:
    """Values across a hyperparameter's range, evenly spaced on its axis."""
    if _is_categorical(dimension):
        return list(dimension.categories)
    spaced = np.geomspace if _is_logarithmic(dimension) else np.linspace
    values = spaced(dimension.low, dimension.high, GRID_POINTS)
    return (
        np.unique(values.round().astype(int)).tolist() if _is_whole(dimension) else values.tolist()
    )


def _places(dimension: Any, values: list) -> np.ndarray:
    """Where values lie on the axis: a category at its index."""
    if _is_categorical(dimension):
        return np.array([dimension.categories.index(value) for value in values])
    return np.array(values, dtype=float)


def _bins(dimension: Any) -> np.ndarray:
    """Edges of a histogram's bars: one for each value when there are few, else ten."""
    if _is_categorical(dimension):
        return np.arange(len(dimension.categories) + 1) - 0.5
    if _is_whole(dimension) and dimension.high - dimension.low < 10:
        return np.arange(dimension.low, dimension.high + 2) - 0.5
    spaced = np.geomspace if _is_logarithmic(dimension) else np.linspace
    return spaced(dimension.low, dimension.high, 11)


def _limits(dimension: Any) -> tuple[float, float]:
    """Ends of the axis: beyond the range, so that what lies on its rim can be seen."""
    low, high = _bins(dimension)[[0, -1]]
    if _is_logarithmic(dimension):
        factor = (high / low) ** RIM
        return low / factor, high * factor
    margin = RIM * (high - low)
    return low - margin, high + margin


def _triangle(dimensions: list) -> tuple[Figure, np.ndarray]:
    """Axes for each hyperparameter (diagonal) and each pair (below), labelled at the rim."""
    n = len(dimensions)
    height = 1.6 * n + 1.1
    figure = Figure(figsize=(WIDTH, height))  # labels of the diagonal lie in the empty triangle
    place = {"left": 1.15 / WIDTH, "right": 1 - 0.75 / WIDTH}
    place |= {"bottom": 0.95 / height, "top": 1 - 0.45 / height, "wspace": 0.12, "hspace": 0.12}
    axes = figure.subplots(n, n, squeeze=False, gridspec_kw=place)
    for (row, column), ax in np.ndenumerate(axes):
        if column > row:
            ax.set_axis_off()
            continue
        _format_axis(ax, "x", dimensions[column], labelled=row == n - 1)
        if row == column:
            ax.yaxis.tick_right()
            ax.yaxis.set_label_position("right")
            ax.spines["left"].set_visible(False)
            ax.spines["right"].set_visible(True)
        else:
            _format_axis(ax, "y", dimensions[row], labelled=column == 0)
    figure.align_xlabels(axes[-1, :])
    figure.align_ylabels(axes[1:, 0])
    return figure, axes


def _format_axis(ax: Axes, which: str, dimension: Any, labelled: bool) -> None:
    """Scale, limits and ticks of the "x" or "y" axis along which a hyperparameter varies."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    if _is_logarithmic(dimension):
        ax.set(**{f"{which}scale": "log"})
        base = 2 if _is_whole(dimension) else 10
        set_power_ticks(axis, dimension.low, dimension.high, base, most=3)
    elif _is_categorical(dimension):
        axis.set_ticks(range(len(dimension.categories)), dimension.categories)
    elif _is_whole(dimension) and dimension.high - dimension.low < 6:
        axis.set_ticks(range(dimension.low, dimension.high + 1))
    else:
        axis.set_major_locator(MaxNLocator(3, integer=_is_whole(dimension)))
    ax.set(**{f"{which}lim": _limits(dimension)})
    ax.tick_params(axis=which, labelbottom=labelled, labelleft=labelled)
    if labelled:
        axis.set_label_text(dimension.name)
        axis.labelpad = 7  # points
        if which == "x" and _is_categorical(dimension):
            for label in ax.get_xticklabels():
                label.set(rotation=35, horizontalalignment="right", rotation_mode="anchor")


def _draw_trials(ax: Axes, result: Any, row: int, column: int, **look: Any) -> PathCollection:
    """A dot for each trial, a star for the best."""
    dimensions = result.space.dimensions
    x = _places(dimensions[column], [point[column] for point in result.x_iters])
    y = _places(dimensions[row], [point[row] for point in result.x_iters])
    best = int(np.argmin(result.func_vals))
    star = {"s": 130, "marker": "*", "color": INK, "edgecolor": "white", "linewidth": 0.8}
    ax.scatter(x[best], y[best], clip_on=False, zorder=4, **star)
    return ax.scatter(x, y, clip_on=False, zorder=3, **look)


def _share_limits(diagonal: np.ndarray, surfaces: dict) -> None:
    """Give every curve the same axis, and every surface the same colours."""
    lows, highs = zip(*(ax.get_ylim() for ax in diagonal), strict=True)
    for ax in diagonal:
        ax.set_ylim(min(lows), max(highs))
        ax.yaxis.set_major_locator(MaxNLocator(3))
    if surfaces:
        values = np.concatenate([surface.get_array().ravel() for surface in surfaces.values()])
        for surface in surfaces.values():
            surface.set_clim(values.min(), values.max())


def _add_key(axes: np.ndarray, mappable: ScalarMappable | None, label: str, note: str) -> None:
    """A colour bar and what the signs mean, in the empty upper right corner."""
    if mappable is None:
        return
    corner = axes[0, -1]
    bar = corner.inset_axes((-0.75, 0.72, 1.75, 0.1))
    corner.figure.colorbar(mappable, cax=bar, orientation="horizontal", label=label)
    bar.xaxis.set_major_locator(MaxNLocator(4))
    corner.text(-0.75, 0.15, note, transform=corner.transAxes, fontsize=9, va="top")
