"""Results of runs as tables for a terminal."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nn_helpers.parameters import nearest

if TYPE_CHECKING:
    from pandas import DataFrame

# Table column: the recorded names it may come from, the first one found.
COLUMNS = {
    "cost": ("train_cost",),
    "train acc.": ("train_accuracy",),
    "val. acc.": ("validation_accuracy", "best_validation_accuracy_gaussian_process"),
    "test acc.": ("test_accuracy", "baseline_logistic_regression"),
}
_FIXED = {name for names in COLUMNS.values() for name in names}
_MAX_NAME = 40  # of the first column of `format_results`


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
    rows = [["notebook", *COLUMNS, "seconds"]]
    for result in results.to_dict("records"):
        name = result["notebook"]
        name = name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"
        measured = [_first(result, names) for names in COLUMNS.values()]
        rows.append([name, *measured, f"{result['seconds']:.1f}"])
    return "\n".join(
        [*align(rows, left=[0]), "", "Executed copies:", *(f"  {file}" for file in results["file"])]
    )


def format_runs(table: "DataFrame", sort: str | None = None) -> str:
    """Write the table of `load_runs` for a terminal.

    Parameters
    ----------
    table : DataFrame
    sort : str, optional
        A parameter or metric that is a number: the highest first. By default the oldest is first.

    Raises
    ------
    ValueError
        If no run has a number of that name.
    """
    if table.empty:
        return "no run is recorded yet: `python -m nn_helpers run` records one"
    columns = dict(COLUMNS)
    if sort is not None:
        table = _sorted(table, sort)
        if not any(sort in names for names in COLUMNS.values()):
            columns[sort] = (sort,)
    rows = [["run", "status", *columns, "seconds", "given"]]
    for one in table.to_dict("records"):
        measured = [_first(one, names) for names in columns.values()]
        seconds = f"{one['seconds']:.1f}" if one["seconds"] == one["seconds"] else "–"
        given = " ".join(f"{name}={value}" for name, value in one["given"].items())
        rows.append([one["run"], one["status"], *measured, seconds, given])
    return "\n".join(align(rows, left=[0, len(rows[0]) - 1]))


def _sorted(table: "DataFrame", name: str) -> "DataFrame":
    numeric = [column for column in table if table[column].dtype.kind in "iuf"]
    if name not in numeric:
        raise ValueError(
            f"{name} is not a number that any run has{nearest(name, numeric)}; "
            f"there are {', '.join(numeric)}"
        )
    return table.sort_values(name, ascending=False, kind="stable", na_position="last")


def _first(result: Mapping[str, Any], names: Sequence[str]) -> str:
    """Format the first of `names` that is a number, else a dash."""
    for name in names:
        value = result.get(name)
        if isinstance(value, (int, float)) and not math.isnan(value):
            return f"{value:.4f}" if name in _FIXED or isinstance(value, float) else str(value)
    return "–"


def align(rows: Sequence[Sequence[str]], left: Sequence[int] = ()) -> list[str]:
    """Return the lines of a table with a rule below its first; columns `left` start together."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            f"{cell:<{width}}" if column in left else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [lines[0], "─" * max(map(len, lines)), *lines[1:]]
