"""How the plugin compares two lists of outputs; test_nbval_runs.py has real runs of nbval."""

import base64
import struct
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import v4
from nbval_tolerance import Number, Tolerance, compare, tokenize

DEFAULT = Tolerance()
SHAPE = Tolerance(shape=True)
TIMING = Tolerance(numbers=False)


def tolerance(**stated):
    return Tolerance.of_cell({"tolerance": stated})


def text(content, mime="text/plain"):
    return v4.new_output("display_data", {mime: content})


def stream(content, name="stdout"):
    return v4.new_output("stream", name=name, text=content)


def agree(expected, got, within=DEFAULT):
    return not compare([text(expected)], [text(got)], within)


def png(width, height):
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR"
    return base64.b64encode(header + struct.pack(">II", width, height)).decode()


# ---- Words and numbers --------------------------------------------------------------------------

WORDS = ["accuracy", "W1", "b2", "conv2d_3", "28x28", "layer_1", "1st", "v1.5", "utf-8", "nan", "-"]
WORDS += ["(None,", "<td>", "</td>", "#000066", "2.18.0", "cost:", "│", "%", "Next", "-inf", "3D"]


def written(number):
    """Ways in which Python, numpy and pandas write a number."""
    if isinstance(number, int):
        return [str(number), f"{number:,}"]
    return [f"{number:.6f}", f"{number:,.3f}", f"{number:.3e}", f"{number:+.2f}", f"{number:.1E}"]


NUMBERS = st.one_of(st.integers(-(10**9), 10**9), st.floats(-1e9, 1e9)).flatmap(
    lambda number: st.sampled_from(written(number))
)
TOKENS = st.lists(st.one_of(st.sampled_from(WORDS), NUMBERS.map(Number.read)))
SPACES = st.sampled_from([" ", "   ", "\n", "\n\n  ", "\t"])


@given(TOKENS, st.data())
def test_a_text_of_words_and_numbers_is_taken_apart_into_them(tokens, data):
    pieces = [token.text if isinstance(token, Number) else token for token in tokens]
    together = "".join(piece + data.draw(SPACES) for piece in pieces)
    assert tokenize(together) == tokens


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("784-50-10", [784, "-", 50, "-", 10]),
        ("(60000, 784)", ["(", 60000, ",", 784, ")"]),
        ("60,000 of 70,000", [60000, "of", 70000]),
        ("[1,2,3] 1,234.5", ["[", 1, ",", 2, ",", 3, "]", 1234.5]),
        ("89.4% 89.4 %", [89.4, "%", 89.4, "%"]),
        ("x=-1 [-0.5] 5 - 3 −2.5", ["x=", -1, "[", -0.5, "]", 5, "-", 3, -2.5]),
        ("1e-05 1.e+3 2E5 .5", [1e-05, 1e3, 2e5, 0.5]),
        ("There are 10. Next", ["There", "are", 10, ".", "Next"]),
        ("[[ 1.  2.]\n [ 3. -4.]]", ["[[", 1, 2, "]", "[", 3, -4, "]]"]),
        ("[ 1. nan -inf]", ["[", 1, "nan", "-inf", "]"]),
        ("3.2s 12ms/step 2x", [3.2, "s", 12, "ms/step", 2, "x"]),
        ("W1 28x28 layer_1 2nd 2.18.0 0x7f", ["W1", "28x28", "layer_1", "2nd", "2.18.0", "0x7f"]),
        (
            "#000066 https://arxiv.org/abs/1708.07747",
            ["#000066", "https://arxiv.org/abs/1708.07747"],
        ),
        ("<td>-0.5</td>", ["<td>", -0.5, "</td>"]),
        ("\x1b[38;5;34m39,250\x1b[0m │", [39250, "│"]),
        ("|-----|---:|\n======", ["|-|-:|", "="]),
    ],
)
def test_tokens(content, expected):
    values = [float(t.value) if isinstance(t, Number) else t for t in tokenize(content)]
    assert values == expected


def test_which_numbers_are_integers():
    kinds = {t.text: t.integer for t in tokenize("5 -6 60,000 1.0 2. 1e5") if t != "."}
    assert kinds == {"5": True, "-6": True, "60,000": True, "1.0": False, "2.": False, "1e5": False}


# ---- Comparing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ("cost 0.5200000", "cost 0.5200004"),
        ("cost 0.52", "cost   0.520\n"),
        ("1", "1.0"),
        ("[ 1.5 -2.5]", "[1.5   -2.5]"),
        ("[1. 2.]", "[1.        2.0000001]"),
        ("cost\n----\n 0.5", "cost\n--------\n 0.5000000"),
        ("│ 1.5 │\n├─────┤", "│ 1.5000001 │\n├───────────┤"),
        ("nan", "nan"),
        ("1e-05", "0.00001"),
        ("60,000", "60000"),
    ],
)
def test_texts_that_agree(expected, got):
    assert agree(expected, got)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ("train accuracy 0.9", "test accuracy 0.9"),
        ("accuracy 0.9", "accuracy 0.9 !"),
        ("accuracy 0.9", "accuracy"),
        ("(60000, 784)", "(60000, 785)"),
        ("784-50-10", "784-50-11"),
        ("W1", "W2"),
        ("28x28", "28x29"),
        ("60,000", "60,001"),
        ("cost 0.520000", "cost 0.520001"),
        ("0.5", "-0.5"),
        ("1", "1.1"),
        ("0.9", "0.91"),
        ("nan", "0.5"),
        ("0.5", "nan"),
        ("nan", "inf"),
        ("inf", "-inf"),
        ("0.5", "half"),
        ("1.5 2.5", "1.52.5"),
        ("a b", "ab"),
        ("| a |\n|---|---|", "| a |\n|---|"),
        ("https://arxiv.org/abs/1708.07747", "https://arxiv.org/abs/1708.07748"),
    ],
)
def test_texts_that_differ(expected, got):
    assert not agree(expected, got)


@pytest.mark.parametrize(
    ("expected", "got", "stated", "passes"),
    [
        ("0.89", "0.90", {"absolute": 0.01}, True),
        ("0.89", "0.901", {"absolute": 0.01}, False),
        ("100.0", "105.0", {"relative": 0.05}, True),
        ("100.0", "105.1", {"relative": 0.05}, False),
        ("100.0", "105.5", {"relative": 0.05, "absolute": 0.5}, True),
        ("100.0", "105.6", {"relative": 0.05, "absolute": 0.5}, False),
        ("10", "11", {"integers": 1}, True),
        ("10", "12", {"integers": 1}, False),
        ("10", "11", {"relative": 0.5, "absolute": 5}, False),
        ("10", "10.9", {"absolute": 1}, True),
        ("0.5", "1.5", {"integers": 30}, False),
        ("in 10 runs", "in 10 tries", {"relative": 0.9, "absolute": 100, "integers": 100}, False),
        ("W1", "W2", {"integers": 100}, False),
        ("nan", "0.5", {"absolute": 100}, False),
        ("1,000", "999", {"integers": 1}, True),
    ],
)
def test_a_stated_tolerance(expected, got, stated, passes):
    assert agree(expected, got, tolerance(**stated)) is passes


def test_a_timing_compares_words_only():
    assert agree("3.2 s per epoch", "41 s per epoch", TIMING)
    assert not agree("3.2 s per epoch", "3.2 s per step", TIMING)
    assert not agree("3.2 s per epoch", "3.2 ms per epoch", TIMING)
    assert not agree("3.2 s", "3.2 s 4", TIMING)


def test_shape_compares_lines_and_columns_only():
    assert agree("trial lr\n 1 0.5", "run   rate\n2  nan", SHAPE)
    assert agree("[ 1.5 2.5]", "[12.5 3.5]", SHAPE)
    assert not agree("1 2\n3 4", "1 2", SHAPE)
    assert not agree("1 2\n3 4", "1 2\n3 4 5", SHAPE)
    table = "<table><tr><td>{}</td><td>b</td></tr></table>"
    one, two = text(table.format(1), "text/html"), text(table.format("x y"), "text/html")
    assert not compare([one], [two], SHAPE)
    assert compare([one], [text(table.replace("<td>b</td>", ""), "text/html")], SHAPE)
    mime = "application/json"
    assert not compare([text({"a": [0.5, "x"]}, mime)], [text({"a": [3, "y"]}, mime)], SHAPE)
    assert compare([text({"a": [0.5]}, mime)], [text({"a": [0.5, 1]}, mime)], SHAPE)
    assert compare([text("a")], [text("a", "text/html")], SHAPE)


@pytest.mark.parametrize("mime", ["application/json", "application/vnd.nn-helpers.metrics+json"])
@pytest.mark.parametrize(
    ("expected", "got", "passes"),
    [
        ({"cost": 0.52, "n": 3}, {"n": 3, "cost": 0.5200000001}, True),
        ({"cost": 0.52}, {"cost": 0.53}, False),
        ({"cost": 0.52}, {"loss": 0.52}, False),
        ({"n": 3}, {"n": 4}, False),
        ({"n": 3}, {"n": 3.0}, True),
        ({"n": 1}, {"n": True}, False),
        ({"x": [1, 2]}, {"x": [1]}, False),
        ({"x": None}, {"x": 0}, False),
        ({"x": float("nan")}, {"x": float("nan")}, True),
        ({"x": float("nan")}, {"x": 1.0}, False),
        ({"x": "3 layers"}, {"x": "4 layers"}, False),
        ({"x": {"y": [0.1]}}, {"x": {"y": [0.1]}}, True),
        ({"x": {"y": [0.1]}}, {"x": {"y": 0.1}}, False),
    ],
)
def test_json(mime, expected, got, passes):
    assert (not compare([text(expected, mime)], [text(got, mime)], DEFAULT)) is passes


def test_a_metric_that_differs_is_named():
    mime = "application/json"
    one, other = (
        text({"test": {"cost": [0.1, 0.52]}}, mime),
        text({"test": {"cost": [0.1, 1]}}, mime),
    )
    (line,) = compare([one], [other], DEFAULT)
    assert "test.cost[1]: expected 0.52, got 1: off by 0.48" in line


def test_a_table_whose_columns_became_wider():
    frames = [pd.DataFrame({"cost": [0.5, c], "epoch": [1, 2]}) for c in (99.5, 100.25)]
    one, other = (
        [v4.new_output("execute_result", {"text/plain": repr(f), "text/html": f.to_html()})]
        for f in frames
    )
    assert len(one[0].data["text/plain"]) < len(other[0].data["text/plain"])
    assert not compare(one, other, tolerance(absolute=1))
    other[0].data["text/html"] = other[0].data["text/html"].replace("epoch", "step")
    line, shown = compare(one, other, tolerance(absolute=1))
    assert (
        "text/html: after '<th>cost</th>': expected '<th>epoch</th>', got '<th>step</th>'" in line
    )
    assert "expected:" in shown


@pytest.mark.parametrize("mime", ["text/html", "text/markdown", "text/latex"])
def test_other_texts(mime):
    expected = text("<b>W_1</b> $0.5$", mime)
    assert not compare([expected], [text("<b>W_1</b>  $0.50$", mime)], DEFAULT)
    assert compare([expected], [text("<i>W_1</i> $0.5$", mime)], DEFAULT)
    assert compare([expected], [text("<b>W_2</b> $0.5$", mime)], DEFAULT)
    assert compare([expected], [text("<b>W_1</b> $0.6$", mime)], DEFAULT)


def test_images():
    def image(width, height):
        return [text(png(width, height), "image/png")]

    assert not compare(image(640, 480), image(700, 500), DEFAULT)
    assert not compare(image(640, 480), image(800, 360), DEFAULT)
    assert (
        "640 by 480 pixels, got 640 by 601" in compare(image(640, 480), image(640, 601), DEFAULT)[0]
    )
    assert compare(image(640, 480), image(479, 480), TIMING)
    assert not compare(
        [text("<svg/>", "image/svg+xml")], [text("<svg>1</svg>", "image/svg+xml")], DEFAULT
    )
    assert compare([text("<svg/>", "image/svg+xml")], image(640, 480), DEFAULT)


@pytest.mark.parametrize("within", [DEFAULT, SHAPE, TIMING])
def test_kinds_and_counts_of_outputs(within):
    error = v4.new_output("error", ename="ValueError", evalue="not 5", traceback=["a"])
    assert not compare([error], [{**error, "traceback": ["b"]}], within)
    assert compare([error], [{**error, "ename": "TypeError"}], within)
    assert compare([error], [stream("ValueError")], within)
    assert compare([text("a")], [], within)
    assert compare([text("a")], [text("a"), text("a")], within)
    assert compare([text("a")], [v4.new_output("execute_result", {"text/plain": "a"})], within)
    assert compare([text("a"), stream("a")], [stream("a"), text("a")], within)
    assert compare([stream("a", "stderr")], [stream("a", "stderr")], within)
    assert compare([], [stream("W0000 a warning", "stderr")], within)


def test_the_message_of_an_exception_is_compared():
    error = v4.new_output("error", ename="ValueError", evalue="got 5 layers", traceback=[])
    assert compare([error], [{**error, "evalue": "got 6 layers"}], DEFAULT)


def test_the_report_names_each_number_and_shows_both_texts():
    expected = "train 0.91\ntest 0.86\n"
    *lines, shown = compare(
        [stream(expected)], [stream("train 0.95\ntest 0.80\n")], tolerance(absolute=0.01)
    )
    assert lines == [
        "output 1, stream stdout: number 1 (after 'train'): expected 0.91, got 0.95: "
        "off by 0.04, tolerance 0.0100009 (absolute 0.01 + relative 0.000001)",
        "output 1, stream stdout: number 2 (after 'test'): expected 0.86, got 0.80: "
        "off by 0.06, tolerance 0.0100009 (absolute 0.01 + relative 0.000001)",
    ]
    assert "expected:\n    train 0.91\n    test 0.86\ngot:\n    train 0.95" in shown


def test_a_long_report_is_cut():
    many = ["\n".join(f"{n + shift}" for n in range(100)) for shift in (0, 1)]
    lines = compare([stream(many[0])], [stream(many[1])], DEFAULT)
    assert len(lines) == 10
    assert lines[8].endswith("and 92 more")
    assert "… 70 more lines" in lines[9]


# ---- Metadata -----------------------------------------------------------------------------------


def test_metadata_is_read():
    assert Tolerance.of_cell({}) == DEFAULT
    assert Tolerance.of_cell({"tags": ["timing"]}) == TIMING
    assert tolerance(compare="shape") == SHAPE
    assert tolerance(relative=0.05, absolute=1, integers=30) == Tolerance(
        Decimal("0.05"), Decimal(1), 30
    )


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"relativ": 0.05}, "tolerance has no key 'relativ'"),
        ({"compare": "shapes"}, "tolerance with compare must be"),
        ({"compare": "shape", "relative": 0.1}, "tolerance with compare must be"),
        ({"relative": -0.1}, "relative must be from 0 to less than 1, got -0.1"),
        ({"relative": 5}, "relative must be from 0 to less than 1, got 5"),
        ({"relative": "0.05"}, "relative must be a number, got '0.05'"),
        ({"absolute": float("nan")}, "absolute must be finite and not negative, got nan"),
        ({"absolute": float("inf")}, "absolute must be finite"),
        ({"absolute": True}, "absolute must be a number, got True"),
        ({"integers": 0.5}, "integers must be an integer, got 0.5"),
        ({"integers": -1}, "integers must be finite and not negative, got -1"),
        ({}, "at least one key"),
        (0.05, "tolerance must be an object"),
    ],
)
def test_metadata_that_is_not_understood(stated, message):
    with pytest.raises(ValueError, match=message):
        Tolerance.of_cell({"tolerance": stated})


def test_a_timing_takes_no_tolerance():
    with pytest.raises(ValueError, match="remove one of them"):
        Tolerance.of_cell({"tags": ["timing"], "tolerance": {"relative": 0.1}})
