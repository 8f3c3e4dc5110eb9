"""Runs of the notebooks: what they record, where it goes, and a table of what came out.

A notebook calls `record` and `log_dir`. From outside, `run_notebooks` executes copies under
``runs/``, `read_metrics` reads what a copy recorded, and `execute_in_place` renews a committed
notebook. Nothing heavy is imported before it is used.
"""

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nn_helpers import _execution
from nn_helpers._execution import RunError, literal, relative, say

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "RunError",
    "execute_in_place",
    "format_results",
    "log_dir",
    "read_metrics",
    "record",
    "run_notebooks",
]

METRICS_MIME = "application/vnd.nn-helpers.metrics+json"
RUNS_VARIABLE = "NN_HELPERS_RUNS"

# Table column: the recorded names it may come from, the first one found.
_COLUMNS = {
    "cost": ("train_cost",),
    "train acc.": ("train_accuracy",),
    "val. acc.": ("validation_accuracy", "best_validation_accuracy_gaussian_process"),
    "test acc.": ("test_accuracy", "baseline_logistic_regression"),
}
_MAX_NAME = 40  # of the table's first column


# ---------------------------------------------------------------- metrics


def record(**metrics: Any) -> None:
    """Record results in the running notebook, to be read again with `read_metrics`.

    Shows them as ``name = value``, one a line. Of a name that is recorded twice, the later counts.

    Parameters
    ----------
    **metrics : finite number, str or bool
        NumPy scalars and 0-d arrays or tensors are taken as the number that they hold.

    Raises
    ------
    TypeError
        If a value is anything else.
    ValueError
        If a number is NaN or infinite, a name is not an identifier, or nothing is given.
    """
    if not metrics:
        raise ValueError("record needs at least one metric, such as test_accuracy=0.86")
    values = {name: _plain(name, value) for name, value in metrics.items()}
    width = max(map(len, values))
    text = "\n".join(f"{name:<{width}} = {_shown(value)}" for name, value in values.items())
    if _in_ipython():
        from IPython.display import display

        display({METRICS_MIME: values, "text/plain": text}, raw=True)
    else:
        print(text)


def read_metrics(path: str | Path) -> dict[str, Any]:
    """Return what an executed notebook recorded.

    Parameters
    ----------
    path : str or Path
        The executed notebook.

    Returns
    -------
    dict
        Every recorded name with its value; of a name recorded twice, the later one.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a notebook, or nothing is recorded in it.
    """
    metrics = _recorded(_load(Path(path)))
    if not metrics:
        raise ValueError(f"{path} holds no recorded metrics; execute a notebook that calls record")
    return metrics


def _plain(name: str, value: Any) -> bool | int | float | str:
    """Return a metric's value as plain Python."""
    if not name.isidentifier():
        raise ValueError(f"a metric's name must be a Python identifier, got {name!r}")
    plain = value
    if hasattr(value, "__array__"):
        import numpy as np

        array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
        plain = array.item() if array.ndim == 0 else value
    if not isinstance(plain, (bool, int, float, str)):
        raise TypeError(
            f"{name} must be a number, a string or a bool, got {plain!r} ({type(plain).__name__})"
        )
    if isinstance(plain, float) and not math.isfinite(plain):
        raise ValueError(f"{name} must be finite to be recorded, got {plain}")
    return plain


def _shown(value: bool | int | float | str) -> str:
    """Format a metric for reading: four decimals, or four digits where those say little."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e6 else f"{value:.4g}"


def _in_ipython() -> bool:
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return get_ipython() is not None


def _load(path: Path) -> dict[str, Any]:
    """Read a notebook file as JSON."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; give the path of a notebook")
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = notebook["cells"]
        if isinstance(cells, list) and all(isinstance(cell, dict) for cell in cells):
            return notebook
    except (ValueError, KeyError, TypeError, IsADirectoryError):
        pass
    raise ValueError(f"{path} is not a Jupyter notebook; give the path of an .ipynb file")


def _recorded(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the metrics that the outputs of a notebook hold, in order."""
    metrics: dict[str, Any] = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            metrics.update(output.get("data", {}).get(METRICS_MIME, {}))
    return metrics


# ---------------------------------------------------------------- places


def project_dir() -> Path | None:
    """Return the folder that holds ``notebooks/``, or ``None`` for a package without them."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "notebooks").is_dir() else None


def default_notebooks() -> list[Path]:
    """Return the project's notebooks in their order.

    Raises
    ------
    FileNotFoundError
        If the package is installed without them.
    """
    root = project_dir()
    paths = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb")) if root else []
    if not paths:
        raise FileNotFoundError("the project's notebooks are not here; give a notebook's path")
    return paths


def runs_dir() -> Path:
    """Return where runs go: ``$NN_HELPERS_RUNS``, else ``runs/`` in the project or here."""
    if chosen := os.environ.get(RUNS_VARIABLE):
        return Path(chosen).expanduser().absolute()
    return (project_dir() or Path.cwd()) / "runs"


def log_dir(name: str) -> Path:
    """Create a new folder for the TensorBoard logs of one run.

    Parameters
    ----------
    name : str
        Of the notebook, ``"03_tensorflow_mlp"``.

    Returns
    -------
    Path
        ``runs/logs/<name>/<time>``, absolute.

    Raises
    ------
    ValueError
        If `name` is not the name of a single folder.
    """
    if name in ("", ".", "..") or Path(name).name != name:
        raise ValueError(f"name must be a folder's name without slashes, got {name!r}")
    return _new_folder(runs_dir() / "logs" / name)


def _new_folder(parent: Path) -> Path:
    """Create a folder in `parent` that carries the time, numbered if the second is taken."""
    stamp = datetime.now().strftime("%Y-%m-%d_%H%M%S")
    for number in count(1):
        folder = parent / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder


# ---------------------------------------------------------------- execution


def run_notebooks(
    notebooks: str | Path | Iterable[str | Path] | None = None,
    output_dir: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> "DataFrame":
    """Execute copies of notebooks with papermill, one after the other, and collect their metrics.

    Each runs in its own folder, as in JupyterLab, in the Python that calls this. The first one
    that fails ends the run; the copies written until then stay. Progress goes to standard error.

    Parameters
    ----------
    notebooks : path or iterable of paths, optional
        The project's five by default.
    output_dir : str or Path, optional
        Where the copies go; a new folder under ``runs/`` that carries the time by default.
    parameters : mapping, optional
        Values in place of the notebooks' defaults; a notebook receives those that it declares.

    Returns
    -------
    DataFrame
        One row a notebook: ``notebook``, ``seconds``, ``file``, and a column for each metric.

    Raises
    ------
    FileNotFoundError, FileExistsError, ValueError
        If a notebook is missing or is none, a copy would replace a file, or no notebook declares
        a parameter; nothing has run then.
    RunError
        If a notebook fails.
    """
    import pandas as pd

    paths = _checked(notebooks)
    chosen = _share_parameters(paths, parameters or {})
    folder = _output_folder(paths, output_dir)
    say(f"{len(paths)} notebook{'s' * (len(paths) > 1)}, copies in {relative(folder)}")
    rows = [
        _row(path, folder / path.name, chosen[path], f"[{number}/{len(paths)}] {path.stem}")
        for number, path in enumerate(paths, start=1)
    ]
    return pd.DataFrame(rows)


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
        _load(path)
    return paths


def _share_parameters(
    paths: Sequence[Path], parameters: Mapping[str, Any]
) -> dict[Path, dict[str, Any]]:
    """Give each notebook the parameters that it declares."""
    if not parameters:
        return {path: {} for path in paths}
    from papermill import inspect_notebook

    declared = {path: inspect_notebook(literal(path)) for path in paths}
    for name in parameters:
        if not any(name in names for names in declared.values()):
            names = ", ".join(path.name for path in paths)
            raise ValueError(f"{name} is not a parameter that {names} declares")
    return {
        path: {name: value for name, value in parameters.items() if name in names}
        for path, names in declared.items()
    }


def _output_folder(paths: Sequence[Path], output_dir: str | Path | None) -> Path:
    """Create the folder for the copies, in which none of them may exist yet."""
    names = [path.name for path in paths]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two notebooks are called {name}, so their copies would collide")
    if output_dir is None:
        return _new_folder(runs_dir())
    folder = Path(output_dir).expanduser().absolute()
    for path in paths:
        if folder.resolve() == path.resolve().parent:
            raise ValueError(f"the copies cannot go beside the notebooks, choose not {output_dir}")
        if (folder / path.name).exists():
            raise FileExistsError(f"{folder / path.name} exists already; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _row(source: Path, copy: Path, parameters: dict[str, Any], label: str) -> dict[str, Any]:
    """Execute one copy; return its row of the results."""
    notebook, seconds = _execution.execute_copy(source, copy, parameters, label)
    fixed = {"notebook": source.stem, "seconds": seconds, "file": relative(copy)}
    return {**fixed, **_recorded(notebook), **fixed}


# ---------------------------------------------------------------- table


def format_results(results: "DataFrame") -> str:
    """Write the results of `run_notebooks` for a terminal: a table, and the files below it.

    Parameters
    ----------
    results : DataFrame

    Returns
    -------
    str
        Lines of at most 100 characters, the files' paths aside; what a notebook did not measure
        stands as "–".
    """
    rows = [["notebook", *_COLUMNS, "seconds"]]
    for result in results.to_dict("records"):
        name = result["notebook"]
        name = name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"
        measured = [_first(result, names) for names in _COLUMNS.values()]
        rows.append([name, *measured, f"{result['seconds']:.1f}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "─" * len(lines[0]))
    return "\n".join([*lines, "", "Executed copies:", *(f"  {file}" for file in results["file"])])


def _first(result: Mapping[str, Any], names: Sequence[str]) -> str:
    """Format the first of `names` that is a number, else a dash."""
    for name in names:
        value = result.get(name)
        if isinstance(value, (int, float)) and not math.isnan(value):
            return f"{value:.4f}"
    return "–"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    numbers = (f"{cell:>{width}}" for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "  ".join([f"{cells[0]:<{widths[0]}}", *numbers])
