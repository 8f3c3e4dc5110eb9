"""Checks of what is handed in to be drawn: each returns it as an array or a table, or raises."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def check_array(name: str, value: object, shape: Sequence[int | str]) -> np.ndarray:
    """Return `value` as a numeric array of `shape`, where a string stands for any size.

    Raises
    ------
    TypeError
        If it does not hold numbers.
    ValueError
        If it has another shape, or no entries.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold numbers, got {type(value).__name__} of {array.dtype}")
    fits = array.ndim == len(shape) and all(
        isinstance(wanted, str) or wanted == size
        for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not fits or array.size == 0:
        wanted = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        raise ValueError(f"{name} must have shape ({wanted}), got {array.shape}")
    return array


def check_images(name: str, value: object) -> np.ndarray:
    """Return `value` as an array of shape (m, height, width)."""
    return check_array(name, value, ("m", "height", "width"))


def check_labels(name: str, value: object, m: int, n_classes: int) -> np.ndarray:
    """Return `value` as an array of `m` class numbers, each less than `n_classes`."""
    labels = check_array(name, value, (m,))
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= n_classes:
        raise ValueError(
            f"{name} must hold whole numbers from 0 to {n_classes - 1}, one for each class name, "
            f"got {labels.dtype} from {labels.min()} to {labels.max()}"
        )
    return labels


def check_length(name: str, value: Sequence, wanted: int, of_what: str) -> list:
    """Return `value` as a list of `wanted` entries, one for each `of_what`."""
    entries = list(value)
    if len(entries) != wanted:
        raise ValueError(
            f"{name} must have one entry for each {of_what}: {wanted}, got {len(entries)}"
        )
    return entries


def check_table(name: str, value: object, columns: Sequence[str]) -> pd.DataFrame:
    """Return `value`, a DataFrame with at least one row and at least these `columns`.

    Raises
    ------
    TypeError
        If it is not a DataFrame.
    ValueError
        If a column is missing, or it has no rows.
    """
    if not isinstance(value, pd.DataFrame):
        raise TypeError(f"{name} must be a pandas DataFrame, got {type(value).__name__}")
    missing = [column for column in columns if column not in value.columns]
    if missing:
        raise ValueError(
            f"{name} must have the column {missing[0]!r}, got {', '.join(map(str, value.columns))}"
        )
    if value.empty:
        raise ValueError(f"{name} must have at least one row, got shape {value.shape}")
    return value


def check_column(name: str, value: object, column: str) -> pd.Series:
    """Return `value`, a Series, or else that `column` of it as a DataFrame."""
    series = value if isinstance(value, pd.Series) else check_table(name, value, [column])[column]
    check_array(name, series, ("rows",))
    return series
