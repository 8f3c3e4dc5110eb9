"""What every training does around its epochs: a bar, an interrupt, a history, a result."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nn_helpers._progress import progress_bar
from nn_helpers.evaluation import evaluate, score_name


@dataclass(frozen=True)
class TrainingResult:
    """What `train_mlp` returns.

    Attributes
    ----------
    parameters : dict of ndarray, float32
        ``W1`` (n_h1, n_x), ``b1`` (n_h1, 1), …
    history : DataFrame
        A row an epoch: ``epoch`` (from 1), ``cost`` (mean over the epoch's examples, each taken
        before its own step) and, with validation data, ``validation_cost`` and
        ``validation_accuracy`` (or ``validation_r2``).
    scores : dict of float
        ``train_cost``, ``train_accuracy``, ``test_cost``, ``test_accuracy`` after the last step;
        ``…_r2`` in place of ``…_accuracy`` for a regression. `Trainer.train` leaves them out.
    interrupted : bool
        Whether the user stopped the training before its last epoch.
    """

    parameters: dict[str, np.ndarray]
    history: pd.DataFrame
    scores: dict[str, float]
    interrupted: bool = False


def measure(
    name: str,
    examples: tuple[np.ndarray, np.ndarray] | None,
    parameters: dict[str, np.ndarray],
    activations: tuple[str, str],
) -> dict[str, float]:
    """Evaluate a network on the data of that name, if there are any."""
    if examples is None:
        return {}
    cost, score = evaluate(*examples, parameters, *activations)
    return {f"{name}_cost": cost, f"{name}_{score_name(activations[1])}": score}


def run_epochs(
    one_epoch: Callable[[int], Any],
    describe: Callable[[Any], str],
    n_epochs: int,
    on_epoch_end: Callable[[dict[str, Any]], None] | None = None,
) -> tuple[list[Any], bool]:
    """Train epoch by epoch; return what each gave and whether the user interrupted."""
    records, interrupted = [], False
    bar = progress_bar(n_epochs, "Training", unit="epoch")
    try:
        for epoch in range(1, n_epochs + 1):
            records.append(one_epoch(epoch))
            if on_epoch_end is not None:
                on_epoch_end(dict(records[-1]))
            bar.set_postfix_str(describe(records[-1]))
            bar.update()
    except KeyboardInterrupt:
        interrupted = True
    finally:
        bar.close()
    return records, interrupted


def make_history(records: list[dict[str, float]]) -> pd.DataFrame:
    """Make the history of a training of its epochs' records."""
    return pd.DataFrame(records) if records else pd.DataFrame(columns=["epoch", "cost"])
