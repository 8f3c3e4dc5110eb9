import ast
import functools
import inspect
from pathlib import Path
from textwrap import dedent

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook

from nn_helpers import preprocessing
from nn_helpers.articles import show_source


def plain(x):
    return x + 1  # kept


def documented(x):
    """Add one.

    In two paragraphs.
    """

    # kept
    return x + 1


def with_fence():
    return "````"


def only_docstring():
    """Nothing else."""


def on_one_line(): """Nothing."""  # fmt: skip


class Counter:
    """Counts."""

    start = 0

    def next(self):
        """Count."""
        self.start += 1
        return self.start


@functools.lru_cache
def decorated():
    """Wrapped."""
    return 1


def test_the_source_is_the_functions_own():
    shown = show_source(plain)
    source = "def plain(x):\n    return x + 1  # kept"
    assert repr(shown) == source
    assert shown._repr_markdown_() == f"```python\n{source}\n```"


def test_a_method_is_dedented():
    assert repr(show_source(Counter.next)).startswith("def next(self):\n    ")


def test_several_stand_in_one_block_as_in_a_module():
    assert repr(show_source(plain, with_fence)) == (
        'def plain(x):\n    return x + 1  # kept\n\n\ndef with_fence():\n    return "````"'
    )


def test_a_decorator_is_shown():
    assert repr(show_source(decorated)).startswith("@functools.lru_cache\ndef decorated()")


def test_backticks_in_the_source_do_not_end_the_block():
    markdown = show_source(with_fence)._repr_markdown_()
    assert markdown.startswith("`````python\n")
    assert markdown.endswith("\n`````")


def test_without_docstring_the_other_lines_stay():
    assert repr(show_source(documented, docstring=False)) == (
        "def documented(x):\n    # kept\n    return x + 1"
    )
    assert repr(show_source(Counter, docstring=False)) == (
        "class Counter:\n    start = 0\n\n    def next(self):\n"
        "        self.start += 1\n        return self.start"
    )
    assert repr(show_source(plain, docstring=False)) == repr(show_source(plain))


def test_a_function_of_a_docstring_alone_stays_python():
    assert repr(show_source(only_docstring, docstring=False)) == "def only_docstring():\n    ..."
    assert ast.parse(repr(show_source(on_one_line, docstring=False)))


@pytest.mark.parametrize(
    "function",
    [f for _, f in inspect.getmembers(preprocessing, inspect.isfunction)],
    ids=lambda f: f.__name__,
)
def test_without_docstrings_the_program_is_the_same(function):
    shown = ast.parse(repr(show_source(function, docstring=False)))
    whole = ast.parse(dedent(inspect.getsource(function)))
    assert ast.get_docstring(shown.body[0]) is None
    if ast.get_docstring(whole.body[0]) is not None:
        del whole.body[0].body[0]
    assert ast.unparse(shown) == ast.unparse(whole)


@pytest.mark.parametrize("value", [len, 3, None, "text", Counter(), eval("lambda: 1")])
def test_what_has_no_source_is_refused(value):
    with pytest.raises(TypeError, match=r"^show_source needs a function or class .*, got "):
        show_source(plain, value)


def test_html_shows_it_highlighted():
    code = (
        "from nn_helpers import articles\n"
        "articles.show_source(articles.show_source, docstring=False)"
    )
    notebook = new_notebook(cells=[new_code_cell(code)])
    NotebookClient(notebook, kernel_name="python3").execute()
    output = notebook.cells[0].outputs[0]
    assert output.data["text/plain"] == repr(show_source(show_source, docstring=False))

    html, _ = HTMLExporter().from_notebook_node(notebook)
    block = html[html.index("jp-RenderedMarkdown") :]
    assert '<div class="highlight"><pre>' in block
    assert '<span class="k">def</span>' in block
    assert '<span class="nf">show_source</span>' in block


def test_html_of_the_classic_template_has_the_words_for_our_figures():
    path = Path(__file__).resolve().parents[1] / "notebooks" / "04_keras_mlp.ipynb"
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    titles = [output.metadata["image/png"]["alt"] for output in outputs if _is_figure(output)]
    html, _ = HTMLExporter(template_name="classic").from_filename(str(path))
    images = BeautifulSoup(html, "html.parser").find_all("img")
    assert [image["alt"] for image in images] == titles
    assert all(titles)


def _is_figure(output):
    return "image/png" in output.get("data", {})
