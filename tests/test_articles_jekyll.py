"""Articles, built by the real Jekyll, against what the notebooks say."""

import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from nasty_notebooks import COLLECTION, HOSTILE, write_linked_files
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nn_helpers.articles import JekyllExporter

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "tests" / "site"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LIQUID = ["{{", "}}", "{%", "%}", "{% raw %}", "{% endraw %}", "{:/}", "`", "\n", "|", "$", "\\"]

pytestmark = pytest.mark.skipif(not shutil.which("jekyll"), reason="Jekyll is not installed")


def export(path, folder, **settings):
    """Write an article as nbconvert's own writer does."""
    from nbconvert.writers import FilesWriter

    resources = {"unique_key": path.stem}
    body, resources = JekyllExporter(**settings).from_filename(str(path), resources=resources)
    FilesWriter(build_directory=str(folder)).write(body, resources, notebook_name=path.stem)


def build(source, target):
    shutil.copytree(SITE, source, dirs_exist_ok=True)
    command = ["jekyll", "build", "--quiet", "-s", source, "-d", target]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    return target


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nasty")
    write_linked_files(folder)
    for name, case in COLLECTION.items():
        nbformat.write(case.notebook(), folder / f"{name}.ipynb")
        export(folder / f"{name}.ipynb", folder / "source")
    return build(folder / "source", folder / "site")


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ours")
    shutil.copytree(ROOT / "assets" / "articles", folder / "source" / "assets" / "articles")
    shutil.copytree(ROOT / "assets" / "images", folder / "source" / "assets" / "images")
    return build(folder / "source", folder / "site")


def main_of(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").main


def squeezed(text):
    return " ".join(text.split())


def check_code_and_images(main, cells, site):
    blocks = [block.get_text().rstrip("\n") for block in main.find_all("pre")]
    for cell in cells:
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type == "code" and not tags & {"remove-cell", "remove-input"}:
            assert cell.source.strip("\n").rstrip() in blocks
    for image in main.find_all("img"):
        assert image["alt"]
        address = image.get("src", "https://")  # a program sets it
        if address.startswith("https://"):
            continue
        assert address.startswith("/blog/assets/images/")
        assert (site / address.removeprefix("/blog/")).is_file()


@pytest.mark.parametrize("name", COLLECTION)
def test_nothing_of_a_nasty_notebook_is_lost(nasty, name):
    case = COLLECTION[name]
    main = main_of(nasty / f"{name}.html")
    said = squeezed(main.get_text())
    for text in case.texts:
        assert squeezed(text) in said
    for text in case.absent:
        assert text not in main.decode()
    for text in case.markup:
        assert text in main.decode(formatter=None)
    for tex in case.formulas:
        assert re.search(rf"\\[(\[]\s*{re.escape(tex.strip())}\s*\\[)\]]", main.get_text()), tex
    for selector, count in case.selectors.items():
        assert len(main.select(selector)) == count, selector
    check_code_and_images(main, case.cells, nasty)
    assert said.endswith("The end.")
    assert main.find_all("p")[-1].parent == main


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_our_notebooks_come_out_complete(ours, path):
    main = main_of(ours / "assets" / "articles" / f"{path.stem}.html")
    cells = nbformat.read(path, as_version=4).cells
    check_code_and_images(main, cells, ours)
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    bundles = [output.get("data", {}) for output in outputs]
    assert len(main.find_all("img")) == sum("image/png" in bundle for bundle in bundles)
    tables = [BeautifulSoup(b["text/html"], "html.parser") for b in bundles if "text/html" in b]
    wanted = [[c.get_text() for c in table.find_all(["td", "th"])] for table in tables]
    found = [[c.get_text() for c in t.find_all(["td", "th"])] for t in main.select(".dataframe")]
    assert found == [cells for cells in wanted if cells]
    prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
    assert main.get_text().count("\\[") == sum(source.count("$$") for source in prose) // 2
    for link in main.find_all("a", href=re.compile(r"^/blog/.*\.html")):
        assert (ours / link["href"].partition("#")[0].removeprefix("/blog/")).is_file()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_committed_articles_are_those_of_the_notebooks(path, tmp_path):
    export(path, tmp_path)
    article = ROOT / "assets" / "articles" / f"{path.stem}.md"
    assert article.read_bytes() == (tmp_path / f"{path.stem}.md").read_bytes(), "make articles"
    images = Path("assets", "images", f"{path.stem}_files")
    made = {file.name: file.read_bytes() for file in (tmp_path / images).iterdir()}
    assert {f.name: f.read_bytes() for f in (ROOT / images).iterdir()} == made, "make articles"


def test_any_text_survives_liquid_and_kramdown(tmp_path):
    texts = []
    pieces = st.lists(st.sampled_from(LIQUID) | st.text(max_size=4), max_size=12)

    @given(pieces.map("".join))
    def collect(text):
        texts.append("".join(c for c in text if c.isprintable() or c == "\n"))

    collect()
    for number, text in enumerate(texts):
        output = new_output("stream", text=f"<{text}>")
        cells = [new_markdown_cell("# T"), new_code_cell(f"[{text}]", outputs=[output])]
        path = tmp_path / f"t{number}.ipynb"
        nbformat.write(new_notebook(cells=cells), path)
        export(path, tmp_path / "source")
    site = build(tmp_path / "source", tmp_path / "site")
    for number, text in enumerate(texts):
        blocks = [b.get_text() for b in main_of(site / f"t{number}.html").find_all("pre")]
        assert blocks == [f"[{text}]\n", f"<{text}>\n"]


def test_a_hostile_notebook_runs_nothing_when_sanitised(tmp_path):
    nbformat.write(HOSTILE.notebook(), tmp_path / "hostile.ipynb")
    export(tmp_path / "hostile.ipynb", tmp_path / "source", sanitize=True)
    site = build(tmp_path / "source", tmp_path / "site")
    main = main_of(site / "hostile.html")
    assert "kept" in main.get_text()
    assert "\\(x < y\\)" in main.get_text()
    assert "\\(\\href" not in main.get_text()
    assert main.find_all(["script", "iframe", "object", "svg"]) == []
    for tag in main.find_all(True):
        assert not [name for name in tag.attrs if name.startswith("on")]
        assert not str(tag.get("href", "")).lower().startswith("javascript")
    [image] = (tmp_path / "source" / "assets" / "images" / "hostile_files").iterdir()
    assert "circle" in image.read_text()
    assert "run(" not in image.read_text()
    assert "<img" not in (tmp_path / "source" / "hostile.md").read_text().split("---")[1]
