"""Hygiene of the committed notebooks: nothing stale, nothing of the machine, the agreed form."""

import ast
import copy
import json
import platform
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode, v4
from nbval_tolerance import Tolerance
from papermill import inspect_notebook

REPOSITORY = Path(__file__).resolve().parents[1]
PARAMETERS = {
    "01_data_exploration": [],
    "02_preprocessing": [],
    "03_tensorflow_mlp": [
        "hidden_layers",
        "hidden_activation",
        "output_activation",
        "optimizer",
        "learning_rate",
        "n_epochs",
        "mini_batch_size",
        "seed",
    ],
    "04_keras_mlp": [
        "learning_rate",
        "num_layers",
        "num_nodes",
        "hidden_activation",
        "n_epochs",
        "batch_size",
        "seed",
    ],
    "05_tuning": ["n_trials", "n_epochs", "seed"],
}
DEFAULTS = {"n_train": "60000", "n_test": "10000", "data_dir": "None", "hidden_layers": "[50]"}
MAX_LINES = 25

DURATION = re.compile(r"\b\d+(\.\d+)? ?(ns|[uµμ]s|ms|s|sec|seconds?|min|minutes?)\b")
HOST = platform.node()
UNWANTED = {
    "an absolute path": re.compile(r"(?<![\w.:/<])/[A-Za-z_][\w.+-]*/|file://"),
    "the home directory": re.compile(rf"~/|{re.escape(str(Path.home()))}\b"),
    "a date": re.compile(r"\b(19|20)\d\d-\d\d-\d\d|\b\d\d?:\d\d:\d\d\b"),
    "a written date": re.compile(
        r"\b\d\d? (Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sep|Oct|Nov|Dec)[a-z]* (19|20)\d\d\b"
    ),
    "a progress bar": re.compile(r"[▏▎▍▌▋▊▉█]|\bit/s\b|/step\b|\d%\|"),
    "a carriage return": re.compile(r"\r|\x08"),
    "a warning": re.compile(r"Warning: "),
    "a log line": re.compile(r"\b(DEBUG|INFO|WARNING|ERROR):|^[IWEF]\d{4} \d\d:", re.MULTILINE),
    "an address in memory": re.compile(r"\b0x[0-9a-f]{8,}\b"),
}
if re.search(r"\d", HOST):  # a name like "debian" may stand in a text for another reason
    UNWANTED["the host name"] = re.compile(rf"\b{re.escape(HOST)}\b")


# ---- Reading a notebook -------------------------------------------------------------------------


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [c for c in notebook.cells if c.cell_type == "code" and c.source.strip()]


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def tree(cell: NotebookNode) -> ast.Module:
    return ast.parse(TransformerManager().transform_cell(cell.source))


def texts(output: NotebookNode) -> Iterator[str]:
    """Everything in an output that a reader reads, images aside."""
    if output.output_type == "stream":
        yield output.text
    elif output.output_type == "error":
        yield "\n".join([output.evalue, *output.traceback])
    else:
        for mime, data in output.data.items():
            if not mime.startswith("image/"):
                text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
                yield re.sub(r"data:image/[^\"')]+", "", text)


def package_names() -> set[str]:
    """Public functions and classes of the package."""
    return {
        node.name
        for path in (REPOSITORY / "nn_helpers").rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }


# ---- What may be wrong --------------------------------------------------------------------------


def check_execution(notebook: NotebookNode) -> Iterator[str]:
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"was not executed once from top to bottom: execution counts {counts}"
    if not any(cell.outputs for cell in code_cells(notebook)):
        yield "has no outputs"


def check_outputs(notebook: NotebookNode) -> Iterator[str]:
    for number, cell in enumerate(code_cells(notebook), start=1):
        for output in cell.outputs:
            if output.get("name") == "stderr":
                yield f"In [{number}] wrote to standard error: {output.text}"
            if output.output_type == "error" and "raises-exception" not in tags(cell):
                yield f"In [{number}] failed: {output.evalue}"
            if any("widget" in mime for mime in output.get("data", {})):
                yield f"In [{number}] shows a widget"


def check_texts(notebook: NotebookNode) -> Iterator[str]:
    for number, cell in enumerate(code_cells(notebook), start=1):
        for text in (text for output in cell.outputs for text in texts(output)):
            for what, pattern in UNWANTED.items():
                if found := pattern.search(text):
                    shown = text[max(found.start() - 20, 0) : found.end() + 40]
                    yield f"In [{number}] shows {what}: {shown!r}"
            if (found := DURATION.search(text)) and "timing" not in tags(cell):
                yield f"In [{number}] shows the duration {found[0]!r} but is not tagged timing"


def check_metadata(notebook: NotebookNode) -> Iterator[str]:
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "is not for the kernel python3"
    if {"papermill", "widgets"} & set(notebook.metadata):
        yield "keeps metadata of a run"
    for number, cell in enumerate(notebook.cells):
        if {"execution", "papermill", "ExecuteTime"} & set(cell.metadata):
            yield f"cell {number} keeps metadata of a run"
        try:
            Tolerance.of_cell(cell.metadata)
        except ValueError as error:
            yield f"cell {number}: {error}"
        if "NBVAL_" in cell.source or any(tag.startswith("nbval") for tag in tags(cell)):
            yield f"cell {number} is kept from being compared"


def check_parameters(notebook: NotebookNode) -> Iterator[str]:
    cells = [cell for cell in notebook.cells if "parameters" in tags(cell)]
    if len(cells) != 1:
        yield f"has {len(cells)} cells tagged parameters"
    for node in (node for cell in cells for node in tree(cell).body):
        if not isinstance(node, ast.AnnAssign):
            yield f"declares a parameter without a type: {ast.unparse(node)}"


def check_form(notebook: NotebookNode) -> Iterator[str]:
    first = notebook.cells[0]
    if not first.source.startswith("# ") or "What you will learn" not in first.source:
        yield "does not open with a heading and “What you will learn”"
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    last = re.findall(r"^## (.+)$", prose, re.MULTILINE)[-2:]
    if last != ["Summary", "What to try next"]:
        yield f"does not close with the sections Summary and What to try next, but with {last}"
    for number, cell in enumerate(notebook.cells):
        if (lines := len(cell.source.splitlines())) > MAX_LINES:
            yield f"cell {number} has {lines} lines, more than {MAX_LINES}"


def check_code(notebook: NotebookNode) -> Iterator[str]:
    nodes = [node for cell in code_cells(notebook) for node in ast.walk(tree(cell))]
    modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    modules |= {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    if "nn_helpers" not in {str(module).partition(".")[0] for module in modules}:
        yield "does not import nn_helpers"
    defined = {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    if again := defined & package_names():
        yield f"defines what the package has: {', '.join(sorted(again))}"


CHECKS: list[Callable[[NotebookNode], Iterator[str]]] = [
    check_execution,
    check_outputs,
    check_texts,
    check_metadata,
    check_parameters,
    check_form,
    check_code,
]


# ---- The five notebooks -------------------------------------------------------------------------


def committed(name: str) -> Path:
    path = REPOSITORY / "notebooks" / f"{name}.ipynb"
    assert path.exists(), f"notebooks/{name}.ipynb is missing"
    return path


def test_there_are_five_notebooks_and_no_other():
    found = sorted(path.stem for path in (REPOSITORY / "notebooks").glob("*.ipynb"))
    assert found == sorted(PARAMETERS)


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_file_is_a_valid_notebook(name):
    nbformat.validate(json.loads(committed(name).read_text(encoding="utf-8")))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", PARAMETERS)
def test_hygiene(name, check):
    assert list(check(nbformat.read(committed(name), as_version=4))) == []


@pytest.mark.parametrize("name", PARAMETERS)
def test_papermill_knows_each_parameter_with_its_type_and_meaning(name):
    notebook = nbformat.read(committed(name), as_version=4)
    (cell,) = (cell for cell in notebook.cells if "parameters" in tags(cell))
    known = inspect_notebook(committed(name))
    assert list(known) == [node.target.id for node in tree(cell).body]
    assert set(known) >= {"n_train", "n_test", "data_dir", *PARAMETERS[name]}
    for parameter in known.values():
        assert parameter["inferred_type_name"] != "None", parameter
        assert parameter["help"], parameter
        assert parameter["default"] == DEFAULTS.get(parameter["name"], parameter["default"])


# ---- The checks themselves ----------------------------------------------------------------------


@pytest.fixture
def sound():
    """A notebook without a fault."""
    markdown, code = v4.new_markdown_cell, v4.new_code_cell
    parameters = "n_train: int = 60000  # training examples"
    cells = [
        markdown("# Sound\n\nWhat you will learn: nothing."),
        code("from nn_helpers import mlp", execution_count=1),
        code(parameters, execution_count=2, metadata={"tags": ["parameters"]}),
        code(
            "%matplotlib inline\nn_train",
            execution_count=3,
            outputs=[v4.new_output("stream", text="60000")],
        ),
        markdown("## Summary\n\nIt ran."),
        markdown("## What to try next\n\n1. Run it."),
    ]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def problems(notebook: NotebookNode) -> list[str]:
    return [problem for check in CHECKS for problem in check(notebook)]


def test_a_sound_notebook_passes(sound):
    nbformat.validate(sound)
    assert problems(sound) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("data in /usr/share/datasets", "an absolute path"),
        ("'/home/me/x'", "an absolute path"),
        ("~/.keras", "the home directory"),
        (f"in {Path.home()}", "the home directory"),
        ("on 2025-01-31", "a date"),
        ("2025-01-31T10:11:12", "a date"),
        ("31 January 2025", "a written date"),
        ("100%|███", "a progress bar"),
        ("469/469 ━━━━ 2ms/step", "a progress bar"),
        ("one\rtwo", "a carriage return"),
        ("UserWarning: no", "a warning"),
        ("WARNING:tensorflow:5 out of the last", "a log line"),
        ("<object at 0x7f3a11c2d0b0>", "an address in memory"),
        ("took 3.2 s", "the duration '3.2 s'"),
        ("12ms each", "the duration '12ms'"),
    ],
)
def test_an_unwanted_text_is_found(sound, text, problem):
    for output in (
        v4.new_output("stream", text=text),
        v4.new_output("display_data", {"image/png": "", "text/html": f"<b>{text}</b>"}),
        v4.new_output("error", ename="E", evalue="", traceback=[text]),
    ):
        sound.cells[3].outputs = [output]
        assert any(problem in found for found in problems(sound))


def test_an_unwanted_text_is_found_in_json(sound):
    json_output = v4.new_output("display_data", {"application/json": {"where": ["/usr/share/x"]}})
    sound.cells[3].outputs = [json_output]
    assert any("an absolute path" in found for found in problems(sound))


@pytest.mark.parametrize("text", ["<td>T-shirt/top</td>", "https://a.org/b/c", "1/2/3", "3 steps"])
def test_a_harmless_text_is_not(sound, text):
    sound.cells[3].outputs = [v4.new_output("display_data", {"text/html": text})]
    assert problems(sound) == []


def test_a_duration_may_stand_in_a_timing(sound):
    sound.cells[3].outputs = [v4.new_output("stream", text="3.2 s")]
    sound.cells[3].metadata = {"tags": ["timing"]}
    assert problems(sound) == []


WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}}
FAULTS = {
    "execution counts": lambda nb: nb.cells[3].update(execution_count=4),
    "has no outputs": lambda nb: nb.cells[3].update(outputs=[]),
    "standard error": lambda nb: nb.cells[3].outputs[0].update(name="stderr"),
    "failed": lambda nb: nb.cells[3].outputs.append(v4.new_output("error", evalue="no")),
    "a widget": lambda nb: nb.cells[3].outputs.append(v4.new_output("display_data", WIDGET)),
    "kernel python3": lambda nb: nb.metadata.kernelspec.update(name="mine"),
    "keeps metadata": lambda nb: nb.metadata.update(papermill={}),
    "cell 3 keeps metadata": lambda nb: nb.cells[3].metadata.update(execution={}),
    "no key 'relativ'": lambda nb: nb.cells[3].metadata.update(tolerance={"relativ": 1}),
    "from being compared": lambda nb: nb.cells[3].update(source="# NBVAL_SKIP"),
    "0 cells tagged": lambda nb: nb.cells[2].update(metadata={}),
    "without a type": lambda nb: nb.cells[2].update(source="n_train = 60000  # examples"),
    "does not open": lambda nb: nb.cells[0].update(source="# Sound"),
    "does not close": lambda nb: nb.cells.pop(),
    "has 26 lines": lambda nb: nb.cells[3].update(source="x = 1\n" * 26),
    "does not import": lambda nb: nb.cells[1].update(source="import numpy"),
    "forward_propagation": lambda nb: nb.cells[3].update(source="def forward_propagation(): ..."),
}


@pytest.mark.parametrize("problem", FAULTS)
def test_a_fault_is_found(sound, problem):
    faulty = copy.deepcopy(sound)
    FAULTS[problem](faulty)
    assert any(problem in found for found in problems(faulty))
