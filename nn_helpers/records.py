"""Results of computations that take longer than a notebook may: recorded once, committed, shown.

``make record`` computes and writes ``assets/records/NAME.json``. A notebook loads the record and
shows it beside `describe_provenance`: what it was computed on and with, without a date, a path or a
machine's name, so that computing it again on the same machine changes nothing but the seconds.
"""

import json
import math
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from nn_helpers._files import write_whole
from nn_helpers._places import project_dir
from nn_helpers.datasets import content_digest
from nn_helpers.validation import check_positive

PACKAGES = ("TensorFlow", "Keras", "NumPy", "scikit-learn", "scikit-optimize", "Optuna")


def save_record(
    name: str, results: dict[str, Any], settings: dict[str, Any], seconds: float
) -> Path:
    """Write ``assets/records/NAME.json``, whole or not at all.

    Parameters
    ----------
    name : str
        Small letters, digits and underscores.
    results, settings : dict
        What came out, and what it was computed with: numbers, strings, bools and ``None``, in
        dictionaries and lists as deep as need be. NumPy's scalars and arrays are taken as the
        numbers that they hold, tuples as lists.
    seconds : float
        How long the computation took.

    Returns
    -------
    Path
        The file. It holds ``name``, ``settings``, ``results`` and ``provenance``, every key in
        alphabetical order, and in the provenance the seconds, the versions, the processor and the
        SHA-256 of the data.

    Raises
    ------
    TypeError, ValueError
        If a value cannot be recorded; the message names it. The file is then as it was.
    FileNotFoundError
        If the package is installed without the project.
    """
    path = _path(name)
    record = {
        "name": name,
        "settings": _plain("settings", settings),
        "results": _plain("results", results),
        "provenance": _provenance(check_positive("seconds", seconds)),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_whole(path, f"{text}\n")
    return path


def load_record(name: str) -> dict[str, Any]:
    """Return the record that `save_record` wrote under the same name.

    Returns
    -------
    dict
        ``name``, ``settings``, ``results`` and ``provenance``.

    Raises
    ------
    FileNotFoundError
        If there is no such record.
    ValueError
        If its file is damaged.
    """
    path = _path(name)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"the record {name} is missing from assets/records: run `make record`"
        ) from None
    except ValueError:
        record = None
    if not isinstance(record, dict) or not {"settings", "results", "provenance"} <= set(record):
        raise ValueError(f"the record {name} is damaged: run `make record` to write it again")
    return record


def describe_provenance(record: dict[str, Any]) -> str:
    """Say in two lines where a record comes from.

    Parameters
    ----------
    record : dict
        As `load_record` returns it.

    Returns
    -------
    str
        The first line names the processor, the time taken and the data, the second one the
        versions.
    """
    provenance = record["provenance"]
    cores = provenance["cores"]
    versions = [f"{package} {number}" for package, number in provenance["versions"].items()]
    return (
        f"Recorded on {provenance['processor']}, {cores} core{'' if cores == 1 else 's'}, "
        f"in {provenance['seconds'] / 60:.1f} minutes, "
        f"from Fashion-MNIST (SHA-256 {provenance['data_sha256'][:12]}…)\n"
        f"with {', '.join(versions)}"
    )


def processor_name() -> str:
    """Return the model of this machine's processor."""
    try:
        described = Path("/proc/cpuinfo").read_text()
    except OSError:
        described = ""
    names = re.search(r"^model name\s*: (.+)$", described, re.M)
    return names[1] if names else platform.processor() or platform.machine()


def _path(name: str) -> Path:
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {name!r} ({type(name).__name__})")
    if not re.fullmatch("[a-z0-9_]+", name):
        raise ValueError(
            f"name must consist of small letters, digits and underscores, got {name!r}"
        )
    root = project_dir()
    if root is None:
        raise FileNotFoundError(
            f"the record {name} lies in the project, which is not here: work in a clone of it"
        )
    return root / "assets" / "records" / f"{name}.json"


def _provenance(seconds: float) -> dict[str, Any]:
    versions = {"Python": platform.python_version()}
    return {
        "cores": os.cpu_count(),
        "data_sha256": content_digest(),
        "processor": processor_name(),
        "seconds": round(seconds, 1),
        "versions": versions | {package: version(package) for package in PACKAGES},
    }


def _plain(name: str, value: Any) -> Any:
    """Return what JSON can hold exactly; `name` leads to a value that it cannot hold."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"a key of {name} must be a string, got {key!r}")
        return {key: _plain(f"{name}[{key!r}]", entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(f"{name}[{index}]", entry) for index, entry in enumerate(value)]
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise TypeError(
            f"{name} must be a number, a string, a bool, None, or a dictionary or list of them, "
            f"got {value!r} ({type(value).__name__})"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be finite to be recorded, got {value}")
    return value
