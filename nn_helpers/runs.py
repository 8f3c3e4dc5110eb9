"""Runs of the notebooks: what they record, where it goes, and a table of what came out.

A notebook calls `record` and `log_dir`. From outside, `run_notebooks` executes copies under
``runs/``, each in a folder of its own, `load_runs` reads them all, and `execute_in_place` renews a
committed notebook. Nothing heavy is imported before it is used.
"""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nn_helpers import _execution, _run_folder
from nn_helpers import parameters as notebook_parameters
from nn_helpers._execution import RunError, say
from nn_helpers._hparams import write_hparams
from nn_helpers._metrics import METRICS_MIME, load_notebook, read_metrics, record, recorded
from nn_helpers._places import (
    RUN_VARIABLE,
    check_folder_name,
    default_notebooks,
    new_folder,
    relative,
    runs_dir,
)
from nn_helpers._run_table import format_results, format_runs

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "METRICS_MIME",
    "RunError",
    "execute_in_place",
    "format_results",
    "format_runs",
    "load_runs",
    "log_dir",
    "read_metrics",
    "record",
    "run_notebook",
    "run_notebooks",
    "runs_dir",
]

ROW = ("notebook", "seconds", "file")  # of a run's results, beside what it recorded


def log_dir(name: str) -> Path:
    """Create a new folder for the TensorBoard logs of one run.

    Parameters
    ----------
    name : str
        Of the notebook, ``"03_tensorflow_mlp"``.

    Returns
    -------
    Path
        ``runs/logs/<name>/<time>``, absolute; in a recorded run ``logs/<time>`` in its folder.

    Raises
    ------
    ValueError
        If `name` is not the name of a single folder.
    """
    check_folder_name(name)
    if run := os.environ.get(RUN_VARIABLE):
        return new_folder(Path(run) / _run_folder.LOGS)
    return new_folder(runs_dir() / "logs" / name)


def run_notebooks(
    notebooks: str | Path | Iterable[str | Path] | None = None,
    output_dir: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> "DataFrame":
    """Execute copies of notebooks with papermill, one after the other, and collect their metrics.

    Each works in the notebook's own folder, as in JupyterLab, in the Python that calls this, and
    leaves a folder under ``runs/`` that carries the time: the executed copy, ``run.json`` and
    TensorBoard logs. The first one that fails ends the runs; what was written until then stays.
    Progress goes to standard error.

    Parameters
    ----------
    notebooks : path or iterable of paths, optional
        The project's five by default.
    output_dir : str or Path, optional
        Where another copy of each is to go.
    parameters : mapping, optional
        Values in place of the notebooks' defaults; a notebook receives those that it declares.

    Returns
    -------
    DataFrame
        One row a notebook: ``notebook``, ``seconds``, ``file``, and a column for each metric.

    Raises
    ------
    FileNotFoundError, FileExistsError, TypeError, ValueError
        If a notebook is missing or is none, a copy would replace a file, no notebook declares a
        parameter, or one would refuse its value; nothing has run then.
    RunError
        If a notebook fails.
    """
    import pandas as pd

    paths = _checked(notebooks)
    chosen = notebook_parameters.share(paths, parameters or {})
    folder = _output_folder(paths, output_dir)
    where = relative(folder or runs_dir())
    rows = []
    for number, path in enumerate(paths, start=1):
        run = new_folder(runs_dir(), path.stem)
        if number == 1:
            say(f"{len(paths)} notebook{'s' * (len(paths) > 1)}, copies in {where}")
        label = f"[{number}/{len(paths)}] {path.stem}"
        rows.append(run_notebook(path, run, chosen[path], label, folder))
    return pd.DataFrame(rows)


def run_notebook(
    path: Path,
    folder: Path,
    given: Mapping[str, Any],
    label: str | None = None,
    output_dir: Path | None = None,
) -> dict[str, Any]:
    """Execute one copy of a notebook and record the run in a folder of its own.

    Parameters
    ----------
    path : Path
    folder : Path
        The run's own, which exists.
    given : mapping
        Values in place of the notebook's defaults, checked.
    label : str, optional
        What the progress calls it; without one none is shown.
    output_dir : Path, optional
        Where another copy is to go.

    Returns
    -------
    dict
        ``notebook``, ``seconds``, ``file``, and what the notebook recorded.

    Raises
    ------
    RunError
        If the notebook fails.
    """
    copy = folder / path.name
    values = notebook_parameters.check(path, given)
    shown = output_dir / path.name if output_dir else copy
    with _run_folder.recording(folder, path, copy, values, given):
        try:
            notebook, seconds = _execution.execute_copy(path, copy, dict(given), label, shown)
        finally:
            if output_dir and copy.exists():
                shutil.copyfile(copy, shown)
    metrics = recorded(notebook)
    write_hparams(folder / _run_folder.LOGS, folder.name, values, metrics)
    fixed = dict(zip(ROW, (path.stem, seconds, relative(shown)), strict=True))
    return {**fixed, **metrics, **fixed}


def load_runs(folder: str | Path | None = None) -> "DataFrame":
    """Return all recorded runs, oldest first.

    Parameters
    ----------
    folder : str or Path, optional
        Where to look, in all folders below it; ``runs/`` by default.

    Returns
    -------
    DataFrame
        A row a run: ``run`` (its folder, below `folder`), ``notebook``, ``status`` ("complete",
        "failed", "interrupted" or "running"), ``started`` (UTC), ``seconds``, then a column for
        each parameter and for each metric, and ``seed``, ``data_sha256``, ``commit``, ``clean``,
        ``given`` and ``versions``. A name that is both a parameter and a metric is the metric's;
        the parameter's column is then called ``parameter_NAME``.

    Raises
    ------
    ValueError
        If a ``run.json`` is not what a run writes.
    """
    import pandas as pd

    root = Path(folder) if folder else runs_dir()
    records = [
        (str(path.parent.relative_to(root)), _run_folder.read(path.parent))
        for path in root.rglob(_run_folder.RECORD)
    ]
    metrics = {name for _, one in records for name in one.get("metrics", {})}
    rows = [_row(run, one, metrics) for run, one in records]
    table = pd.DataFrame(rows, columns=None if rows else ["run", "notebook", "status", "started"])
    table["started"] = pd.to_datetime(table["started"], utc=True)
    return table.sort_values(["started", "run"], ignore_index=True)


def _row(run: str, one: Mapping[str, Any], metrics: set[str]) -> dict[str, Any]:
    """Return the row of one run; `metrics` are the names that any run measured."""
    parameters = {
        f"parameter_{name}" if name in metrics else name: value
        for name, value in one["parameters"].items()
    }
    fixed = {name: one.get(name) for name in ("notebook", "status", "started", "seconds")}
    return {
        "run": run,
        **fixed,
        **parameters,
        **one.get("metrics", {}),
        "data_sha256": (one["data"] or {}).get("sha256"),
        "commit": (one["git"] or {}).get("commit"),
        "clean": (one["git"] or {}).get("clean"),
        "given": one["given"],
        "versions": one["versions"],
        **fixed,
    }


def execute_in_place(notebooks: str | Path | Iterable[str | Path] | None = None) -> None:
    """Execute notebooks and replace the files by the results, for committing.

    Outputs are those of one run from top to bottom; nothing of the machine stays in the metadata.
    A file is replaced whole, or not at all when a cell fails.

    Parameters
    ----------
    notebooks : path or iterable of paths, optional
        The project's five by default.

    Raises
    ------
    FileNotFoundError, ValueError
        If a notebook is missing or is none; nothing has run then.
    RunError
        If a notebook fails.
    """
    for path in _checked(notebooks):
        _execution.execute_in_place(path)


def _checked(notebooks: str | Path | Iterable[str | Path] | None) -> list[Path]:
    """Return the paths of notebooks that exist, absolute."""
    if isinstance(notebooks, (str, Path)):
        notebooks = [notebooks]
    paths = [Path(path).absolute() for path in notebooks or default_notebooks()]
    for path in paths:
        load_notebook(path)
    return paths


def _output_folder(paths: Sequence[Path], output_dir: str | Path | None) -> Path | None:
    """Create the folder for more copies, in which none of them may exist yet."""
    if output_dir is None:
        return None
    names = [path.name for path in paths]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two notebooks are called {name}, so their copies would collide")
    folder = Path(output_dir).expanduser().absolute()
    for path in paths:
        if folder.resolve() == path.resolve().parent:
            raise ValueError(f"the copies cannot go beside the notebooks, choose not {output_dir}")
        if (folder / path.name).exists():
            raise FileExistsError(f"{folder / path.name} exists already; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
