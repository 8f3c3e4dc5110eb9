"""Text that Liquid leaves as it is, and the few Liquid expressions of our own.

Liquid reads a page before kramdown does, and takes every ``{{`` and ``{%`` for its own, in code and
formulas too. ``raw`` blocks are no way out, since a text may contain ``endraw``. But a brace that
Liquid itself prints is never read again, so each brace that could begin a tag is printed by one.
"""

import re
from typing import Any

_OPENING = re.compile(r"\{(?=[{%])")
_OURS = re.compile("\x02(.*?)\x03", re.DOTALL)
_CONTROLS = re.compile(r"[\x00-\x06\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")

BASE_URL = "\x02{{ site.baseurl }}\x03"


def expression(liquid: str) -> str:
    """Mark `liquid` as ours, to be run where everything around it is only text."""
    return f"\x02{liquid}\x03"


def verbatim(text: str) -> str:
    """Write a page's text so that Liquid gives it back, and runs what `expression` marked."""
    pieces = _OURS.split(text)
    pieces[::2] = [_OPENING.sub('{{ "{" }}', piece) for piece in pieces[::2]]
    return "".join(pieces)


def without_controls(value: Any) -> Any:
    """Take control characters, which no page may contain, out of every string in `value`.

    Escape, bell and backspace stay for those who know what a terminal makes of them.
    """
    if isinstance(value, str):
        return _CONTROLS.sub("", value)
    if isinstance(value, dict):
        for key in value:
            value[key] = without_controls(value[key])
    elif isinstance(value, list):
        value[:] = [without_controls(item) for item in value]
    return value
