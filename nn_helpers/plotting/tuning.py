"""Figures of notebook 05: what the trials found, and how each strategy searched.

The search minimises minus the validation accuracy; the figures show the accuracy.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from nn_helpers.plotting._accuracy import accuracy_floor, cut_at_floor, plot_from_floor
from nn_helpers.plotting._checks import check_table
from nn_helpers.plotting._style import (
    ACCENT,
    DARK,
    INK,
    LIGHT,
    MEDIUM,
    RULE,
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
PRUNED = {"marker": "x", "markeredgewidth": 1.2}  # how a trial looks that was stopped early
N_TREES, N_SHUFFLES, LEAST_TRIALS = 100, 10, 10  # of `plot_importance`


def _is_whole(trials: pd.DataFrame) -> pd.Series:
    """Say of each trial whether it ran to its end; without a column ``pruned`` all did."""
    if "pruned" not in trials:
        return pd.Series(True, trials.index)
    whole = ~trials["pruned"].eq(True)
    if not whole.any():
        raise ValueError("trials must hold one that ran to its end, got pruned ones alone")
    return whole


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

    With several seeds the line is their median, and bars span the worst to the best of them.

    Parameters
    ----------
    trials : DataFrame
        One row a trial, with columns ``strategy``, ``trial`` (from 1), ``validation_accuracy`` and,
        where a strategy ran more than once, ``seed``. Where ``pruned`` is true, the trial counts,
        but not as the best.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing, there are no rows, all are pruned, or a trial comes twice.
    """
    trials = check_table("trials", trials, ["strategy", "trial", "validation_accuracy"])
    if "seed" not in trials:
        trials = trials.assign(seed=0)
    if trials.duplicated(["strategy", "seed", "trial"]).any():
        raise ValueError("trials must hold each trial of a strategy and seed once, got some twice")
    accuracy = trials["validation_accuracy"].where(_is_whole(trials))
    trials = trials.assign(validation_accuracy=accuracy)
    ax, titled = axes_or_new(ax, height=3.8)
    searches = trials.sort_values("trial").groupby(["strategy", "seed"])
    floor = accuracy_floor(searches["validation_accuracy"].cummax().dropna())
    groups = _by_strategy(trials)
    drawn = [  # beside each other: their first trials are often the same
        _draw_best(ax, name, group, floor, 0.16 * (index - (len(groups) - 1) / 2), look)
        for index, (name, group, look) in enumerate(groups)
    ]
    cut_at_floor(ax, np.concatenate(drawn), floor)
    n = trials["seed"].nunique()
    seeds = f" (line: median of {n} seeds, bars: worst to best)" if n > 1 else ""
    ax.set(xlabel=f"trial{seeds}", ylabel="best validation accuracy so far")
    count_ticks(ax, trials["trial"].max())
    ax.grid(axis="y")
    add_legend(titled, ax)
    best = trials[accuracy == accuracy.max()]
    winners = " and ".join(best["strategy"].unique())
    where = f" in trial {best['trial'].iloc[0]}" if best["trial"].nunique() == 1 else ""
    set_title(titled, f"The best accuracy found: {accuracy.max():.3f}, by {winners}{where}")
    return ax.figure


def _draw_best(
    ax: Axes, name: str, trials: pd.DataFrame, floor: float, shift: float, look: dict
) -> np.ndarray:
    """A line for one strategy, over bars where it has several seeds; return all that is drawn."""
    runs = trials.pivot(index="trial", columns="seed", values="validation_accuracy")
    best = runs.sort_index().cummax().ffill()
    x = best.index + shift
    if best.shape[1] > 1:
        bars = {"color": look["color"], "linewidth": 1.1, "zorder": 1.5}
        ax.vlines(x, best.min(axis=1), best.max(axis=1), **bars)
    look = {"drawstyle": "steps-post", "label": name, "markersize": 4, "linewidth": 1.5, **look}
    plot_from_floor(ax, x, best.median(axis=1), floor, **look)
    return best.to_numpy()[best.notna()]


@styled
def plot_trials(trials: pd.DataFrame) -> Figure:
    """Draw each trial's validation accuracy against each of its hyperparameters.

    Parameters
    ----------
    trials : DataFrame
        One row a trial, with columns ``strategy``, ``validation_accuracy``, ``learning_rate``,
        ``num_nodes``, ``num_layers`` and ``hidden_activation``. Where ``pruned`` is true, the
        accuracy is that of the trial's last epoch; it is drawn as a cross.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing, there are no rows, or all are pruned.
    """
    columns = ["strategy", "validation_accuracy", *HYPERPARAMETERS]
    trials = check_table("trials", trials, columns)
    whole = _is_whole(trials)
    trials = trials.assign(pruned=~whole)
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
            _draw_group(ax, strategy, values, group, floor, look)
        cut_at_floor(ax, trials["validation_accuracy"], floor)
        ax.set_xlabel(name)
        ax.grid(axis="y")
    _format_axes(axes, trials["num_nodes"], activations)
    add_legend(figure, axes[0, 0])
    best = trials[whole].iloc[trials.loc[whole, "validation_accuracy"].argmax()]
    set_title(
        figure,
        f"Best trial, {best['validation_accuracy']:.3f}: "
        f"learning_rate {best['learning_rate']:.2g}, num_nodes {best['num_nodes']}, "
        f"num_layers {best['num_layers']}, {best['hidden_activation']}",
    )
    return figure


def _draw_group(
    ax: Axes, name: str, values: np.ndarray, trials: pd.DataFrame, floor: float, look: dict
) -> None:
    """One strategy's trials: those that ran to their end, and those that were pruned."""
    pruned = trials["pruned"].to_numpy()
    accuracy = trials["validation_accuracy"].to_numpy()
    kinds = (~pruned, look, name), (pruned, look | PRUNED, f"{name}, pruned")
    for chosen, kind, label in kinds:
        if chosen.any():
            kind = {**kind, "linestyle": "", "label": label}
            plot_from_floor(ax, values[chosen], accuracy[chosen], floor, **kind)


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


@styled
def plot_importance(trials: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """Draw how much each hyperparameter matters for the validation accuracy.

    A random forest learns to predict the accuracy of the trials. Then the values of one
    hyperparameter are shuffled among them: the more the squared error grows, the more the forest
    relied on that hyperparameter. A bar is its share of the growth for all of them, the line at its
    end the standard deviation over the shufflings. The answer holds for these trials: where a
    search chose them, they crowd where the accuracy is high.

    Parameters
    ----------
    trials : DataFrame
        One row a trial, of any strategies, with columns ``validation_accuracy``,
        ``learning_rate``, ``num_nodes``, ``num_layers`` and ``hidden_activation``. Where
        ``pruned`` is true, the trial is left out.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing, fewer than ten trials ran to their end, or all reached the same.

    References
    ----------
    Breiman, "Random forests", Machine Learning 45 (2001), shuffles; Hutter, Hoos and
    Leyton-Brown, "An efficient approach for assessing hyperparameter importance", ICML 2014, let a
    forest learn from the trials of a search.
    """
    trials = check_table("trials", trials, ["validation_accuracy", *HYPERPARAMETERS])
    importance, explained = _shuffled_importance(_comparable(trials))
    importance = importance.sort_values("mean")
    ax, titled = axes_or_new(ax, height=2.9)
    look = {"color": DARK, "ecolor": ACCENT, "height": 0.6, "capsize": 3}
    ax.barh(importance.index, importance["mean"], xerr=importance["std"], **look)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set(xlabel="share of the importance for the validation accuracy", ylabel="hyperparameter")
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    set_title(
        titled,
        f"{importance.index[-1]} matters most: {importance['mean'].iloc[-1]:.0%} of the importance "
        f"(a forest explains {max(explained, 0):.0%} of the variance of trials it has not seen)",
    )
    return ax.figure


def _comparable(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials that ran to their end, enough of them and not all with the same accuracy."""
    trials = trials[_is_whole(trials)]
    if len(trials) < LEAST_TRIALS:
        raise ValueError(
            f"trials must hold at least {LEAST_TRIALS} that ran to their end, got {len(trials)}"
        )
    accuracy = trials["validation_accuracy"]
    if accuracy.nunique() == 1:
        raise ValueError(
            f"trials must differ in validation_accuracy, got {accuracy.iloc[0]} from all of them"
        )
    return trials


def _shuffled_importance(trials: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """What shuffling each hyperparameter costs a forest, as shares; its R² for unseen trials."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    activations = sorted(trials["hidden_activation"].unique())
    x = np.column_stack([_places(trials[name], activations) for name in HYPERPARAMETERS])
    accuracy = trials["validation_accuracy"].to_numpy()
    forest = RandomForestRegressor(N_TREES, oob_score=True, random_state=0).fit(x, accuracy)
    shuffled = permutation_importance(forest, x, accuracy, n_repeats=N_SHUFFLES, random_state=0)
    columns = {"mean": shuffled.importances_mean, "std": shuffled.importances_std}
    costs = pd.DataFrame(columns, index=list(HYPERPARAMETERS))
    return costs / costs["mean"].sum(), forest.oob_score_


@styled
def plot_wall_time(trials: pd.DataFrame, ax: Axes | None = None) -> Figure:
    """Draw how long each strategy's searches took, a mark a search, a bar for their median.

    Parameters
    ----------
    trials : DataFrame
        One row a trial, with columns ``strategy``, ``epochs``, ``seconds`` and, where a strategy
        ran more than once, ``seed``.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a column is missing, or there are no rows.
    """
    trials = check_table("trials", trials, ["strategy", "epochs", "seconds"])
    if "seed" not in trials:
        trials = trials.assign(seed=0)
    ax, titled = axes_or_new(ax, height=3.0)
    medians, labels = {}, []
    for row, (name, group, look) in enumerate(_by_strategy(trials)):
        searches = group.groupby("seed")[["seconds", "epochs"]].sum()
        medians[name] = searches["seconds"].median()
        labels.append(f"{name}\n{_span(searches['epochs'])}")
        ax.barh(row, medians[name], height=0.6, color=RULE)
        places = row + 0.07 * (np.arange(len(searches)) - (len(searches) - 1) / 2)
        ax.plot(searches["seconds"], places, **{**look, "linestyle": "", "markersize": 6})
    ax.set_yticks(range(len(labels)), labels)
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.set_xlim(left=0)
    ax.set(
        xlabel="time of a search (s): a mark for each seed, a bar for the median", ylabel="strategy"
    )
    ax.grid(axis="x")
    quickest = min(medians, key=medians.get)
    set_title(titled, f"{quickest} is done first: after {medians[quickest]:.0f} s at the median")
    return ax.figure


def _span(epochs: pd.Series) -> str:
    low, high = epochs.min(), epochs.max()
    return f"{low} epochs" if low == high else f"{low} to {high} epochs"
