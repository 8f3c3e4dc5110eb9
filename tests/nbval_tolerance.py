"""nbval, comparing the words of an output exactly and the numbers in it as numbers.

``pytest --nbval notebooks`` re-executes each notebook; this plugin replaces nbval's comparison of
text. Words must agree, whatever the white space between them; integers must be equal, other numbers
agree to 1e-6 of the committed one. A cell's metadata may say otherwise:

``"tolerance": {"relative": 0.05, "absolute": 0.01, "integers": 30}``
    A number x passes within absolute + relative * abs(committed x), an integer within `integers`.
``"tolerance": {"compare": "shape"}``
    For what another machine cannot reproduce: only the kinds of output, their lines and columns.
``"tags": ["timing"]``
    Numbers may be anything, words may not.

A cell that writes to standard error fails. Of an image, its presence and its size are compared.
"""

import base64
import json
import math
import os
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import zip_longest
from numbers import Real
from pathlib import Path

import nbval.plugin
import pytest

SIZE_TOLERANCE = 0.25
SHOWN_DIFFERENCES = 8
SHOWN_LINES = 30


@dataclass(frozen=True)
class Tolerance:
    """How far the outputs of one cell may lie from the committed ones."""

    relative: Decimal = Decimal("1e-6")
    absolute: Decimal = Decimal(0)
    integers: int = 0
    numbers: bool = True
    shape: bool = False

    @classmethod
    def of_cell(cls, metadata: Mapping) -> "Tolerance":
        """Read a cell's metadata; ``ValueError`` for anything that is not understood."""
        timing = "timing" in metadata.get("tags", [])
        if "tolerance" not in metadata:
            return cls(numbers=not timing)
        stated = metadata["tolerance"]
        if not isinstance(stated, Mapping) or not stated:
            raise ValueError(f"tolerance must be an object with at least one key, got {stated!r}")
        if timing:
            raise ValueError("tolerance means nothing in a cell tagged timing: remove one of them")
        if "compare" in stated:
            if stated != {"compare": "shape"}:
                raise ValueError(
                    f'tolerance with compare must be {{"compare": "shape"}}, got {stated}'
                )
            return cls(shape=True)
        return cls(**{key: _stated(key, value) for key, value in stated.items()})


def _stated(key: str, value: object) -> Decimal | int:
    """One value of the metadata, checked."""
    if key not in ("relative", "absolute", "integers"):
        raise ValueError(
            f"tolerance has no key {key!r}: use relative, absolute and integers, or compare"
        )
    kind = int if key == "integers" else Real
    if isinstance(value, bool) or not isinstance(value, kind):
        wanted = "an integer" if key == "integers" else "a number"
        raise ValueError(f"tolerance: {key} must be {wanted}, got {value!r}")
    if not 0 <= value < (1 if key == "relative" else math.inf):
        wanted = "from 0 to less than 1" if key == "relative" else "finite and not negative"
        raise ValueError(f"tolerance: {key} must be {wanted}, got {value!r}")
    return value if key == "integers" else Decimal(str(value))


# ---- Text to words and numbers ------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """A number in a text, as it is written there and as a value."""

    text: str
    value: Decimal
    integer: bool

    @classmethod
    def read(cls, text: str) -> "Number":
        plain = text.replace(",", "").replace("−", "-")
        return cls(text, Decimal(plain), integer=re.fullmatch(r"[-+]?[0-9]+", plain) is not None)


# The first alternative that fits wins. Only `number` is compared as a number, but `special`, too,
# is a token of its own: what numpy prints around both depends on the numbers beside them.
TOKEN = re.compile(
    r"""
    (?P<colour> \#[0-9a-fA-F]{3,8}\b )
  | (?P<address> https?://[^\s"'<>)]+ )
  | (?P<special> (?<!\w) [-+−]? (?: nan | NaN | inf )\b )
  | (?P<version> [0-9]+ (?:\.[0-9]+){2,} \w* )
  | (?P<name> [^\W0-9]\w* (?:[-.][0-9]\w*)* )               # W1, conv2d_3, v1.5, utf-8
  | (?P<number>
      (?: (?<![\w)\]}%.]) [-+−] )?                           # a sign, not the hyphens of 784-50-10
      (?: (?: [0-9]{1,3} (?:,[0-9]{3})+ (?!,?[0-9]) | [0-9]+ )
          (?: \.[0-9]+
            | \. (?= [eE][-+]?[0-9]                          # 1.e-05, and numpy's [1. 2.]
                   | \s*[\],] | (?:\n?[ ]+) (?: [-+−]?\.?[0-9] | -?inf\b | nan\b | \.\.\. ) )
          )?
        | (?<!\.) \.[0-9]+ )
      (?: [eE][-+]?[0-9]{1,3} )?
      (?= (?: [nmuµμ]?s | min | h | x | px | pt | [kKMGT]?i?B | [kKM] )? (?!\w) (?!\.[0-9]) )
    )
  | (?P<code> [0-9]\w* (?:\.[0-9]\w*)* )                     # 28x28, 2nd, 0x7f
    """,
    re.VERBOSE,
)
TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
RULE = re.compile(r"[-=_~:+|\s─-╿–—]+")
RULE_RUN = re.compile(r"([-=_~─-╿–—])\1+")


def tokenize(text: str) -> list[str | Number]:
    """Split `text` into words, which white space or numbers delimit, and numbers.

    A line of dashes or box characters keeps one of each run, since the widths of numbers set
    how many there are.
    """
    lines = TERMINAL_COLOUR.sub("", text).splitlines()
    text = "\n".join(RULE_RUN.sub(r"\1", line) if RULE.fullmatch(line) else line for line in lines)
    tokens: list[str | Number] = []
    end = 0
    for match in TOKEN.finditer(text):
        if match["number"] or match["special"]:
            tokens += text[end : match.start()].split()
            tokens.append(Number.read(match[0]) if match["number"] else match[0])
            end = match.end()
    return tokens + text[end:].split()


# ---- Comparing ----------------------------------------------------------------------------------


def _number_difference(expected: Number, got: Number, tolerance: Tolerance) -> str | None:
    """What is wrong with `got`, or ``None``."""
    if not tolerance.numbers:
        return None
    distance = abs(got.value - expected.value)
    if expected.integer and got.integer:
        allowed, rule = Decimal(tolerance.integers), "integers"
    else:
        allowed = tolerance.absolute + tolerance.relative * abs(expected.value)
        rule = f"absolute {tolerance.absolute} + relative {tolerance.relative}"
    if distance <= allowed:
        return None
    return (
        f"expected {expected.text}, got {got.text}: "
        f"off by {distance:.6g}, tolerance {allowed:.6g} ({rule})"
    )


def compare_text(expected: str, got: str, tolerance: Tolerance) -> list[str]:
    """Compare two texts; one line for each number that differs, and for the first word."""
    if tolerance.shape:
        return _compare_shape(_text_shape(expected), _text_shape(got))
    differences, before, count = [], "the start", 0
    for one, other in zip_longest(tokenize(expected), tokenize(got)):
        if isinstance(one, Number) and isinstance(other, Number):
            count += 1
            if wrong := _number_difference(one, other, tolerance):
                differences.append(f"number {count} (after {before}): {wrong}")
        elif one != other:
            return [*differences, f"after {before}: expected {_show(one)}, got {_show(other)}"]
        before = _show(one)
    return differences


def _show(token: str | Number | None) -> str:
    if token is None:
        return "nothing more"
    return token.text if isinstance(token, Number) else repr(token)


def _text_shape(text: str) -> list[int]:
    """The number of columns in each line, or of cells in each row of an HTML table."""
    rows = re.findall(r"<tr\b.*?</tr>", text, re.DOTALL)
    if rows:
        return [len(re.findall(r"<t[dh]\b", row)) for row in rows]
    text = re.sub(r"(?<=[\[(])\s+|\s+(?=[\])])", "", TERMINAL_COLOUR.sub("", text))
    return [len(line.split()) for line in text.strip().splitlines()]


def _compare_shape(expected: list[int], got: list[int]) -> list[str]:
    if len(expected) != len(got):
        return [f"expected {len(expected)} lines, got {len(got)}"]
    return [
        f"line {line}: expected {one} columns, got {other}"
        for line, (one, other) in enumerate(zip(expected, got, strict=True), start=1)
        if one != other
    ]


def compare_json(expected: object, got: object, tolerance: Tolerance, where: str = "") -> list[str]:
    """Compare two JSON values: keys and lengths exactly, numbers and strings as in a text."""
    place = where or "the top level"
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        if set(expected) != set(got):
            return [f"{place}: expected the keys {sorted(expected)}, got {sorted(got)}"]
        pairs = [(f"{where}.{key}".lstrip("."), expected[key], got[key]) for key in expected]
    elif isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            return [f"{place}: expected {len(expected)} items, got {len(got)}"]
        pairs = [(f"{where}[{i}]", *pair) for i, pair in enumerate(zip(expected, got, strict=True))]
    else:
        return [f"{place}: {line}" for line in _compare_leaf(expected, got, tolerance)]
    return [line for key, *pair in pairs for line in compare_json(*pair, tolerance, key)]


def _compare_leaf(expected: object, got: object, tolerance: Tolerance) -> list[str]:
    if isinstance(expected, str) and isinstance(got, str):
        return compare_text(expected, got, tolerance)
    one, other = _json_number(expected), _json_number(got)
    if one and other:
        wrong = None if tolerance.shape else _number_difference(one, other, tolerance)
        return [wrong] if wrong else []
    if tolerance.shape and isinstance(expected, bool) and isinstance(got, bool):
        return []
    same = json.dumps(expected) == json.dumps(got)
    return [] if same else [f"expected {json.dumps(expected)}, got {json.dumps(got)}"]


def _json_number(value: object) -> Number | None:
    """A finite number as a `Number`; NaN and infinities equal only themselves, as words do."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        return None
    return Number(repr(value), Decimal(repr(value)), isinstance(value, int))


def compare_png(expected: str, got: str) -> list[str]:
    """Compare the width and height of two base64-encoded PNG images."""
    sizes = [struct.unpack(">II", base64.b64decode(image)[16:24]) for image in (expected, got)]
    if all(abs(a - b) <= SIZE_TOLERANCE * a for a, b in zip(*sizes, strict=True)):
        return []
    one, other = (f"{width} by {height} pixels" for width, height in sizes)
    return [f"expected {one}, got {other}: more than {SIZE_TOLERANCE:.0%} off"]


def _compare_data(mime: str, expected: object, got: object, tolerance: Tolerance) -> list[str]:
    if mime == "image/png":
        return compare_png(expected, got)
    if mime.startswith("image/"):
        return []
    if isinstance(expected, str) and isinstance(got, str):
        return compare_text(expected, got, tolerance)
    return compare_json(expected, got, tolerance)


def _parts(output: Mapping) -> dict[str, object]:
    """What an output consists of, by name: a stream, or its mime types."""
    kind = output["output_type"]
    if kind == "stream":
        return {f"stream {output['name']}": output["text"]}
    if kind == "error":
        return {f"error {output['ename']}": output["evalue"]}
    return {f"{kind} {mime}": data for mime, data in sorted(output["data"].items())}


def _compare_output(expected: Mapping, got: Mapping, tolerance: Tolerance) -> Iterator[str]:
    one, other = _parts(expected), _parts(got)
    if set(one) != set(other):
        yield f"expected {', '.join(one) or 'no data'}; got {', '.join(other) or 'no data'}"
        return
    shown = False
    for name in sorted(one, key=lambda name: "text/plain" not in name):
        lines = _compare_data(name.split()[1], one[name], other[name], tolerance)
        yield from (f"{name}: {line}" for line in lines[:SHOWN_DIFFERENCES])
        if len(lines) > SHOWN_DIFFERENCES:
            yield f"{name}: and {len(lines) - SHOWN_DIFFERENCES} more"
        if lines and not shown and isinstance(one[name], str) and "image/" not in name:
            shown = True
            yield f"expected:\n{_excerpt(one[name])}\ngot:\n{_excerpt(other[name])}"


def _excerpt(text: str) -> str:
    lines = text.rstrip().splitlines()
    more = [f"… {len(lines) - SHOWN_LINES} more lines"] if len(lines) > SHOWN_LINES else []
    return "\n".join(f"    {line[:200]}" for line in lines[:SHOWN_LINES] + more)


def compare(expected: Sequence[Mapping], got: Sequence[Mapping], tolerance: Tolerance) -> list[str]:
    """Compare a cell's committed outputs with new ones, streams merged; empty if they agree."""
    for outputs, whose in ((expected, "committed"), (got, "new")):
        for output in outputs:
            if output["output_type"] == "stream" and output["name"] == "stderr":
                return [f"the {whose} outputs hold standard error:\n{_excerpt(output['text'])}"]
    if len(expected) != len(got):
        lists = ["; ".join(", ".join(_parts(o)) for o in outputs) for outputs in (expected, got)]
        return [
            f"expected {len(expected)} outputs ({lists[0] or 'none'}), "
            f"got {len(got)} ({lists[1] or 'none'})"
        ]
    return [
        f"output {number}, {line}"
        for number, (one, other) in enumerate(zip(expected, got, strict=True), start=1)
        for line in _compare_output(one, other, tolerance)
    ]


# ---- nbval --------------------------------------------------------------------------------------


class NotebookFile(nbval.plugin.IPyNbFile):
    """A notebook whose kernel captures what libraries write, as JupyterLab's does."""

    def setup(self) -> None:
        # ipykernel leaves file descriptors 1 and 2 alone where it believes to be under test.
        current_test = os.environ.pop("PYTEST_CURRENT_TEST", "")
        try:
            super().setup()
        finally:
            os.environ["PYTEST_CURRENT_TEST"] = current_test

    def collect(self) -> Iterator["NotebookCell"]:
        for cell in super().collect():
            yield NotebookCell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )


class NotebookCell(nbval.plugin.IPyNbCell):
    """A code cell, its outputs compared within its own tolerance."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.output_timeout = 60
        try:
            self.tolerance = Tolerance.of_cell(self.cell.metadata)
        except ValueError as error:
            message = f"{self.path.name}, code cell {self.cell_num}: {error}\n{self.cell.source}"
            raise pytest.Collector.CollectError(message) from error

    def runtest(self) -> None:
        if self.cell.source.strip() and self.cell.execution_count is None:
            self.raise_cell_error("The committed cell was never executed")
        super().runtest()

    def compare_outputs(self, test, ref, skip_compare=None) -> bool:
        differences = compare(ref, test, self.tolerance)
        place = f"{self.path.name}, code cell {self.cell_num}, In [{self.cell.execution_count}]:"
        self.comparison_traceback = [place, *differences]
        return not differences


def pytest_configure(config: pytest.Config) -> None:
    # The cells of a notebook share its kernel, so pytest-xdist must hand out whole files.
    if config.getoption("nbval", False) and config.getoption("dist", "no") != "no":
        config.option.dist = "loadfile"


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector):
    collectors = yield
    return [
        NotebookFile.from_parent(parent, path=file_path)
        if isinstance(collector, nbval.plugin.IPyNbFile)
        else collector
        for collector in collectors
    ]
