"""Search by tree-structured Parzen estimators, computed by Optuna, with pruning."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nn_helpers._search import Objective, Record, Search, SearchResult
from nn_helpers.search_space import SearchSpace, draw_first, suggest
from nn_helpers.validation import check_integer


def tpe_search(
    objective: Objective, space: SearchSpace, n_trials: int, seed: int = 1
) -> SearchResult:
    """Let tree-structured Parzen estimators choose, and stop hopeless trials early.

    Two densities are fitted to the trials so far, one to the good ones and one to the others; the
    next configuration is where the first is large beside the second. The first two fifths of the
    trials are those of `random_search` with the same seed and run to their end. Each later one is
    stopped after the first epoch, from the second on, by which its best validation accuracy is
    below the median: that of the accuracies which all trials that ran to their end had after that
    epoch. Trials that were stopped have no part in the median.

    Parameters
    ----------
    objective, space, n_trials, seed
        As for `gaussian_process_search`.

    References
    ----------
    Bergstra, Bardenet, Bengio and Kégl, "Algorithms for hyper-parameter optimization", NeurIPS
    2011; computed by Optuna (Akiba et al., "Optuna: a next-generation hyperparameter optimization
    framework", KDD 2019). The median rule: Golovin et al., "Google Vizier", KDD 2017.
    """
    n_trials = check_integer("n_trials", n_trials, minimum=3)
    seed = check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
    first = draw_first(space, n_trials, seed)
    search = Search(objective, n_trials, "TPE search")

    def run() -> None:
        study = _make_study(len(first), seed)
        for configuration in first:
            study.enqueue_trial(configuration)
        for _ in range(n_trials):
            trial = study.ask()
            record = search.evaluate(suggest(trial, space), _median_rule(trial, search.records))
            _tell(study, trial, record)

    with _quiet():
        return search.run(run, space)


def _make_study(n_first: int, seed: int) -> Any:
    from nn_helpers._optuna import optuna

    return optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(n_startup_trials=n_first, seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=n_first, n_warmup_steps=2),
    )


def _median_rule(trial: Any, records: list[Record]) -> Any:
    # After as many epochs as a whole trial takes there is nothing left to save.
    whole = max((record["epochs"] for record in records), default=0)

    def is_hopeless(record: Record) -> bool:
        trial.report(record["validation_accuracy"], record["epoch"])
        return record["epoch"] < whole and trial.should_prune()

    return is_hopeless


def _tell(study: Any, trial: Any, record: Record) -> None:
    from optuna.trial import TrialState

    if record["pruned"]:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, record["validation_accuracy"])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna's lines about each study to warnings, for a while."""
    from nn_helpers._optuna import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
