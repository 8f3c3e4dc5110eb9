"""The exporter behind ``jupyter nbconvert --to jekyll``."""

import copy
import sys
from pathlib import Path, PurePath
from typing import Any

from nbconvert.exporters import TemplateExporter
from nbformat import NotebookNode
from traitlets import Bool, default
from traitlets.config import Config

from nn_helpers.articles import _kramdown
from nn_helpers.articles._errors import ArticleError, OneSentence
from nn_helpers.articles._liquid import verbatim
from nn_helpers.articles._notebook import read
from nn_helpers.articles._preprocessor import ArticlePreprocessor

__all__ = ["ArticleError", "JekyllExporter"]

_TEMPLATES = Path(__file__).parent / "templates"
_SANITIZE = "Run nothing in the reader's browser, whoever wrote the notebook (Jekyll articles)."


class JekyllExporter(TemplateExporter):
    """Turns a notebook into an article of a Jekyll site: ``NAME.md`` and its images.

    Tags and metadata steer it: cells tagged ``remove-cell``, ``remove-input`` or ``remove-output``
    are hidden, wholly or in part; a cell's ``alt`` describes its figures; the notebook's
    ``article`` becomes front matter.

    Raises
    ------
    ArticleError
        If the notebook is broken: not JSON, of an old format, or without an image that it shows.
    """

    export_from_notebook = "Jekyll article"
    output_mimetype = "text/markdown"

    sanitize = Bool(False, help=_SANITIZE).tag(config=True)

    def __init__(self, config: Config | None = None, **settings: Any):
        super().__init__(config=config, **settings)
        _offer_flag()
        logger = getattr(self.log, "logger", self.log)  # an adapter has no filters of its own
        if not any(isinstance(known, OneSentence) for known in logger.filters):
            logger.addFilter(OneSentence())

    @default("sanitize")
    def _sanitize_as_html(self) -> bool:
        return self.config.HTMLExporter.get("sanitize_html", False) is True

    @default("file_extension")
    def _markdown_extension(self) -> str:
        return ".md"

    @default("template_name")
    def _own_template(self) -> str:
        return "jekyll"

    @default("extra_template_basedirs")
    def _own_templates_first(self) -> list[str]:
        return [str(_TEMPLATES), str(Path.cwd())]

    @property
    def default_config(self) -> Config:
        own = Config(
            {
                "TagRemovePreprocessor": {
                    "enabled": True,
                    "remove_cell_tags": {"remove-cell"},
                    "remove_input_tags": {"remove-input"},
                    "remove_all_outputs_tags": {"remove-output"},
                },
                "HighlightMagicsPreprocessor": {"enabled": True},
            }
        )
        inherited = super().default_config.copy()
        inherited.merge(own)
        return inherited

    def default_filters(self) -> Any:
        yield from super().default_filters()
        yield "verbatim", verbatim
        yield "fence", _kramdown.fence

    def _init_preprocessors(self) -> None:
        super()._init_preprocessors()
        own = ArticlePreprocessor(parent=self, sanitize=self.sanitize)
        self.register_preprocessor(own, enabled=True)

    def from_file(self, file_stream: Any, resources: Any = None, **settings: Any) -> tuple:
        """Convert a notebook from a stream of text."""
        name = ((resources or {}).get("metadata") or {}).get("name") or "notebook"
        notebook = read(file_stream, f"{name}.ipynb")
        return self.from_notebook_node(notebook, resources=resources, **settings)

    def from_notebook_node(
        self, nb: NotebookNode, resources: Any = None, **settings: Any
    ) -> tuple[str, Any]:
        """Convert a notebook that is loaded already."""
        nb = copy.deepcopy(nb)
        for number, cell in enumerate(nb.cells, start=1):
            cell.metadata["number"] = number
        return super().from_notebook_node(nb, resources, **settings)

    def _init_resources(self, resources: Any) -> Any:
        resources = super()._init_resources(resources)
        key = resources.get("unique_key") or resources["metadata"].get("name") or "notebook"
        resources["article_name"] = PurePath(key).name
        resources["outputs"] = {}
        return resources


def _offer_flag() -> None:
    """Let the command line know ``--sanitize``: nbconvert loads exporters before it reads it."""
    application = sys.modules.get("nbconvert.nbconvertapp")
    flags = getattr(application, "nbconvert_flags", {})
    flags.setdefault("sanitize", ({"JekyllExporter": {"sanitize": True}}, _SANITIZE))
