"""What every strategy of a search does around its trials: a bar, an interrupt, a table."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from nn_helpers._progress import progress_bar
from nn_helpers.search_space import Configuration, SearchSpace

Objective = Callable[..., float]
Record = dict[str, Any]


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes
    ----------
    trials : DataFrame
        A row a trial, in order: ``trial`` (from 1), a column a hyperparameter,
        ``validation_accuracy``, ``epochs`` (how many were trained) and ``pruned``: whether the
        trial was stopped as hopeless; its accuracy is then that of its last epoch.
    seconds : ndarray of float64
        What each trial took, and its choice with it: the time since the trial before ended.
    surrogate : scipy.optimize.OptimizeResult or None
        What `gaussian_process_search` leaves: the evaluated points and the fitted models.
    interrupted : bool
        Whether the user stopped the search before its last trial.
    """

    trials: pd.DataFrame
    seconds: np.ndarray
    surrogate: Any = None
    interrupted: bool = False

    @property
    def best(self) -> pd.Series:
        """The whole trial with the highest validation accuracy; the earlier one of equals."""
        whole = self.trials[~self.trials["pruned"]]
        return self.trials.loc[whole["validation_accuracy"].idxmax()]


class _StoppedError(Exception):
    """Ends the training of a trial that is not worth its other epochs."""


class Search:
    """A search in progress, which hands a strategy one trial after another.

    Parameters
    ----------
    objective : callable
    n_trials : int
    description : str
        What the bar is called.
    """

    def __init__(self, objective: Objective, n_trials: int, description: str):
        self.records: list[Record] = []
        self._objective, self._n_trials, self._description = objective, n_trials, description
        self._ends: list[float] = []

    def evaluate(
        self, configuration: Configuration, is_hopeless: Callable[[Record], bool] | None = None
    ) -> Record:
        """Carry out a trial; return its row of the table.

        `is_hopeless` is asked after each epoch, given the epoch's row of the training's history.
        """
        configuration = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in configuration.items()
        }
        epochs: list[Record] = []

        def on_epoch_end(record: Record) -> None:
            epochs.append(record)
            if is_hopeless is not None and is_hopeless(record):
                raise _StoppedError

        pruned = False
        try:
            accuracy = self._objective(configuration, on_epoch_end=on_epoch_end)
        except _StoppedError:
            accuracy, pruned = epochs[-1]["validation_accuracy"], True
        measured = {"validation_accuracy": accuracy, "epochs": len(epochs), "pruned": pruned}
        self._ends.append(perf_counter())
        self.records.append({"trial": len(self.records) + 1, **configuration, **measured})
        self._bar.set_postfix_str(f"best {max(r['validation_accuracy'] for r in self.records):.4f}")
        self._bar.update()
        return self.records[-1]

    def run(self, strategy: Callable[[], Any], space: SearchSpace) -> SearchResult:
        """Let a strategy evaluate its trials; return them, or what an interrupt left of them."""
        outcome, interrupted, start = None, False, perf_counter()
        self._bar = progress_bar(self._n_trials, self._description, unit="trial")
        try:
            outcome = strategy()
        except KeyboardInterrupt:
            interrupted = True
        finally:
            self._bar.close()
        columns = ["trial", *space, "validation_accuracy", "epochs", "pruned"]
        return SearchResult(
            trials=pd.DataFrame(self.records, columns=columns),
            seconds=np.diff([start, *self._ends][: len(self.records) + 1]),
            surrogate=outcome,
            interrupted=interrupted,
        )
