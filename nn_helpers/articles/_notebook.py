"""Reading a notebook file, or saying in one sentence why that cannot be done."""

import json
from typing import Any

import nbformat
from nbformat import NotebookNode

from nn_helpers.articles._errors import ArticleError

_VERSION = 4


def read(stream: Any, file: str) -> NotebookNode:
    """Read a notebook of format 4 from a stream of text.

    Raises
    ------
    ArticleError
        If it is no notebook, or one of another format; the message names `file`.
    """
    try:
        text = stream.read()
        content = json.loads(text)
    except UnicodeDecodeError as error:
        raise ArticleError(f"{file} is no notebook: not UTF-8 ({error.reason})") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise ArticleError(f"{file} is no notebook: not JSON ({error})") from None
    if not isinstance(content, dict) or not isinstance(content.get("nbformat"), int):
        raise ArticleError(f"{file} is no notebook: it does not say its nbformat")
    if content["nbformat"] != _VERSION:
        raise ArticleError(
            f"{file} has notebook format {content['nbformat']}, open and save it in Jupyter"
            f" to make it {_VERSION}"
        )
    _check(content, file)
    return nbformat.reads(text, as_version=_VERSION)


def _check(content: dict[str, Any], file: str) -> None:
    if not isinstance(content.get("cells"), list):
        raise ArticleError(f"{file} is no notebook: it has no list of cells")
    if not isinstance(content.setdefault("metadata", {}), dict):
        raise ArticleError(f"{file} is no notebook: its metadata are no mapping")
    for number, cell in enumerate(content["cells"], start=1):
        if fault := _fault(cell):
            raise ArticleError(f"{file}, cell {number}: {fault}")


def _fault(cell: Any) -> str | None:
    if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
        return "it has no cell_type"
    if not _is_text(cell.get("source")):
        return "its source is no text"
    if not isinstance(cell.get("metadata", {}), dict):
        return "its metadata are no mapping"
    if cell["cell_type"] != "code":
        return None
    outputs = cell.get("outputs", [])
    if not isinstance(outputs, list):
        return "its outputs are no list"
    faults = (_output_fault(output) for output in outputs)
    return next(filter(None, faults), None)


def _output_fault(output: Any) -> str | None:
    kind = output.get("output_type") if isinstance(output, dict) else None
    if kind == "stream":
        return None if _is_text(output.get("text")) else "an output's text is no text"
    if kind in {"display_data", "execute_result"}:
        return None if isinstance(output.get("data"), dict) else "an output has no data"
    return None if kind == "error" else f"an output has the unknown type {kind!r}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(line, str) for line in value)
    )
