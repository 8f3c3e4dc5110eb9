"""What a run measured: recorded in its notebook, read from outside."""

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

METRICS_MIME = "application/vnd.nn-helpers.metrics+json"


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
    metrics = recorded(load_notebook(Path(path)))
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


def load_notebook(path: Path) -> dict[str, Any]:
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


def recorded(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the metrics that the outputs of a notebook hold, in order."""
    metrics: dict[str, Any] = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            metrics.update(output.get("data", {}).get(METRICS_MIME, {}))
    return metrics
