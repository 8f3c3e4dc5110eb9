"""The front matter of an article, in YAML that Ruby and Python read alike."""

import datetime
import json
import re
from typing import Any

import yaml

_DEFAULTS = {"layout": "article"}
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:[ ./-]+[A-Za-z0-9_]+)*")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf", "infinity"}
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_CONTROLS = ("previous", "next")  # of the sequence, not of the page


class _Dumper(yaml.SafeDumper):
    """Quotes every string that some YAML reader takes for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)


def _string(dumper: _Dumper, text: str) -> yaml.Node:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _string)


def front_matter(title: str, metadata: dict[str, Any], mathjax: bool) -> str:
    """Write the front matter between its lines of hyphens.

    Parameters
    ----------
    title : str
        Any text.
    metadata : dict
        What the notebook says under ``article``; it has the last word on every key.
    mathjax : bool
        Whether the article contains mathematics.
    """
    page: dict[str, Any] = _DEFAULTS | {"title": title}
    if mathjax:
        page["mathjax"] = True
    page |= {key: _value(key, item) for key, item in metadata.items() if key not in _CONTROLS}
    text = yaml.dump(page, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=float("inf"))
    return f"---\n{text}---\n"


def _value(key: str, item: Any) -> Any:
    """Turn what a notebook holds into plain values; a date, which JSON lacks, into a date."""
    if key == "date" and isinstance(item, str) and _DATE.fullmatch(item):
        try:
            return datetime.date.fromisoformat(item)
        except ValueError:
            return item
    return json.loads(json.dumps(item))
