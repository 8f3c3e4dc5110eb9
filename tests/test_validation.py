import math
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn_helpers.validation import (
    check_choice,
    check_integer,
    check_positive,
    check_share,
    check_sizes,
)


@given(st.integers(0, 100))
def test_an_integer_in_range_comes_back_as_int(value):
    for given_value in (value, np.int64(value)):
        checked = check_integer("n", given_value, 0, 100)
        assert checked == value
        assert type(checked) is int


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (101, ValueError, "n must be from 1 to 100, got 101"),
        (0, ValueError, "n must be from 1 to 100, got 0"),
        (1.0, TypeError, "n must be an integer, got 1.0 (float)"),
        ("1", TypeError, "n must be an integer, got '1' (str)"),
        (True, TypeError, "n must be an integer, got True (bool)"),
        (np.True_, TypeError, "n must be an integer, got np.True_ (bool)"),
        (None, TypeError, "n must be an integer, got None (NoneType)"),
        (math.nan, TypeError, "n must be an integer, got nan (float)"),
    ],
)
def test_a_wrong_integer_is_refused(value, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        check_integer("n", value, 1, 100)


def test_an_open_range_says_at_least():
    with pytest.raises(ValueError, match=r"^n_epochs must be at least 1, got 0$"):
        check_integer("n_epochs", 0, 1)


@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False))
def test_a_positive_number_comes_back_as_float(value):
    assert check_positive("rate", value) == value


@pytest.mark.parametrize("value", [1, np.float32(0.5), np.int8(3), Fraction(1, 2)])
def test_other_kinds_of_number_become_float(value):
    checked = check_positive("rate", value)
    assert checked == value
    assert type(checked) is float


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (-0.1, ValueError, "rate must be positive, got -0.1"),
        (0, ValueError, "rate must be positive, got 0"),
        (math.nan, ValueError, "rate must be finite, got nan"),
        (math.inf, ValueError, "rate must be finite, got inf"),
        (10**400, ValueError, "rate must be finite, got a number beyond the range of float"),
        ("0.01", TypeError, "rate must be a number, got '0.01' (str)"),
        (True, TypeError, "rate must be a number, got True (bool)"),
        (None, TypeError, "rate must be a number, got None (NoneType)"),
        (1j, TypeError, "rate must be a number, got 1j (complex)"),
        ([0.1], TypeError, "rate must be a number, got [0.1] (list)"),
    ],
)
def test_a_wrong_number_is_refused(value, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        check_positive("rate", value)


def test_an_upper_bound_is_exclusive():
    assert check_positive("share", 0.999, below=1) == 0.999
    with pytest.raises(ValueError, match=r"^share must be less than 1, got 1$"):
        check_positive("share", 1, below=1)


@pytest.mark.parametrize("value", [0, 0.0, 0.25, np.float32(0.5), 0.999])
def test_a_share_may_be_zero_but_not_one(value):
    checked = check_share("dropout", value)
    assert type(checked) is float
    assert checked == value


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (1, ValueError, "dropout must be from 0 to less than 1, got 1"),
        (-0.1, ValueError, "dropout must be from 0 to less than 1, got -0.1"),
        (math.nan, ValueError, "dropout must be finite, got nan"),
        (False, TypeError, "dropout must be a number, got False (bool)"),
        ("0.5", TypeError, "dropout must be a number, got '0.5' (str)"),
    ],
)
def test_a_wrong_share_is_refused(value, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        check_share("dropout", value)


def test_choices():
    assert check_choice("optimizer", "adam", ("gd", "adam")) == "adam"
    with pytest.raises(ValueError, match=r"^optimizer must be one of gd, adam, got 'Adam'$"):
        check_choice("optimizer", "Adam", ("gd", "adam"))
    with pytest.raises(TypeError, match=r"^optimizer must be a string, got None \(NoneType\)$"):
        check_choice("optimizer", None, ("gd", "adam"))


@given(st.lists(st.integers(1, 1000), min_size=1))
def test_sizes_become_a_tuple(sizes):
    assert check_sizes("hidden_layers", sizes) == tuple(sizes)
    assert check_sizes("hidden_layers", tuple(sizes)) == tuple(sizes)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ([], ValueError, "hidden_layers must name at least one layer size, got []"),
        ([50, 0], ValueError, "hidden_layers[1] must be at least 1, got 0"),
        ([50.0], TypeError, "hidden_layers[0] must be an integer, got 50.0 (float)"),
        (50, TypeError, "hidden_layers must be a list of integers, got 50 (int)"),
        ("50", TypeError, "hidden_layers must be a list of integers, got '50' (str)"),
        ({50}, TypeError, "hidden_layers must be a list of integers, got {50} (set)"),
    ],
)
def test_wrong_sizes_are_refused(value, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        check_sizes("hidden_layers", value)
