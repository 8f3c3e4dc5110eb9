"""Checks of what a user hands in, and the names a user may choose from.

Each check returns the value it was given, as plain Python, or raises one sentence that names the
parameter, the value and the remedy: ``learning_rate must be positive, got -0.1``.
"""

import math
from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np

HIDDEN_ACTIVATIONS = ("relu", "sigmoid", "tanh", "none")
OUTPUT_ACTIVATIONS = ("softmax", "sigmoid", "none")
OPTIMIZERS = ("gd", "momentum", "rms", "adam")


def check_integer(name: str, value: object, minimum: int, maximum: int | None = None) -> int:
    """Return `value` as an ``int`` of at least `minimum` and at most `maximum`.

    Raises
    ------
    TypeError
        If `value` is not an integer (a ``bool`` is not one).
    ValueError
        If it lies outside the range.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r} ({type(value).__name__})")
    if value < minimum or (maximum is not None and value > maximum):
        wanted = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        raise ValueError(f"{name} must be {wanted}, got {value}")
    return int(value)


def check_positive(name: str, value: object, below: float = math.inf) -> float:
    """Return `value` as a finite ``float`` that is greater than 0 and less than `below`.

    Raises
    ------
    TypeError
        If `value` is not a real number.
    ValueError
        If it is NaN, infinite, not positive, or not less than `below`.
    """
    number = _check_finite(name, value)
    if number <= 0:
        raise ValueError(f"{name} must be positive, got {value}")
    if number >= below:
        raise ValueError(f"{name} must be less than {below:g}, got {value}")
    return number


def check_share(name: str, value: object) -> float:
    """Return `value` as a ``float`` from 0 to less than 1.

    Raises
    ------
    TypeError
        If `value` is not a real number.
    ValueError
        If it is NaN, infinite, negative, or not less than 1.
    """
    number = _check_finite(name, value)
    if not 0 <= number < 1:
        raise ValueError(f"{name} must be from 0 to less than 1, got {value}")
    return number


def _check_finite(name: str, value: object) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{name} must be finite, got a number beyond the range of float") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {value}")
    return number


def check_choice(name: str, value: object, choices: Sequence[str]) -> str:
    """Return `value`, one of the strings in `choices`.

    Raises
    ------
    TypeError
        If `value` is not a string.
    ValueError
        If it is not one of them.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {value!r} ({type(value).__name__})")
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value


def check_sizes(name: str, values: object) -> tuple[int, ...]:
    """Return `values`, a non-empty list of layer sizes, as a tuple of positive ``int``.

    Raises
    ------
    TypeError
        If `values` is not a list or tuple, or an entry is not an integer.
    ValueError
        If it is empty, or an entry is less than 1.
    """
    if not isinstance(values, (list, tuple)):
        raise TypeError(
            f"{name} must be a list of integers, got {values!r} ({type(values).__name__})"
        )
    if not values:
        raise ValueError(f"{name} must name at least one layer size, got {values!r}")
    return tuple(
        check_integer(f"{name}[{index}]", value, minimum=1) for index, value in enumerate(values)
    )
