"""`jupyter nbconvert --to jekyll`: what it refuses, what it writes, and where."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from nasty_notebooks import COLLECTION, PIXEL
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nn_helpers.articles import ArticleError, JekyllExporter


def convert(*cells, folder, name="page", metadata=None):
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=list(cells), metadata=metadata or {}), path)
    return JekyllExporter().from_filename(str(path))


def nbconvert(*arguments):
    command = [sys.executable, "-m", "nbconvert", "--to", "jekyll", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}


def test_the_command_writes_the_article_or_one_sentence(tmp_path):
    path, site = tmp_path / "a page.ipynb", tmp_path / "site"
    output = new_output("display_data", {"image/png": PIXEL})
    good = new_notebook(cells=[new_code_cell("x", outputs=[output])])
    nbformat.write(good, path)
    assert nbconvert("--sanitize", "--output-dir", site, path).returncode == 0
    before = files(site)
    images = Path("assets/images/a page_files")
    assert sorted(before) == [Path("a page.md"), images / "a-page_0_0.png"]
    assert b"/assets/images/a%20page_files/a-page_0_0.png" in before[Path("a page.md")]

    good.cells.append(new_markdown_cell("![gone](gone.png)"))
    nbformat.write(good, path)
    answer = nbconvert("--output-dir", site, path)
    assert answer.returncode == 1
    *_, sentence = answer.stderr.strip().splitlines()
    assert "a page.ipynb, cell 2: image 'gone.png' is missing" in sentence
    assert "Traceback" not in answer.stderr
    assert files(site) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "page.ipynb is no notebook: not JSON"),
        ("[]", "page.ipynb is no notebook: it does not say its nbformat"),
        ('{"nbformat": 3, "worksheets": []}', "page.ipynb has notebook format 3, open and save"),
        ('{"nbformat": 4}', "page.ipynb is no notebook: it has no list of cells"),
        ('{"nbformat": 4, "cells": [{}]}', "page.ipynb, cell 1: it has no cell_type"),
    ],
)
def test_what_is_no_notebook_is_refused(tmp_path, content, message):
    path = tmp_path / "page.ipynb"
    path.write_text(content)
    with pytest.raises(ArticleError) as caught:
        JekyllExporter().from_filename(str(path))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (new_markdown_cell("![a](attachment:b.png)"), "attachment 'b.png' is missing"),
        (new_markdown_cell("![a](/etc/../x.png) ![a](page.ipynb)"), "is no PNG"),
        (new_markdown_cell("<img src='../../nothing.png'>"), "is missing"),
        (
            new_code_cell("", outputs=[new_output("display_data", {"image/png": "?"})]),
            "output 1, image/png, is not valid base64",
        ),
    ],
)
def test_an_image_that_cannot_be_shown_is_refused_by_cell(tmp_path, cell, message):
    with pytest.raises(ArticleError, match=r"^page\.ipynb, cell 2: ") as caught:
        convert(new_markdown_cell("first"), cell, folder=tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["../../x.png", "..\\x.png", "/etc/x", ".", "_x.md", "a/b.html"])
def test_no_attachment_leaves_the_folder_of_images(tmp_path, name):
    cell = new_markdown_cell(f"![a](<attachment:{name}>)")
    cell.attachments = {name: {"image/png": PIXEL}}
    _, resources = convert(cell, folder=tmp_path)
    [path] = resources["outputs"]
    assert Path(path).parent == Path("assets/images/page_files")
    assert path.endswith(".png")
    assert not Path(path).name.startswith(("_", "."))


@pytest.mark.parametrize("name", sorted(set(COLLECTION) - {"linked_files"}))
def test_the_same_notebook_gives_the_same_bytes(name):
    notebook = COLLECTION[name].notebook()
    first, second = (JekyllExporter().from_notebook_node(notebook) for _ in range(2))
    assert first[0] == second[0]
    assert first[1]["outputs"] == second[1]["outputs"]


@given(st.text(min_size=1), st.dictionaries(st.text(min_size=1), st.text() | st.integers()))
def test_front_matter_is_valid_for_any_title_and_keys(title, extra):
    extra = {k: v for k, v in extra.items() if k not in {"title", "previous", "next", "date"}}
    cleaned = json.loads(json.dumps(extra | {"title": title}))
    notebook = new_notebook(metadata={"article": cleaned})
    body, _ = JekyllExporter().from_notebook_node(notebook)
    _, front, _ = body.split("---\n", 2) if body.count("\n---\n") else ("", "", "")
    page = yaml.safe_load(front)
    assert page["layout"] == extra.get("layout", "article")
    printable = "".join(c for c in title if ord(c) >= 32 or c in "\t\n")
    if printable == title and "\x7f" not in title:
        assert page["title"] == title


def test_the_neighbours_follow_from_the_numbers_or_from_the_metadata(tmp_path):
    for name in ("01_a", "02_b", "10_c"):
        nbformat.write(new_notebook(), tmp_path / f"{name}.ipynb")
    body, _ = convert(folder=tmp_path, name="02_b")
    assert body.index("'01_a.md'") < body.index("'10_c.md'")
    body, _ = convert(folder=tmp_path, name="10_c")
    assert "'02_b.md'" in body
    assert "next" not in body
    body, _ = convert(folder=tmp_path, name="02_b", metadata={"article": {"previous": False}})
    assert "01_a" not in body
    with pytest.raises(ArticleError, match=r"^page\.ipynb: metadata article: next must name"):
        convert(folder=tmp_path, metadata={"article": {"next": 3}})


def test_show_source_loads_no_nbconvert():
    program = "import sys, nn_helpers.articles; sys.exit('nbconvert' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
