"""Small notebooks, each with one trap for whoever publishes it, and what must be left of them."""

import base64
from dataclasses import dataclass, field
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><title>A point</title></svg>'
TABLE = """<div>
<style scoped>
    .dataframe tbody tr th { vertical-align: top; }
</style>
<table border="1" class="dataframe">
  <thead><tr><th></th><th>a|b</th><th>{{ c }}</th></tr></thead>

  <tbody>

    <tr><th>0</th><td>1_2_3</td><td>*x*</td></tr>
  </tbody>
</table>
<p>1 rows × 2 columns</p>
</div>"""

ANIMATION = """<div class="animation">
  <img id="_anim_img1">
  <input id="_anim_slider1" type="range" min="0" max="1" oninput="anim1.set_frame(1);">
  <button onclick="anim1.play()"><i class="fa fa-play"></i></button>
</div>

<script language="javascript">
  if (a < b && c) { frames[0] = 'data:x,{{ y }}\\\n$x$ {% raw %}'; }

</script>"""
RICH = (
    '<pre style="white-space:pre;overflow-x:auto"><span style="font-weight: bold">Model</span> '
    '(<span style="color: #0087ff; text-decoration-color: #0087ff">Dense</span>)\n</pre>'
)


@dataclass
class Nasty:
    """A notebook, and what its built page must and must not say, show and contain."""

    cells: list[NotebookNode]
    texts: list[str] = field(default_factory=list)
    formulas: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    markup: list[str] = field(default_factory=list)
    selectors: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    def notebook(self) -> NotebookNode:
        cells = [*self.cells, new_markdown_cell("The end.")]
        for number, cell in enumerate(cells):
            cell.id = f"cell-{number}"
        return new_notebook(cells=cells, metadata=self.metadata)


def text(source: str, **more: Any) -> NotebookNode:
    return new_markdown_cell(source, **more)


def code(source: str, *outputs: NotebookNode, **metadata: Any) -> NotebookNode:
    return new_code_cell(source, outputs=list(outputs), metadata=metadata)


def shown(**data: Any) -> NotebookNode:
    """Return an output; ``text_html=…`` stands for the type ``text/html``."""
    bundle = {name.replace("_", "/", 1): value for name, value in data.items()}
    return new_output("display_data", bundle)


def stream(words: str, name: str = "stdout") -> NotebookNode:
    return new_output("stream", name=name, text=words)


LIQUID = "{{ page.title }} {% if x %} {% raw %} {% endraw %} {%- endraw -%} {{{{ {{% }} %}"
ERROR = new_output("error", ename="E", evalue="no", traceback=["\x1b[0;31mE\x1b[0m: no {{ way }}"])
WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "a"}, "text/plain": "HBox()"}
METRICS = {"application/vnd.nn-helpers.metrics+json": {"a": 1}, "text/plain": "a = 1"}

COLLECTION = {
    "liquid_in_code": Nasty([code(f"# {LIQUID}\nx = '{{{{'")]),
    "liquid_in_output": Nasty([code("x", stream(LIQUID))], texts=[LIQUID]),
    "liquid_in_text": Nasty(
        [text("Say `{{ x }}`, {{ y }}, {% raw %} and {% endraw %} and {{")],
        texts=["Say {{ x }}, {{ y }}, {% raw %} and {% endraw %} and {{"],
    ),
    "liquid_in_html": Nasty(
        [code("x", shown(text_html="<p>{{ x }} {% endraw %}\n\n{:/nomarkdown}</p>"))],
        texts=["{{ x }} {% endraw %}", "{:/nomarkdown}"],
    ),
    "end_of_extension": Nasty(
        [text("<div>\n{:/}\n{:/nomarkdown}\n</div>\n\n<b>after</b>")],
        texts=["{:/}", "{:/nomarkdown}", "after"],
        selectors={"b": 1},
    ),
    "fences_in_code": Nasty([code('s = """\n```python\n````\n~~~\n"""')]),
    "magics": Nasty([code("%matplotlib inline\n!ls *_*"), code("%%bash\necho $A | wc")]),
    "kramdown_in_text": Nasty(
        [text('5 * 3 \\* 2, a_b_c, {: .x} "q" -- ... a | b, 1 < 2 & c, [^1] ~ ^ \\_')],
        texts=['5 * 3 * 2, a_b_c, {: .x} "q" -- ... a | b, 1 < 2 & c, [^1] ~ ^ _'],
    ),
    "inline_formulas": Nasty(
        [text("In $x_1 * y_2 * |z|$ and $a_{{n}}$, *$b_1$*, $f(x)=\\{x \\mid x<y\\}$ end.")],
        formulas=["x_1 * y_2 * |z|", "a_{{n}}", "b_1", "f(x)=\\{x \\mid x<y\\}"],
    ),
    "display_formulas": Nasty(
        [text("$$\\left\\\\{a\\\\\n{{b}}\\%_c*d*e|f|\\\\\n$$\n\nand $$x & {% y %}$$ inside")],
        formulas=["\\left\\\\{a\\\\\n{{b}}\\%_c*d*e|f|\\\\", "x & {% y %}"],
    ),
    "alignment": Nasty(
        [text("\\begin{align}\na_1 &= b \\\\\n\nc &< |d| \\\\\n\\end{align}")],
        formulas=["\\begin{align}\na_1 &= b \\\\\n\nc &< |d| \\\\\n\\end{align}"],
    ),
    "book_of_formulas": Nasty(
        [
            text("## About\n:label:`sec_a`\n\nSee :numref:`sec_a`; that---*we\ngain*---is"),
            text("[**ReLU does this**], $x$ (**as one says**). ![A unit. ](https://a.test/b.svg)"),
            text("**class_p** $= \\begin{pmatrix}\n0.8 \\\\\n0.2\n\\end{pmatrix}$"),
            text(
                "At $90^{\\circ}$:\n$$v = 1.$$\n:eqlabel:`eq_v`\n\n![the $x$-axis](https://a.test/c.svg)"
            ),
            text("${a\\_per\\_b} = 5$, $\\|\\textbf{u}\\|$, $\\textbf{u}^T_{i,*}$ 5% < $5\\,\\%$"),
        ],
        texts=["[ReLU does this]", "(as one says)", ":label:sec_a", "that---we gain---is"],
        formulas=[
            "x",
            "90^{\\circ}",
            "v = 1.",
            "= \\begin{pmatrix}\n0.8 \\\\\n0.2\n\\end{pmatrix}",
            "{a\\_per\\_b} = 5",
            "\\|\\textbf{u}\\|",
            "\\textbf{u}^T_{i,*}",
            "5\\,\\%",
        ],
        selectors={"strong": 3, "h2": 0, "img[alt='the $x$-axis']": 1},
    ),
    "badges": Nasty(
        [
            text(
                '<table align="left">\n  <td>\n    <a target="_blank" href="https://a.test/?src=b">'
                '<img src="https://a.test/b.svg" /></a>\n  </td>\n</table>'
            )
        ],
        selectors={"table": 1, "td > a > img[alt]": 1},
    ),
    "animation": Nasty(
        [code("ani", shown(text_html=ANIMATION))],
        selectors={"script": 1, "button": 1, "img[alt]": 1, "input[type=range]": 1},
        markup=["if (a < b && c) { frames[0] = 'data:x,{{ y }}\\\n$x$ {% raw %}'; }"],
    ),
    "dollars": Nasty(
        [text("It costs $5 and $6, or \\$7, not $x_5$; from $8-$9 or `$a$`.")],
        texts=["It costs $5 and $6, or $7, not \\(x_5\\); from $8-$9 or $a$."],
        formulas=["x_5"],
    ),
    "formulas_in_structures": Nasty(
        [
            text("## About $h_1$\n\n- item $i_1|i_2$\n\n> quoted $$q\n> _r$$\n"),
            text("| a | $|b|$ |\n| --- | --- |\n| `c` | $d_1 * e_1$ |"),
        ],
        texts=["a", "c"],
        formulas=["h_1", "i_1|i_2", "q\n_r", "|b|", "d_1 * e_1"],
        selectors={"table": 1, "td": 2, "th": 2},
    ),
    "formula_in_html": Nasty(
        [text("<div>raw $x_1 < y$</div>"), code("m", shown(text_latex="$\\displaystyle z_1$"))],
        formulas=["x_1 < y", "\\displaystyle z_1"],
    ),
    "dataframe": Nasty(
        [code("df", shown(text_html=TABLE, text_plain="no"))],
        texts=["a|b", "{{ c }}", "1_2_3", "*x*", "1 rows × 2 columns"],
        absent=["vertical-align"],
        selectors={"table": 1, "td": 2, "[role=region][tabindex='0'] > table": 1, "main style": 0},
    ),
    "images": Nasty(
        [
            code("a", shown(image_png=PIXEL), alt="A described | {{ figure }}"),
            code("b", new_output("display_data", {"image/svg+xml": SVG})),
            code('plt.title("Cost")', shown(image_png=PIXEL)),
        ],
        selectors={
            "img[alt='A described | {{ figure }}']": 1,
            "img[alt='A point']": 1,
            "img[alt=Cost]": 1,
        },
    ),
    "attachments": Nasty(
        [
            text(
                '![first](attachment:a%20b.png) <img src="attachment:../../x.png">',
                attachments={
                    "a b.png": {"image/png": PIXEL},
                    "../../x.png": {"image/png": PIXEL},
                },
            )
        ],
        selectors={"img[alt=first]": 1, "img[alt]": 2},
    ),
    "linked_files": Nasty(
        [text("![one](pictures/_one.png)\n\n<img alt='two' src='pictures/_one.png'>")],
        selectors={"img[alt=one]": 1, "img[alt=two]": 1},
    ),
    "colours": Nasty(
        [code("x", stream("\x1b[1;31mred\x1b[0m \x1b]8;;http://a\x07link\x1b]8;;\x07"))],
        texts=["red link"],
        absent=["[1;31m", "\x1b"],
    ),
    "colours_of_html": Nasty(
        [code("x", shown(text_html=RICH))],
        texts=["Model (Dense)"],
        absent=["0087ff"],
        selectors={"pre span[style='font-weight: bold']": 1, "pre span[style]": 1},
    ),
    "noise": Nasty(
        [
            code(
                "x",
                stream("warned", "stderr"),
                stream("  0%|   | 0/2 [00:00<?]\r100%|██| 2/2 [00:01<00:00]\nold\rnew\n"),
                new_output("display_data", WIDGET),
                new_output("display_data", METRICS),
            )
        ],
        texts=["new", "a = 1"],
        absent=["warned", "0%|", "old", "HBox"],
    ),
    "errors": Nasty([code("1/0", ERROR)], texts=["E: no {{ way }}"], selectors={".error": 1}),
    "hidden": Nasty(
        [
            code("cell_gone", stream("its output"), tags=["remove-cell"]),
            code("input_gone", stream("output stays"), tags=["remove-input"]),
            code("output_of_this_goes", stream("output gone"), tags=["remove-output"]),
        ],
        texts=["output stays", "output_of_this_goes"],
        absent=["cell_gone", "its output", "input_gone", "output gone"],
    ),
    "details": Nasty(
        [
            text(
                "<details>\n<summary>Solution</summary>\n\n**Yes**, $x$\n\n```r\ny\n```\n</details>"
            )
        ],
        texts=["Solution", "Yes", "y"],
        formulas=["x"],
        selectors={"details > summary": 1, "details strong": 1, "details pre": 1},
    ),
    "details_left_open": Nasty(
        [text("<details><summary>Open"), text("not inside")], selectors={"details": 1}
    ),
    "links": Nasty(
        [
            text("# Start here"),
            text("[top](#Start-here) [other](dollars.ipynb#A-b) [s](#Not-here%3F)\n\n## Not here?"),
        ],
        selectors={
            "a[href='/blog/dollars.html#A-b']": 1,
            "a[href='#']": 1,
            "h2[id='Not-here?']": 1,
        },
    ),
    "title": Nasty(
        [text('# "A": #1, *日本* {{ x }} --- & `y`')],
        texts=['"A": #1, 日本 {{ x }} --- & y'],
        selectors={"main h1": 1},
    ),
    "front_matter": Nasty(
        [text("# Not this")],
        metadata={"article": {"title": "yes", "tags": ["a: b", "1,000", ":c"], "n": 3}},
        texts=["yes", "Not this"],
        selectors={"main h1": 2},
    ),
    "lists": Nasty(
        [text("3. three\n4. four\n   - in four\n\n* a\n\n  b"), text("1. one"), text("1. again")],
        selectors={"ol": 3, "ol[start='3']": 1, "li": 6},
    ),
    "other_language": Nasty([code("x <- c(1)")], metadata={"language_info": {"name": "R"}}),
    "raw_cells": Nasty(
        [
            new_raw_cell("<i>html</i>", metadata={"raw_mimetype": "text/html"}),
            new_raw_cell("latex", metadata={"raw_mimetype": "text/latex"}),
        ],
        texts=["html"],
        absent=["latex"],
        selectors={"i": 1},
    ),
    "markdown_output": Nasty(
        [code("show", shown(text_markdown="```python\ndef f(): {{ x }}\n```"))],
        texts=["def f(): {{ x }}"],
        selectors={".language-python": 2},
    ),
}

HOSTILE = Nasty(
    [
        text("# <script>run(1)</script> title"),
        text("<script>run(2)</script><b onclick='run(3)'>b</b> [l](javascript:run(4)) $x < y$"),
        text("$\\href{javascript:run(5)}{x}$ <a href='&#106;avascript:run(6)'>a</a>"),
        code("x", shown(text_html="<iframe srcdoc='<script>run(7)</script>'></iframe><p>kept</p>")),
        code(
            "svg",
            new_output(
                "display_data",
                {
                    "image/svg+xml": '<svg xmlns="http://www.w3.org/2000/svg" onload="run(8)">'
                    "<script>run(9)</script><circle r='1'/></svg>"
                },
            ),
        ),
        code("js", shown(application_javascript="run(10)", text_plain="plain")),
    ],
    metadata={"article": {"subtitle": "<img src=x onerror=run(11)>"}},
)


def write_linked_files(folder) -> None:
    """Write what the notebook ``linked_files`` links to."""
    (folder / "pictures").mkdir()
    (folder / "pictures" / "_one.png").write_bytes(base64.b64decode(PIXEL))
