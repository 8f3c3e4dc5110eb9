"""The plugin in real runs of nbval: every cell below is executed by a kernel."""

import base64
import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pandas as pd
import pytest
from nbformat import v4


def png(width, height):
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR"
    return base64.b64encode(header + struct.pack(">II", width, height)).decode()


def printed(text):
    return [v4.new_output("stream", name="stdout", text=text)]


def result(**data):
    return [v4.new_output("execute_result", {f"text/{kind}": text for kind, text in data.items()})]


FIGURE = "from IPython.display import Image, display; import base64\n"
FIGURE += f"display(Image(base64.b64decode('{png(64, 48)}'), format='png'))"
DRAWN = v4.new_output(
    "display_data", {"image/png": png(64, 50), "text/plain": "<IPython.core.display.Image object>"}
)
FRAME = pd.DataFrame({"cost": [0.5, 0.25]})
TABLE = result(plain=repr(FRAME), html=FRAME._repr_html_())
REFUSAL = "raise ValueError('layer_dims must have 2 entries')"
REFUSED = [
    v4.new_output(
        "error", ename="ValueError", evalue="layer_dims must have 2 entries", traceback=[]
    )
]
TO_STDERR = "import sys; print('W', file=sys.stderr)"
LIBRARY = "import os, time; os.write(2, b'W0000 cpu'); time.sleep(0.3)"
UNEXECUTED = object()

# name: (source, committed outputs, metadata, what the report says, or None where the cell passes)
CELLS = {
    "identical": ("print('cost', 0.52)", printed("cost 0.52\n"), {}, None),
    "word": ("print('cost', 0.52)", printed("loss 0.52\n"), {}, "expected 'loss', got 'cost'"),
    "shape": ("print((60000, 785))", printed("(60000, 784)"), {}, "expected 784, got 785"),
    "number": ("print(0.53)", printed("0.52\n"), {}, "off by 0.01, tolerance 5.2e-7"),
    "stated": ("print(0.53)", printed("0.52\n"), {"tolerance": {"absolute": 0.01}}, None),
    "integer": ("print(11)", printed("10\n"), {}, "expected 10, got 11"),
    "integers": ("print(11)", printed("10\n"), {"tolerance": {"integers": 1}}, None),
    "missing": ("x = 1", printed("1\n"), {}, "expected 1 outputs (stream stdout), got 0 (none)"),
    "additional": ("print(1)", [], {}, "expected 0 outputs (none), got 1 (stream stdout)"),
    "figure": (FIGURE, [DRAWN], {}, None),
    "no figure": ("x = 1", [DRAWN], {}, "display_data image/png"),
    "stderr": (TO_STDERR, [], {}, "hold standard error"),
    "a library's stderr": (LIBRARY, [], {}, "W0000 cpu"),
    "timing": ("print('3.2 s')", printed("1.4 s\n"), {"tags": ["timing"]}, None),
    "timing's words": ("print('3.2 s')", printed("3 min\n"), {"tags": ["timing"]}, "got 's'"),
    "search": ("print(1, 'a')", printed("2 b\n"), {"tolerance": {"compare": "shape"}}, None),
    "table": (f"import pandas as pd; pd.DataFrame({FRAME.to_dict('list')})", TABLE, {}, None),
    "refusal": (REFUSAL, REFUSED, {"tags": ["raises-exception"]}, None),
    "failure": (REFUSAL, [], {}, "ValueError"),
    "folder": ("import os; print(os.listdir())", printed("['cells.ipynb']\n"), {}, None),
    "kernel": ("import sys; print(sys.executable)", printed(sys.executable), {}, None),
    "never executed": ("x = 1", UNEXECUTED, {}, "was never executed"),
}


def write_notebook(path, cells):
    """Write a notebook as if it had been executed and given these outputs."""
    code = []
    for count, (source, outputs, metadata) in enumerate(cells, start=1):
        executed = {} if outputs is UNEXECUTED else {"outputs": outputs, "execution_count": count}
        code.append(v4.new_code_cell(source, metadata=metadata, **executed))
    nbformat.write(v4.new_notebook(cells=code), path)


def run_nbval(folder, *arguments):
    """Run pytest in `folder` with nbval and the plugin."""
    plugin = ["-p", "nbval_tolerance", "-p", "no:cacheprovider", "--nbval", "--nbval-current-env"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--color=no", *plugin, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """What nbval says about each of `CELLS`; ``None`` where it is content."""
    folder, xml = tmp_path_factory.mktemp("cells"), tmp_path_factory.mktemp("xml") / "report.xml"
    write_notebook(folder / "cells.ipynb", [cell[:3] for cell in CELLS.values()])
    run_nbval(folder, f"--junitxml={xml}")
    cases = ElementTree.parse(xml).iter("testcase")
    return dict(zip(CELLS, [case.findtext("failure") for case in cases], strict=True))


@pytest.mark.parametrize("name", CELLS)
def test_a_cell(reports, name):
    complaint = CELLS[name][3]
    if complaint is None:
        assert reports[name] is None
    else:
        assert complaint in reports[name]


def test_a_report_names_the_notebook_the_cell_and_both_values(reports):
    assert "Cell 3" in reports["number"]
    assert "cells.ipynb, code cell 3, In [4]:" in reports["number"]
    assert "expected:\n    0.52\ngot:\n    0.53" in reports["number"]


def test_a_misspelt_key_stops_the_run_before_any_cell(tmp_path):
    write_notebook(tmp_path / "typo.ipynb", [("1", [], {"tolerance": {"relativ": 0.5}})])
    run = run_nbval(tmp_path)
    assert run.returncode != 0
    assert "typo.ipynb, code cell 0: tolerance has no key 'relativ': use relative" in run.stdout


def test_two_processes_keep_the_cells_of_a_notebook_together(tmp_path):
    cells = [("x = 1", [], {})]
    cells += [("x += 1; print(x)", printed(f"{n}\n"), {}) for n in range(2, 8)]
    for name in ("one", "two"):
        write_notebook(tmp_path / f"{name}.ipynb", cells)
    run = run_nbval(tmp_path, "-v", "-n", "2")
    assert "14 passed" in run.stdout
    passed = re.findall(r"\[(gw.)\] .* PASSED (one|two)", run.stdout)
    assert len(passed) == 14
    assert len(set(passed)) == 2


def test_the_configuration_loads_the_plugin(pytestconfig):
    assert pytestconfig.pluginmanager.hasplugin("nbval_tolerance")
    assert pytestconfig.getoption("nbval_current_env")
