"""Tuning: an objective, and three strategies that look for the best in a search space.

Every strategy maximises the same objective, the validation accuracy of one training, and returns
the same table, a row a trial.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nn_helpers import training
from nn_helpers._gaussian_process import gaussian_process_search
from nn_helpers._search import Objective, Search, SearchResult
from nn_helpers._tpe import tpe_search
from nn_helpers.search_space import (
    INITIAL_SHARE,
    Choice,
    Configuration,
    Range,
    SearchSpace,
    draw,
    suggest,
)
from nn_helpers.validation import check_integer

__all__ = [
    "Choice",
    "Configuration",
    "INITIAL_SHARE",
    "MINI_BATCH_SIZE",
    "MLP_SPACE",
    "Objective",
    "Range",
    "STRATEGIES",
    "SearchResult",
    "SearchSpace",
    "compare_strategies",
    "gaussian_process_search",
    "layer_dims",
    "make_objective",
    "random_search",
    "suggest",
    "tpe_search",
]

MINI_BATCH_SIZE = 100

MLP_SPACE: SearchSpace = {
    "learning_rate": Range(1e-4, 3e-2, log=True),
    "num_layers": Range(3, 5),
    "num_nodes": Range(16, 256, log=True),
    "hidden_activation": Choice(("relu", "sigmoid", "tanh")),
}


def layer_dims(configuration: Mapping[str, Any], n_x: int = 784, n_y: int = 10) -> list[int]:
    """Return [n_x, num_nodes, …, n_y]; as in Keras' part, `num_layers` counts input and output."""
    hidden = [int(configuration["num_nodes"])] * (int(configuration["num_layers"]) - 2)
    return [n_x, *hidden, n_y]


def make_objective(
    X_train: np.ndarray,
    Y_train: np.ndarray,
    X_validation: np.ndarray,
    Y_validation: np.ndarray,
    n_epochs: int = 5,
    mini_batch_size: int = MINI_BATCH_SIZE,
    seed: int = 1,
    **settings: Any,
) -> Objective:
    """Return the function that a search maximises.

    Trials share one `training.Trainer`: those that differ by learning rate or seed alone take
    their epochs and little more.

    Parameters
    ----------
    X_train, Y_train, X_validation, Y_validation : array of float
        Shapes (n_x, m), (n_y, m), (n_x, k), (n_y, k). Test data have no place here.
    n_epochs, mini_batch_size, seed : int
        The same for every trial, so that trials differ by their hyperparameters alone.
    settings
        What else is the same for every trial: any argument of `training.Trainer.train`.

    Returns
    -------
    callable
        ``objective(configuration, on_epoch_end=None)`` trains and returns the validation accuracy
        after the last epoch, or 0 for a training whose cost became infinite. A configuration names
        arguments of `training.Trainer.train`, also some of those that are the same otherwise;
        `num_layers` and `num_nodes` may stand in place of `layer_dims`. What `on_epoch_end` raises
        ends the training, as in `training.train_mlp`.
    """
    trainer = training.Trainer(
        X_train, Y_train, X_validation=X_validation, Y_validation=Y_validation
    )
    n_x, n_y = X_train.shape[0], Y_train.shape[0]
    same = {"n_epochs": n_epochs, "mini_batch_size": mini_batch_size, "seed": seed} | settings

    def objective(
        configuration: Configuration,
        on_epoch_end: Callable[[dict[str, Any]], None] | None = None,
    ) -> float:
        chosen = same | configuration
        if "num_nodes" in chosen:
            chosen["layer_dims"] = layer_dims(chosen, n_x, n_y)
            del chosen["num_layers"], chosen["num_nodes"]
        try:
            result = trainer.train(**chosen, on_epoch_end=on_epoch_end)
        except FloatingPointError:
            return 0.0
        if result.interrupted:
            raise KeyboardInterrupt  # ends the search, not this trial alone
        return float(result.history["validation_accuracy"].iloc[-1])

    return objective


def random_search(
    objective: Objective, space: SearchSpace, n_trials: int, seed: int = 1
) -> SearchResult:
    """Try configurations drawn independently of each other.

    Parameters
    ----------
    objective : callable
        ``objective(configuration, on_epoch_end)`` returns a number to maximise; it calls
        `on_epoch_end` after each epoch with the epoch's row of its history, and lets through what
        that raises. See `make_objective`.
    space : mapping of str to Range or Choice
    n_trials : int
        How many configurations to try.
    seed : int
        The same seed draws the same configurations.

    References
    ----------
    Bergstra and Bengio, "Random search for hyper-parameter optimization", JMLR 13 (2012).
    """
    drawn = draw(space, check_integer("n_trials", n_trials, minimum=1), seed)
    search = Search(objective, n_trials, "Random search")

    def run() -> None:
        for configuration in drawn:
            search.evaluate(configuration)

    return search.run(run, space)


STRATEGIES: Mapping[str, Callable[..., SearchResult]] = {
    "random search": random_search,
    "Gaussian process": gaussian_process_search,
    "TPE with pruning": tpe_search,
}


def compare_strategies(
    objective: Objective, space: SearchSpace, n_trials: int, seeds: Sequence[int]
) -> pd.DataFrame:
    """Run every strategy of `STRATEGIES` at the same budget, once a seed.

    The strategies take turns seed by seed, so that none alone has the machine's worse minutes.

    Parameters
    ----------
    objective, space
        As for `random_search`.
    n_trials : int
        Of each search, at least 3.
    seeds : sequence of int
        With the same seed, all strategies begin with the same configurations.

    Returns
    -------
    DataFrame
        A row a trial: ``strategy``, ``seed``, the columns of `SearchResult.trials`, ``seconds``.

    Raises
    ------
    KeyboardInterrupt
        If the user interrupts a search: budgets that differ compare nothing.
    """
    tables = []
    for seed in seeds:
        for name, search in STRATEGIES.items():
            result = search(objective, space, n_trials, seed)
            if result.interrupted:
                raise KeyboardInterrupt  # ends the comparison, not this search alone
            table = result.trials.assign(seconds=result.seconds)
            table.insert(0, "strategy", name)
            table.insert(1, "seed", seed)
            tables.append(table)
    return pd.concat(tables, ignore_index=True)
