"""What happens to a notebook's cells before the template lays them out."""

from pathlib import Path
from typing import Any

from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from traitlets import Bool

from nn_helpers.articles import _kramdown, _sanitize
from nn_helpers.articles._errors import ArticleError
from nn_helpers.articles._front_matter import front_matter
from nn_helpers.articles._images import FOLDER, ImageError, Images
from nn_helpers.articles._links import neighbours, sequence
from nn_helpers.articles._liquid import without_controls
from nn_helpers.articles._page import Page
from nn_helpers.articles._terminal import plain

_WIDGET = "application/vnd.jupyter.widget-view+json"
_IMAGES = ["image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"]
_SHOWN = ["text/html", "text/markdown", *_IMAGES[:1], "text/latex", *_IMAGES[1:], "text/plain"]
_LANGUAGES = {"ipython": "python", "ipython3": "python", "python3": "python", "html": "html"}


class ArticlePreprocessor(Preprocessor):
    """Turns the cells into blocks of an article, each of which the template prints as it is.

    Markdown cells and outputs become Markdown that kramdown reads, images become files under
    ``resources["outputs"]``, and ``resources`` get the article's front matter and foot.
    """

    sanitize = Bool(False, help="Leave nothing that runs in a browser.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Convert all cells; nothing is written yet, so an error leaves no traces."""
        name = resources["article_name"]
        file = f"{resources['metadata'].get('name') or name}.ipynb"
        folder = Path(resources["metadata"].get("path") or ".")
        without_controls(nb)
        article = nb.metadata.get("article", {})
        if not isinstance(article, dict):
            raise ArticleError(f"{file}: metadata article must be a mapping, got {article!r}")
        page = self._page(nb, name, folder, article, resources["outputs"])
        for cell in nb.cells:
            try:
                self._convert(cell, page)
            except ImageError as error:
                raise ArticleError(f"{file}, cell {cell.metadata['number']}: {error}") from error
        try:
            before, after = neighbours(Path(file).stem, folder, article)
        except ValueError as error:
            raise ArticleError(f"{file}: {error}") from None
        self._lay_out(nb, page, name, article, resources)
        resources["sequence"] = _kramdown.html(sequence(before, after))
        return nb, resources

    def _page(
        self, nb: NotebookNode, name: str, folder: Path, article: dict, outputs: dict
    ) -> Page:
        sanitizer = _sanitize.Sanitizer(parent=self) if self.sanitize else None
        images = Images(name, outputs, folder, _sanitize.svg if self.sanitize else None)
        title = article.get("title", nb.metadata.get("title"))
        return Page(images, None if title is None else str(title), sanitizer)

    def _lay_out(
        self, nb: NotebookNode, page: Page, name: str, article: dict, resources: Any
    ) -> None:
        title = page.title if page.title is not None else name
        if self.sanitize:
            title, article = _sanitize.text(title), _sanitize.text(article)
        resources["front_matter"] = front_matter(title, article, page.mathjax)
        resources["language"] = _language(nb.metadata)
        resources["output_files_dir"] = f"{FOLDER}/{name}_files"

    def _convert(self, cell: NotebookNode, page: Page) -> None:
        number = cell.metadata["number"]
        if cell.cell_type == "markdown":
            cell.source = page.markdown(cell.source, cell, number)
        elif cell.cell_type == "raw":
            cell.source = self._raw(cell, page, number)
        elif cell.cell_type == "code":
            cell.source = cell.source.strip("\n").rstrip()
            blocks = [
                self._output(output, cell, page, index)
                for index, output in enumerate(cell.get("outputs", []))
            ]
            cell.outputs = [_block_output(block) for block in blocks if block]

    def _raw(self, cell: NotebookNode, page: Page, number: int) -> str:
        """Convert a raw cell that is meant for a page like this, and drop any other."""
        mime = cell.metadata.get("raw_mimetype", cell.metadata.get("format", ""))
        cell.metadata["raw_mimetype"] = ""
        if mime == "text/html":
            return page.html(cell.source, cell, number)
        return page.markdown(cell.source, cell, number) if mime in {"", "text/markdown"} else ""

    def _output(self, output: Any, cell: NotebookNode, page: Page, index: int) -> str:
        if output.output_type == "stream":
            return _text(output.text, "output") if output.name != "stderr" else ""
        if output.output_type == "error":
            lines = output.get("traceback") or [f"{output.get('ename')}: {output.get('evalue')}"]
            return _text("\n".join(lines), "output", "error")
        return self._display(output, cell, page, index)

    def _display(self, output: Any, cell: NotebookNode, page: Page, index: int) -> str:
        """Convert the richest of what an output offers; of a widget only what needs no kernel."""
        offered = {mime for mime in output.data if isinstance(output.data[mime], str)}
        if _WIDGET in output.data:
            offered.discard("text/plain")
        mime = next((mime for mime in _SHOWN if mime in offered), None)
        if mime is None:
            return ""
        number, data = cell.metadata["number"], output.data[mime]
        if mime in _IMAGES:
            return page.image(mime, output, cell, number, index)
        if mime == "text/plain":
            return _text(data, "output")
        convert = {"text/html": page.html, "text/latex": page.latex, "text/markdown": page.markdown}
        return convert[mime](data, cell, number)


def _text(text: str, *classes: str) -> str:
    text = plain(text).strip("\n").rstrip()
    return _kramdown.fence(text, "text", *classes) if text else ""


def _block_output(block: str) -> NotebookNode:
    data = NotebookNode({"text/markdown": block})
    return NotebookNode(output_type="display_data", data=data, metadata=NotebookNode())


def _language(metadata: Any) -> str:
    """Return the name of the notebook's language as a highlighter knows it."""
    kernel = metadata.get("kernelspec", {})
    name = metadata.get("language_info", {}).get("name") or kernel.get("language") or "python"
    name = str(name).lower().replace(" ", "")
    return "cpp" if name.startswith("c++") else _LANGUAGES.get(name, name)
