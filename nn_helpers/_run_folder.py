"""The folder of one run: its executed notebook, its ``run.json``, its TensorBoard logs.

``run.json`` is written when the run starts, as ``running``, and again when it ends. A lock, which
the system takes from a process that dies, tells a run that goes on from one that was interrupted.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from time import perf_counter
from typing import Any

from nn_helpers._files import write_whole
from nn_helpers._metrics import load_notebook, recorded

RECORD = "run.json"
LOCK = "running.lock"
LOGS = "logs"
PACKAGES = (
    "nn-helpers",
    "tensorflow",
    "keras",
    "numpy",
    "pandas",
    "scikit-learn",
    "optuna",
    "papermill",
)


@contextmanager
def recording(
    folder: Path, source: Path, copy: Path, parameters: Mapping[str, Any], given: Mapping[str, Any]
) -> Iterator[None]:
    """Keep a folder's ``run.json`` while the notebook is executed in the body.

    Parameters
    ----------
    folder : Path
        The run's own, which exists.
    source, copy : Path
        The notebook, and the executed copy that the body writes.
    parameters, given : mapping
        All parameters with their values, and those that differ from the notebook's own.
    """
    from filelock import FileLock

    with FileLock(folder / LOCK):
        started, clock = datetime.now(UTC), perf_counter()
        record = {
            "notebook": source.stem,
            "status": "running",
            "started": started.isoformat(timespec="milliseconds"),
            "parameters": dict(parameters),
            "given": dict(given),
            "seed": parameters.get("seed"),
            "data": data_digest(parameters),
            "versions": versions(),
            "git": git_state(source.parent),
        }
        _write(folder, record)
        try:
            yield
        except BaseException as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            record["status"] = "interrupted" if interrupted else "failed"
            record["error"] = None if interrupted else str(error)
            raise
        else:
            record["status"] = "complete"
        finally:
            record["seconds"] = round(perf_counter() - clock, 1)
            record["metrics"] = recorded(load_notebook(copy)) if copy.exists() else {}
            _write(folder, record)


def _write(folder: Path, record: Mapping[str, Any]) -> None:
    text = json.dumps(record, indent=2, ensure_ascii=False, default=str)
    write_whole(folder / RECORD, text + "\n")


def read(folder: Path) -> dict[str, Any]:
    """Return what a run recorded; of one whose process has died, mark that it was interrupted."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    if record["status"] == "running" and _is_abandoned(folder):
        record["status"] = "interrupted"
        _write(folder, record)
    return record


def _is_abandoned(folder: Path) -> bool:
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / LOCK, blocking=False):
            return True
    except Timeout:
        return False


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    found = {"python": python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def data_digest(parameters: Mapping[str, Any]) -> dict[str, str] | None:
    """Return name and SHA-256 of the data that a notebook with ``data_dir`` loads, else ``None``.

    `datasets.load_fashion_mnist` accepts no others.
    """
    if "data_dir" not in parameters:
        return None
    from nn_helpers.datasets import content_digest

    return {"name": "Fashion-MNIST", "sha256": content_digest()}


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return the commit that is checked out, and whether nothing has changed since; or ``None``."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        return {"commit": commit, "clean": not git("status", "--porcelain")}
    except (OSError, subprocess.CalledProcessError):
        return None
