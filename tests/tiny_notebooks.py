"""Small notebooks for tests, written into a temporary folder."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def write_notebook(path: Path, *sources: str, **metadata) -> Path:
    """Write a notebook of code cells; the first is tagged ``parameters``."""
    cells = [new_code_cell(source) for source in sources]
    cells[0].metadata.tags = ["parameters"]
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}, **metadata}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path


def outputs_of(path: Path) -> list[list]:
    """Return the outputs of each cell."""
    return [cell.get("outputs", []) for cell in nbformat.read(path, as_version=4).cells]
