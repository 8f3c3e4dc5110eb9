"""Studies: one notebook, many parameters, on one laptop or on many machines.

A study varies parameters of a notebook over a grid, or searches for the best ones. Its engine is
Optuna; its storage is a file under ``runs/``, or a database that several machines share. Whatever
is killed, each point of a grid and each trial of a search comes out exactly once.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nn_helpers._places import check_folder_name, relative, runs_dir
from nn_helpers._run_table import align
from nn_helpers._study_plan import GRID, Plan, check_plan
from nn_helpers.parameters import Declaration, nearest
from nn_helpers.search_space import SearchSpace

if TYPE_CHECKING:
    import optuna
    from pandas import DataFrame

__all__ = ["format_trials", "load_trials", "make_plan", "run_study"]

SHOWN = 10  # trials of a table, the best ones
JOURNAL = "study.journal"
IDENTITY = "plan"


def make_plan(
    notebook: str | Path,
    space: SearchSpace,
    *,
    sampler: str = GRID,
    n_trials: int | None = None,
    fixed: Mapping[str, Any] | None = None,
    metric: str = "validation_accuracy",
    minimize: bool = False,
    function: bool = False,
    storage: str | None = None,
    study: str | None = None,
    seed: int = 1,
    grace: float = 60.0,
) -> Plan:
    """Plan a study and check all its values, before anything runs.

    Parameters
    ----------
    notebook : str or Path
    space : mapping of str to Range or Choice
        The parameters that vary.
    sampler : {"grid", "random", "tpe"}
        Every combination of the choices; values drawn independently of each other; or Optuna's
        tree-structured Parzen estimator.
    n_trials : int, optional
        Of a search; 20 by default. A grid has as many as it has points.
    fixed : mapping, optional
        Values of other parameters in place of the notebook's own.
    metric : str
        What the study is about; a notebook records it with `runs.record`.
    minimize : bool
        Whether a lower metric is better.
    function : bool
        Train with the notebook's training function in place of executing the notebook; hopeless
        trials of a search are then stopped early.
    storage : str, optional
        A database's URL or a file; ``runs/STUDY/study.journal`` by default.
    study : str, optional
        Who gives the same name works on the same study. By default the name is made of the
        notebook's and of the plan, so that the same call goes on where it stopped.
    seed : int
        Of the sampler.
    grace : float
        Seconds without a sign of life after which a worker counts as dead.

    Raises
    ------
    TypeError, ValueError
        If a value is wrong; the message names it.
    """
    path = Path(notebook).absolute()
    declaration = Declaration(path)
    if sampler == GRID:
        n_trials = _count_points(space)
    plan = Plan(
        notebook=str(path),
        study=study or "",
        storage=storage or "",
        runs="",
        space=space,
        sampler=sampler,
        n_trials=20 if n_trials is None else n_trials,
        fixed=dict(fixed or {}),
        metric=metric,
        minimize=minimize,
        function=function,
        seed=seed,
        grace=grace,
    )
    check_plan(plan, declaration)
    _check_metric(plan, declaration)
    name = check_folder_name(study or f"{path.stem}-{_digest(plan)}")
    runs = runs_dir() / name
    return replace(plan, study=name, runs=str(runs), storage=storage or str(runs / JOURNAL))


def _count_points(space: SearchSpace) -> int:
    number = 1
    for name, one in space.items():
        if not hasattr(one, "values"):
            raise ValueError(f"{name} must be given single values in a grid, got a range")
        number *= len(one.values)
    return number


def _digest(plan: Plan) -> str:
    text = json.dumps(plan.identity(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _check_metric(plan: Plan, declaration: Declaration) -> None:
    """Refuse a metric that the trials will not measure, as far as that is known."""
    from nn_helpers import runs

    if plan.function:
        from nn_helpers._study_trials import function_of

        _, known = function_of(declaration)
    else:
        try:
            known = list(runs.read_metrics(plan.notebook))
        except ValueError:  # it has not been executed yet
            return
    if plan.metric not in known:
        what = "its training function" if plan.function else Path(plan.notebook).name
        raise ValueError(
            f"metric must be one that {what} measures ({', '.join(known)}), "
            f"got {plan.metric}{nearest(plan.metric, known)}"
        )


def load_study(plan: Plan) -> "optuna.Study":
    """Open the study of a plan, made if it is missing.

    Raises
    ------
    ValueError
        If there is a study of that name with another plan.
    StorageError
        If the storage does not answer.
    """
    import optuna

    from nn_helpers._study_storage import open_storage

    study = optuna.create_study(
        storage=open_storage(plan.storage),
        study_name=plan.study,
        direction="minimize" if plan.minimize else "maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2),
        load_if_exists=True,
    )
    identity = plan.identity()
    known = study.user_attrs.get(IDENTITY)
    if known is None:
        study.set_user_attr(IDENTITY, identity)
    elif known != identity:
        differing = ", ".join(name for name in identity if known.get(name) != identity[name])
        raise ValueError(
            f"the study {plan.study} was started with another {differing}; "
            "give the same options, or another --study"
        )
    return study


def load_trials(study: str, storage: str | None = None) -> "DataFrame":
    """Return the results of a study, a row a slot.

    Parameters
    ----------
    study : str
    storage : str, optional
        As for `make_plan`.

    Returns
    -------
    DataFrame
        ``trial`` (from 1), a column a parameter, the metric, ``state`` ("complete", "pruned" or
        "failed"), ``seconds``, ``run`` (the folder of a notebook's run) and ``error``.

    Raises
    ------
    ValueError
        If there is no study of that name.
    StorageError
        If the storage does not answer.
    """
    import optuna

    from nn_helpers._study_storage import open_storage

    place = storage or str(runs_dir() / check_folder_name(study) / JOURNAL)
    missing = ValueError(f"there is no study {study} in {storage or 'runs/'}")
    if "://" not in place and not Path(place).exists():
        raise missing
    try:
        found = optuna.load_study(study_name=study, storage=open_storage(place))
    except KeyError:
        raise missing from None
    return trials_table(found)


def trials_table(study: "optuna.Study") -> "DataFrame":
    """Return the results of a study that is open, as `load_trials` does."""
    import pandas as pd

    from nn_helpers._study_slots import SLOT, error_of, results

    metric = study.user_attrs[IDENTITY]["metric"]
    rows = []
    for trial in results(study.get_trials(deepcopy=False)):
        seconds = trial.duration.total_seconds() if trial.duration else None
        rows.append(
            {
                "trial": trial.user_attrs[SLOT] + 1,
                **trial.params,
                metric: trial.value,
                "state": trial.state.name.lower().replace("fail", "failed"),
                "seconds": seconds,
                "run": trial.user_attrs.get("run"),
                "error": error_of(trial),
            }
        )
    return pd.DataFrame(rows)


def run_study(plan: Plan, n_workers: int = 1) -> "DataFrame":
    """Work on a study until all its trials are done, with processes on this machine.

    Others may work on the same study at the same time. Progress goes to standard error. An
    interrupt gives the running trials back; the same call goes on later.

    Parameters
    ----------
    plan : Plan
        As `make_plan` makes it.
    n_workers : int
        Processes, each with its share of the cores.

    Returns
    -------
    DataFrame
        As `load_trials` returns it.

    Raises
    ------
    ValueError
        If there is a study of that name with another plan, or `n_workers` is less than 1.
    StorageError
        If the storage does not answer.
    RunError
        If all workers stopped although trials are left.
    """
    from nn_helpers._study_manager import manage

    return trials_table(manage(plan, load_study(plan), n_workers))


def format_trials(table: "DataFrame", plan: Plan) -> str:
    """Write the best trials of a study for a terminal, and below them what failed.

    Parameters
    ----------
    table : DataFrame
        As `run_study` returns it.
    plan : Plan
    """
    done = table[table["state"] == "complete"].sort_values(
        plan.metric, ascending=plan.minimize, kind="stable"
    )
    columns = ["trial", *plan.space, plan.metric, "seconds"]
    best = done[columns].head(SHOWN).itertuples(index=False)
    lines = align([columns, *([_cell(value) for value in row] for row in best)])
    counts = table["state"].value_counts()
    total = ", ".join(f"{counts[state]} {state}" for state in counts.index)
    failures = table[table["state"] == "failed"]
    lines += ["", f"{plan.study}: {total}; kept in {_shown_storage(plan.storage)}"]
    lines += [f"trial {row.trial} failed: {row.error}" for row in failures.itertuples()]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float) and not math.isnan(value):
        return f"{value:.4g}"
    return str(value)


def _shown_storage(storage: str) -> str:
    """Write where a study is kept, a password left out."""
    if "://" not in storage:
        return relative(Path(storage))
    from sqlalchemy.engine import make_url

    return make_url(storage).render_as_string(hide_password=True)
