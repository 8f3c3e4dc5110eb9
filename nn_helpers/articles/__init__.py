"""Code as a reader sees it, and notebooks as articles of a Jekyll site.

``show_source`` stands in notebooks, so this module loads nothing heavy: nbconvert comes with the
exporter, when ``jupyter nbconvert --to jekyll`` asks for it.
"""

from typing import Any

from nn_helpers.articles._source import show_source

__all__ = ["ArticleError", "JekyllExporter", "show_source"]


def __getattr__(name: str) -> Any:
    if name in {"ArticleError", "JekyllExporter"}:
        from nn_helpers.articles import _exporter

        return getattr(_exporter, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
