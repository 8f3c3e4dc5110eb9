"""Where notebooks, runs and logs are."""

import os
from datetime import datetime
from itertools import count
from pathlib import Path

RUNS_VARIABLE = "NN_HELPERS_RUNS"  # the folder of all runs
RUN_VARIABLE = "NN_HELPERS_RUN"  # in the kernel of a run, that run's own folder


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


def check_folder_name(name: str) -> str:
    """Return `name`, which may be the name of one folder, and no path.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    if name in ("", ".", "..") or Path(name).name != name:
        raise ValueError(f"name must be a folder's name without slashes, got {name!r}")
    return name


def new_folder(parent: Path, name: str = "") -> Path:
    """Create a folder in `parent` called after the time and `name`, numbered if that is taken."""
    stamp = datetime.now().strftime("%Y-%m-%d_%H%M%S")
    for number in count(1):
        parts = [stamp if number == 1 else f"{stamp}-{number}", *([name] if name else [])]
        folder = parent / "_".join(parts)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder


def relative(path: Path) -> str:
    """Write a path for reading: from here if it lies below, else absolute."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
