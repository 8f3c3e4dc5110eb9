"""Figures of notebook 05: what the trials found, and how each strategy searched.

The search minimises minus the validation accuracy; the figures show the accuracy.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nn_helpers.plotting._accuracy import accuracy_floor, cut_at_floor, plot_from_floor
from nn_helpers.plotting._checks import check_table
from nn_helpers.plotting._style import (
    ACCENT,
    DARK,
    LIGHT,
    MEDIUM,
    add_legend,
    axes_or_new,
    count_ticks,
    new_figure,
    set_power_ticks,
    set_title,
    styled,
)

HYPERPARAMETERS = ("learning_rate", "num_nodes", "num_layers", "hidden_activation")
LOOKS = (  # of the first strategy, the second, …
    {"color": DARK, "linestyle": "-", "marker": "o", "markerfacecolor": DARK},
    {"color": ACCENT, "linestyle": "--", "marker": "s", "markerfacecolor": "white"},
    {"color": MEDIUM, "linestyle": "-.", "marker": "^", "markerfacecolor": MEDIUM},
    {"color": LIGHT, "linestyle": ":", "marker": "D", "markerfacecolor": "white"},
)


def _by_strategy(trials: pd.DataFrame) -> list[tuple[str, pd.DataFrame, dict]]:
    """Each strategy's name, trials and look, in the order in which the strategies appear."""
    groups = list(trials.groupby("strategy", sort=False))
    if len(groups) > len(LOOKS):
        raise ValueError(
            f"trials must come from at most {len(LOOKS)} strategies, got {len(groups)}"
        )
    return [(name, group, look) for (name, group), look in zip(groups, LOOKS, strict=False)]


@styled
def plot_best_so_far(trials: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """Draw the best validation accuracy after each trial, a line for each strategy.

    With several seeds the line is their median, and a band spans the worst to the best of them.

    Parameters
    ----------
    trials : DataFrame
        One row a trial, with columns ``strategy``, ``trial`` (from 1), ``validation_accuracy`` and,
        where a strategy ran more than once, ``seed``.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing, there are no rows, or a trial comes twice.
    """
    trials = check_table("trials", trials, ["strategy", "trial", "validation_accuracy"])
    if "seed" not in trials:
        trials = trials.assign(seed=0)
    if trials.duplicated(["strategy", "seed", "trial"]).any():
        raise ValueError("trials must hold each trial of a strategy and seed once, got some twice")
    ax, titled = axes_or_new(ax, height=3.8)
    floor = accuracy_floor(trials["validation_accuracy"])
    drawn = [_draw_best(ax, name, group, look, floor) for name, group, look in _by_strategy(trials)]
    cut_at_floor(ax, np.concatenate(drawn), floor)
    ax.set(xlabel="trial", ylabel="best validation accuracy so far")
    count_ticks(ax, trials["trial"].max())
    ax.grid(axis="y")
    add_legend(titled, ax)
    best = trials[trials["validation_accuracy"] == trials["validation_accuracy"].max()]
    winners = " and ".join(best["strategy"].unique())
    where = f" in trial {best['trial'].iloc[0]}" if best["trial"].nunique() == 1 else ""
    accuracy = best["validation_accuracy"].iloc[0]
    set_title(titled, f"The best accuracy found: {accuracy:.3f}, by {winners}{where}")
    return ax.figure


def _draw_best(ax: Axes, name: str, trials: pd.DataFrame, look: dict, floor: float) -> np.ndarray:
    """A line for one strategy, over a band where it has several seeds; return all that is drawn."""
    runs = trials.pivot(index="trial", columns="seed", values="validation_accuracy")
    best = runs.sort_index().cummax()
    label = name
    if best.shape[1] > 1:
        label = f"{name}: median and range of {best.shape[1]} seeds"
        band = {"step": "post", "color": look["color"], "alpha": 0.2, "linewidth": 0}
        ax.fill_between(best.index, best.min(axis=1), best.max(axis=1), **band)
    look = {"drawstyle": "steps-post", "label": label, "markersize": 4, **look}
    plot_from_floor(ax, best.index, best.median(axis=1), floor, **look)
    return best.to_numpy().ravel()


@styled
def plot_trials(trials: pd.DataFrame) -> Figure:
    """Draw each trial's validation accuracy against each of its hyperparameters.

    Parameters
    ----------
    trials : DataFrame
        One row a trial, with columns ``strategy``, ``validation_accuracy``, ``learning_rate``,
        ``num_nodes``, ``num_layers`` and ``hidden_activation``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing, or there are no rows.
    """
    columns = ["strategy", "validation_accuracy", *HYPERPARAMETERS]
    trials = check_table("trials", trials, columns)
    activations = sorted(trials["hidden_activation"].unique())
    groups = _by_strategy(trials)
    floor = accuracy_floor(trials["validation_accuracy"])
    figure = new_figure(height=5.4)
    axes = figure.subplots(2, 2, sharey=True)
    for ax, name in zip(axes.flat, HYPERPARAMETERS, strict=True):
        for index, (strategy, group, look) in enumerate(groups):
            values = _places(group[name], activations)
            if name in ("num_layers", "hidden_activation"):
                values = values + 0.16 * (index - (len(groups) - 1) / 2)
            accuracy = group["validation_accuracy"]
            look = {**look, "linestyle": "", "label": strategy}
            plot_from_floor(ax, values, accuracy, floor, **look)
        cut_at_floor(ax, trials["validation_accuracy"], floor)
        ax.set_xlabel(name)
        ax.grid(axis="y")
    _format_axes(axes, trials["num_nodes"], activations)
    add_legend(figure, axes[0, 0])
    best = trials.iloc[trials["validation_accuracy"].argmax()]
    set_title(
        figure,
        f"Best trial, {best['validation_accuracy']:.3f}: "
        f"learning_rate {best['learning_rate']:.2g}, num_nodes {best['num_nodes']}, "
        f"num_layers {best['num_layers']}, {best['hidden_activation']}",
    )
    return figure


def _format_axes(axes: np.ndarray, nodes: pd.Series, activations: list) -> None:
    """Scales, ticks and labels: the upper two axes in the logarithm, as they are searched."""
    for ax in axes[0]:
        ax.set_xscale("log")
    set_power_ticks(axes[0, 1].xaxis, nodes.min(), nodes.max(), base=2, most=5)
    axes[1, 0].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[1, 1].set_xticks(range(len(activations)), activations)
    axes[1, 1].margins(x=0.2)
    for ax in axes[:, 0]:
        ax.set_ylabel("validation accuracy")


def _places(values: pd.Series, categories: list) -> np.ndarray:
    """Where values lie on an axis: a category at its index."""
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy()
    return np.array([categories.index(value) for value in values])
