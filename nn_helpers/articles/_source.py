"""Code as a reader sees it: the source of what the notebook calls, never a copy of it."""

import ast
import inspect
import re
from textwrap import dedent
from typing import Any


class _Source:
    """Source code that a notebook renders highlighted and a terminal prints plain."""

    def __init__(self, text: str):
        self._text = text

    def __repr__(self) -> str:
        return self._text

    def _repr_markdown_(self) -> str:
        longest = max(map(len, re.findall("`+", self._text)), default=0)
        fence = "`" * max(3, longest + 1)
        return f"{fence}python\n{self._text}\n{fence}"


def _source_of(item: Any) -> str:
    try:
        return dedent(inspect.getsource(item)).rstrip()
    except (TypeError, OSError):
        raise TypeError(
            f"show_source needs a function or class that is written in Python, got {item!r}"
        ) from None


def _without_docstrings(source: str) -> str:
    """Cut the docstrings out, also those of a class' methods; every other line stays as it is."""
    lines = source.splitlines()
    documented = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and ast.get_docstring(node) is not None
    ]
    for node in sorted(documented, key=lambda node: node.lineno, reverse=True):
        docstring = node.body[0]
        first, last = docstring.lineno - 1, docstring.end_lineno
        shares_line = lines[first][: docstring.col_offset].strip() or any(
            statement.lineno == last for statement in node.body[1:]
        )
        if shares_line:
            continue
        rest = [] if len(node.body) > 1 else [" " * docstring.col_offset + "..."]
        while last < len(lines) and not rest and not lines[last].strip():
            last += 1
        lines[first:last] = rest
    return "\n".join(lines)


def show_source(obj: Any, *more: Any, docstring: bool = True) -> _Source:
    """Show the source of functions or classes, as the last expression of a notebook's cell.

    Parameters
    ----------
    obj, *more : function or class
        Shown in this order, in one block.
    docstring : bool
        With ``False`` docstrings are left out, for a page that explains in prose.

    Returns
    -------
    object
        A notebook renders it as highlighted code; its ``repr`` is the plain source.

    Raises
    ------
    TypeError
        If one has no Python source: a built-in, or a value instead of a function.
    """
    sources = [_source_of(item) for item in (obj, *more)]
    if not docstring:
        sources = [_without_docstrings(source) for source in sources]
    return _Source("\n\n\n".join(sources))
