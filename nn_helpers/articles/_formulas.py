r"""Formulas in Markdown: found before Markdown is read, as Jupyter does, and put back after it.

Between the two, a word of letters and digits stands for each formula. Neither emphasis nor a table
nor an escape can take it apart.
"""

import re
from dataclasses import dataclass

from bs4 import NavigableString

_FENCE = r"^[ \t>]*(?:[-*+] |\d+[.)] )?[ \t]*(?P<fence>`{3,}|~{3,})[^\n]*(?:\n|\Z)"
_SCANNER = re.compile(
    rf"{_FENCE}"
    r"|(?<!`)(?P<code>`+)(?!`)"
    r"|\\\\\[(?P<bracket>.+?)\\\\\]"
    r"|\\\\\((?P<parenthesis>.+?)\\\\\)"
    r"|\\begin\{(?P<environment>[A-Za-z]+\*?)\}"
    r"|\\."
    r"|\$\$(?P<dollars>(?:\\.|[^\\$]|\$(?!\$))+?)\$\$"
    r"|\$(?!\$)(?P<dollar>(?:\\.|[^\\$`\n]|\n(?![ \t>]*\n))+?)\$(?!\$)",
    re.MULTILINE | re.DOTALL,
)
_QUOTE = re.compile(r"[ \t]*(?:>[ \t]?)+")


@dataclass(frozen=True)
class Formula:
    """A formula: what stood in the notebook, its TeX, and whether it has a line of its own."""

    source: str
    tex: str
    display: bool


class FormulaText(NavigableString):
    """A formula in a parsed page, where MathJax finds it by its default delimiters."""

    formula: Formula

    @classmethod
    def of(cls, formula: Formula) -> "FormulaText":
        opening, closing = ("\\[", "\\]") if formula.display else ("\\(", "\\)")
        text = cls(f"{opening}{formula.tex}{closing}")
        text.formula = formula
        return text

    def __copy__(self) -> "FormulaText":
        return FormulaText.of(self.formula)


class Hidden:
    """A Markdown source whose formulas are hidden behind words.

    Attributes
    ----------
    text : str
        The source with words in place of formulas.
    formulas : list of Formula
        In their order.
    """

    def __init__(self, source: str):
        prefix = "formula"
        while prefix in source:
            prefix += "q"
        self._word = re.compile(rf"{prefix}(\d+)z")
        self.formulas: list[Formula] = []
        pieces, end = [], 0
        for start, stop, formula in find(source):
            pieces += [source[end:start], f"{prefix}{len(self.formulas)}z"]
            self.formulas.append(formula)
            end = stop
        self.text = "".join(pieces) + source[end:]

    def restore(self, text: str) -> str:
        """Put the sources of the formulas back where they are none, in code and addresses."""
        return self._word.sub(lambda match: self.formulas[int(match[1])].source, text)

    def split(self, text: str) -> list[str | Formula]:
        """Cut a text into pieces without formulas and formulas."""
        pieces: list[str | Formula] = list(self._word.split(text))
        pieces[1::2] = [self.formulas[int(index)] for index in pieces[1::2]]
        return pieces


def find(source: str) -> list[tuple[int, int, Formula]]:
    """Find the formulas in Markdown outside code: start, end, formula."""
    found, position = [], 0
    while match := _SCANNER.search(source, position):
        position = match.end()
        kind = match.lastgroup
        if kind == "fence":
            position = _fence_end(source, match)
        elif kind == "code":
            position = _code_end(source, match)
        elif kind == "environment":
            position = _environment_end(source, match) or position
            if position > match.end():
                found.append(_formula(source, match.start(), position, None, True))
        elif kind == "dollar" and _is_money(match["dollar"], source[position : position + 1]):
            position = match.start() + 1
        elif kind is not None:
            display = kind in {"dollars", "bracket"}
            found.append(_formula(source, match.start(), position, match[kind], display))
    return found


def _formula(
    source: str, start: int, end: int, tex: str | None, display: bool
) -> tuple[int, int, Formula]:
    whole = source[start:end]
    tex = whole if tex is None else tex
    line = source[source.rfind("\n", 0, start) + 1 : start]
    if _QUOTE.match(line):  # a formula in a quotation: its lines begin with the mark, too
        tex = re.sub(rf"\n{_QUOTE.pattern}", "\n", tex)
    return start, end, Formula(whole, tex, display)


def _is_money(text: str, following: str) -> bool:
    """Tell the amounts in “from $5 to $6” from formulas that begin with a digit."""
    if not text[0].isdigit():
        return False
    balanced = all(text.count(a) == text.count(b) for a, b in ("()", "{}"))
    return text[-1].isspace() or following.isdigit() or not balanced


def _fence_end(source: str, match: re.Match[str]) -> int:
    fence = match["fence"]
    closing = re.compile(rf"^[ \t>]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$", re.MULTILINE)
    end = closing.search(source, match.end())
    return end.end() if end else len(source)


def _code_end(source: str, match: re.Match[str]) -> int:
    """Find the end of a code span, which no blank line interrupts, else of its backticks."""
    run = match["code"]
    closing = re.compile(rf"(?<!`){run}(?!`)|\n[ \t]*\n")
    end = closing.search(source, match.end())
    return end.end() if end and end[0] == run else match.end()


def _environment_end(source: str, match: re.Match[str]) -> int | None:
    name = re.escape(match["environment"])
    depth = 1
    for step in re.compile(rf"\\(begin|end)\{{{name}\}}").finditer(source, match.end()):
        depth += 1 if step[1] == "begin" else -1
        if depth == 0:
            return step.end()
    return None
