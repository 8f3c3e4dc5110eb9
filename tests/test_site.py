"""The articles of `make site` and the notebooks of `make lab`, in a real browser."""

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from jupyter_lab import listens, make_lab
from nasty_notebooks import COLLECTION
from nbconvert.writers import FilesWriter
from playwright.sync_api import sync_playwright

from nn_helpers.articles import JekyllExporter
from nn_helpers.runs import RUN_VARIABLE

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NASTY = ["details", "alignment", "dollars", "formulas_in_structures", "book_of_formulas"]
ARTICLES = [*(path.stem for path in NOTEBOOKS), *NASTY]
PAGES = ["", *(f"assets/articles/{name}.html" for name in ARTICLES)]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update"]
TYPESET = """() => new Promise(done => {
  const ask = () => window.MathJax?.isReady ? MathJax.Hub.Queue(done) : setTimeout(ask, 20);
  document.querySelector("script[src*=MathJax]") ? ask() : done();
})"""
PICTURE = ROOT / "assets" / "overview.png"
FORMULAS = "window.MathJax ? MathJax.Hub.getAllJax().length : 0"
PROSE = """() => {
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!parent.closest("code, pre, script, style") && parent.checkVisibility())
      texts.push(walker.currentNode.data);
  }
  return texts.join("\\n");
}"""
BROKEN_IMAGES = "() => [...document.images].filter(i => !i.naturalWidth || !i.alt).map(i => i.src)"
SCROLLS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
LEVELS = "() => [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(h => +h.tagName[1])"


def load_site_script():
    specification = importlib.util.spec_from_file_location("site_script", ROOT / ".ci" / "site.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


SITE = load_site_script()
needs_jekyll = pytest.mark.skipif(
    not (shutil.which("jekyll") and SITE.MATHJAX.is_dir()),
    reason="Jekyll or MathJax is not installed (Debian's packages jekyll and libjs-mathjax)",
)


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("Chromium is not installed (Debian's package chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


ATTACKS = [
    "<script>attacked.push('script')</script>",
    "<img src='http://127.0.0.1:9/none.png' onerror=\"attacked.push('onerror')\">",
    "<svg width='9' height='9' onload=\"attacked.push('onload')\"><circle r='4'/></svg>",
    "<svg width='9' height='9'><script>attacked.push('script in svg')</script></svg>",
    "<iframe srcdoc=\"<script>parent.attacked.push('iframe')</script>\"></iframe>",
    "<details open ontoggle=\"attacked.push('ontoggle')\"><summary>more</summary>less</details>",
    "<input autofocus onfocus=\"attacked.push('onfocus')\">",
]
LINK = "<a class='bait' href=\"javascript:attacked.push('link')\">link</a>"


def attack_notebook():
    """A notebook that tries to run scripts in its reader's browser, in its text and outputs."""
    new = nbformat.v4
    text = "\n\n".join(["# An attack", *ATTACKS, LINK, "[link](javascript:attacked.push(1))"])
    outputs = [new.new_output("display_data", {"text/html": attack}) for attack in ATTACKS]
    cells = [new.new_markdown_cell(text), new.new_code_cell("1", outputs=outputs)]
    return new.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The address of the site of our articles and a few nasty ones."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("articles", "images"):
        shutil.copytree(ROOT / "assets" / name, folder / "assets" / name)
    for name in NASTY:
        body, resources = JekyllExporter().from_notebook_node(COLLECTION[name].notebook())
        writer = FilesWriter(build_directory=str(folder / "assets" / "articles"))
        writer.write(body, resources, notebook_name=name)
    for name, sanitize in (("attack", False), ("attack_sanitized", True)):
        exporter = JekyllExporter(sanitize=sanitize)
        body, resources = exporter.from_notebook_node(attack_notebook())
        writer = FilesWriter(build_directory=str(folder / "assets" / "articles"))
        writer.write(body, resources, notebook_name=name)
    server = SITE.server(SITE.build(folder / "built", folder / "assets"), 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield SITE.address(server)
    server.shutdown()
    server.server_close()


@pytest.fixture
def shots(tmp_path):
    """Where screenshots go: ``$SITE_SCREENSHOTS``, else among pytest's temporary folders."""
    folder = Path(os.environ.get("SITE_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def open_page(browser, site):
    """Open a page of the site; at the end nothing may have gone wrong in any that was opened."""
    faults, contexts = [], []

    def answered(answer):
        if answer.status >= 400:
            faults.append(f"{answer.status} {answer.url}")

    def logged(message):
        if message.type in {"error", "warning"}:
            faults.append(message.text)

    def open_at(path, width=1280, scheme="light"):
        size = {"width": width, "height": 844}
        contexts.append(browser.new_context(viewport=size, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.route("https://a.test/**", lambda route: route.fulfill(path=PICTURE))
        page.on("console", logged)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", lambda request: faults.append(f"failed: {request.url}"))
        page.on("response", answered)
        page.goto(site + path)
        page.evaluate(TYPESET)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert faults == []


def serious(page, **options):
    options |= {"resultTypes": ["violations"]}  # which is much the faster on a long page
    violations = Axe().run(page, options=options).response["violations"]
    return [
        (violation["id"], [node["html"] for node in violation["nodes"]])
        for violation in violations
        if violation["impact"] in {"serious", "critical"}
    ]


def name_of(path):
    return Path(path).stem or "index"


def parsed(address):
    with urllib.request.urlopen(address) as answer:  # raises where the answer is no 200
        is_page = answer.headers["Content-Type"].startswith("text/html")
        return BeautifulSoup(answer.read(), "html.parser") if is_page else None


def check_formulas(page):
    built = parsed(page.url).main
    for code in built.find_all(["code", "pre"]):
        code.decompose()
    assert page.evaluate(FORMULAS) == len(re.findall(r"\\\(|\\\[(?!\d)", built.get_text()))
    assert page.locator(".mjx-merror, .MathJax_Error").count() == 0
    assert not re.search(r"\\[(\[)\]]|\$\$|\\begin", page.evaluate(PROSE))


@needs_jekyll
@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_a_page_is_whole_readable_and_fits(open_page, shots, path):
    page = open_page(path, width=390)
    assert not page.evaluate(SCROLLS)
    assert page.evaluate(BROKEN_IMAGES) == []
    check_formulas(page)
    levels = page.evaluate(LEVELS)
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    whole = "SITE_SCREENSHOTS" in os.environ  # which takes its time
    page.screenshot(path=shots / f"{name_of(path)}_phone.png", full_page=whole)
    assert serious(page) == []

    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 1280, "height": 844})
    assert not page.evaluate(SCROLLS)
    page.screenshot(path=shots / f"{name_of(path)}_dark.png")
    assert serious(page, runOnly=["color-contrast"]) == []


@needs_jekyll
def test_every_link_leads_somewhere(site):
    pages = {site + path: parsed(site + path) for path in PAGES}
    addresses = {
        urljoin(address, tag.get("href") or tag.get("src"))
        for address, page in pages.items()
        for tag in page.select("[href], [src]")
    }
    for address in sorted(address for address in addresses if address.startswith(site)):
        url, anchor = urldefrag(address)
        if url not in pages:
            pages[url] = parsed(url)
        if anchor:
            assert pages[url].find(id=unquote(anchor)), address
    others = {address for address in addresses if not address.startswith(site)}
    assert [a for a in others if not a.startswith(("data:", "https:"))] == []


@needs_jekyll
def test_the_index_leads_to_the_five_and_each_to_its_neighbours(site):
    ours = [f"/blog/assets/articles/{path.stem}.html" for path in NOTEBOOKS]
    listed = [link["href"] for link in parsed(site).select("main .articles a")]
    assert [address for address in listed if address in ours] == ours
    for before, after in pairwise(ours):
        [following] = parsed(urljoin(site, before)).select("nav a[rel=next]")
        [preceding] = parsed(urljoin(site, after)).select("nav a[rel=prev]")
        assert (following["href"], preceding["href"]) == (after, before)


@needs_jekyll
def test_the_keyboard_reaches_what_scrolls_and_what_opens(open_page):
    page = open_page("assets/articles/03_tensorflow_mlp.html", width=390)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    wide = page.locator("pre[tabindex='0']").first
    wide.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0", timeout=2000)
    assert page.get_by_role("group", name="Code, block 1", exact=True).count() == 1
    narrow = page.locator("pre").evaluate_all(
        "blocks => blocks.filter(b => b.scrollWidth <= b.clientWidth && b.tabIndex >= 0).length"
    )
    assert narrow == 0

    page = open_page("assets/articles/details.html")
    answer = page.locator("details strong")
    assert not answer.is_visible()
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    assert answer.is_visible()


def make_site(folder, port):
    environment = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MAKELEVEL"}}
    settings = [f"PY={sys.executable}", f"VENV={folder}", f"SITE_PORT={port}"]
    return subprocess.Popen(
        ["make", "--no-print-directory", "-o", folder / ".installed", "site", *settings],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@needs_jekyll
def test_make_site_serves_this_machine_only_until_ctrl_c(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        _, error = make_site(tmp_path, port).communicate(timeout=60)
        assert f"port {port} cannot be had" in error
        assert "Traceback" not in error
    process = make_site(tmp_path, port)
    try:
        assert process.stdout.readline() == (
            f"The articles are at http://127.0.0.1:{port}/blog/ until Ctrl-C.\n"
        )
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/blog/") as answer:
            assert answer.read().count(b"/blog/assets/articles/") == len(NOTEBOOKS)
        with pytest.raises(OSError, match=r".+"):
            socket.create_connection(("127.0.0.2", port), timeout=2)
    finally:
        os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert "Traceback" not in error
    assert not listens(port)


@pytest.mark.parametrize(
    ("attribute", "value", "sentence"),
    [
        ("shutil", None, "jekyll is not installed: apt-get install jekyll"),
        ("MATHJAX", Path("nowhere"), "MathJax is not in nowhere: apt-get install libjs-mathjax"),
    ],
)
def test_what_is_missing_is_named_with_the_package(
    tmp_path, monkeypatch, attribute, value, sentence
):
    monkeypatch.setattr(SITE.shutil, "which", lambda _: attribute != "shutil")
    if value:
        monkeypatch.setattr(SITE, attribute, value)
    with pytest.raises(SITE.SiteError, match=f"^{re.escape(sentence)}$"):
        SITE.build(tmp_path / "site")


def outputs_of(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def count_figures(notebook):
    return sum("image/png" in output.get("data", {}) for output in outputs_of(notebook))


def read_when_executed(path, page):
    """Save in JupyterLab until the file says that every cell was executed, and return it."""
    deadline = time.monotonic() + 60
    while True:
        page.keyboard.press("Control+s")
        page.wait_for_timeout(500)
        notebook = nbformat.read(path, as_version=4)
        errors = [output for output in outputs_of(notebook) if output.output_type == "error"]
        assert errors == []
        counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
        if all(counts):
            return notebook
        assert time.monotonic() < deadline, counts


def run_in_lab(page, address, path):
    """Open a notebook whose outputs were cleared, and "Run All Cells" by the menu."""
    page.goto(address)
    page.get_by_text(re.compile(r"\| Idle$")).wait_for(timeout=60000)
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()
    return read_when_executed(path, page)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "share"), [(0, 1.0), (2, 0.5)])
def test_jupyterlab_runs_the_notebook_and_shows_its_figures(
    browser, tmp_path, shots, number, share
):
    original = nbformat.read(NOTEBOOKS[number], as_version=4)
    del original.cells[int(share * len(original.cells)) :]
    wanted = count_figures(original)
    for cell in original.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.source = cell.source.replace("n_train: int = 60000", "n_train: int = 6000")
    path = tmp_path / "project" / "notebooks" / NOTEBOOKS[number].name
    path.parent.mkdir(parents=True)
    nbformat.write(original, path)
    shutil.copy(ROOT / "Makefile", tmp_path / "project")
    variables = {RUN_VARIABLE: str(tmp_path)}
    with make_lab(tmp_path, tmp_path / "project", **variables) as (port, token):
        context = browser.new_context(viewport={"width": 1280, "height": 844})
        page = context.new_page()
        address = f"http://127.0.0.1:{port}/lab/tree/{path.name}?token={token}"
        executed = run_in_lab(page, address, path)
        assert count_figures(executed) == wanted > 0
        image = page.locator(".jp-OutputArea-output img").last
        image.scroll_into_view_if_needed()
        page.wait_for_timeout(1000)  # cells above it are laid out only now
        image.scroll_into_view_if_needed()
        assert image.evaluate("image => image.naturalWidth") > 300
        page.screenshot(path=shots / f"{path.stem}_jupyterlab.png")
        context.close()


def attacks_on(browser, address):
    """Open a page, click its links, and return what ran there."""
    with browser.new_context() as context:
        page = context.new_page()
        page.add_init_script("window.attacked = []")
        page.goto(address)
        page.wait_for_timeout(500)
        for link in page.locator("main a", has_text=re.compile("^link$")).all():
            link.click()
        page.wait_for_timeout(200)
        return set(page.evaluate("attacked"))


def test_a_sanitised_article_runs_nothing_in_the_readers_browser(browser, site):
    harmful = attacks_on(browser, urljoin(site, "assets/articles/attack.html"))
    assert harmful >= {"script", "onerror", "onload", "ontoggle", "iframe"}  # the attacks are real
    assert attacks_on(browser, urljoin(site, "assets/articles/attack_sanitized.html")) == set()
