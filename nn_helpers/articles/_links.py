"""From one article to another, wherever the site keeps them."""

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote, unquote

from nn_helpers.articles._liquid import expression

_NUMBERED = re.compile(r"(\d+)[ _.-].*\.ipynb\Z")
_QUOTABLE = re.compile(r"[\w .()+-]+")


def notebook_name(address: str) -> str | None:
    """Return the name of the notebook that a relative address leads to, or ``None``."""
    name = re.split(r"[/\\]", unquote(address.partition("?")[0]))[-1]
    return name.removesuffix(".ipynb") if name.endswith(".ipynb") and name != ".ipynb" else None


def article_address(name: str) -> str:
    """Return the address of another notebook's article.

    Only the site knows it, by its permalinks, so Liquid looks for the page; a page that is not
    there is taken to lie beside this one.
    """
    beside = f"{quote(name)}.html"
    if not _QUOTABLE.fullmatch(name):
        return beside
    page = f"site.pages | where: 'name', '{name}.md' | map: 'url' | first | relative_url"
    return expression(f"{{{{ {page} | default: '{beside}' }}}}")


def neighbours(name: str, folder: Path, metadata: dict) -> tuple[str | None, str | None]:
    """Return the names of the notebooks before and after this one.

    What `metadata` says under ``previous`` and ``next`` has the first word, ``false`` for none.
    Else they follow from the numbers with which the notebooks of a folder begin.
    """
    found = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    before, after = _around(f"{name}.ipynb", found)
    return _said(metadata, "previous", before), _said(metadata, "next", after)


def _around(own: str, names: Iterable[str]) -> tuple[str | None, str | None]:
    if not _NUMBERED.match(own):
        return None, None
    candidates = {own, *filter(_NUMBERED.match, names)}
    numbered = sorted(candidates, key=lambda name: (int(_NUMBERED.match(name)[1]), name))
    place = numbered.index(own)
    before = numbered[place - 1] if place else None
    return before, (numbered[place + 1] if place + 1 < len(numbered) else None)


def _said(metadata: dict, key: str, found: str | None) -> str | None:
    said = metadata.get(key, found)
    if not said:
        return None
    if not isinstance(said, str) or not (name := notebook_name(said)):
        raise ValueError(f"metadata article: {key} must name a notebook or be false, got {said!r}")
    return name


def sequence(before: str | None, after: str | None) -> str:
    """Write the foot of an article: links to its neighbours, as far as the site has them."""
    links = [
        _link(rel, label, name)
        for rel, label, name in (("prev", "Previous", before), ("next", "Next", after))
        if name and _QUOTABLE.fullmatch(name)
    ]
    if not links:
        return ""
    return "\n".join(['<nav class="article-sequence" aria-label="Articles">', *links, "</nav>"])


def _link(rel: str, label: str, name: str) -> str:
    found = expression(
        f"{{% assign page_{rel} = site.pages | where: 'name', '{name}.md' | first %}}"
    )
    start = expression(f"{{% if page_{rel} %}}")
    address = expression(f"{{{{ page_{rel}.url | relative_url }}}}")
    title = expression(f"{{{{ page_{rel}.title | escape_once }}}}")
    end = expression("{% endif %}")
    return f'{found}{start}<a rel="{rel}" href="{address}">{label}: {title}</a>{end}'
