"""Parsed HTML as Markdown that kramdown turns back into the same HTML.

Headings, paragraphs, simple lists, code and formulas become Markdown, which an author can read and
edit. Everything else stays HTML, which kramdown passes on untouched between ``nomarkdown`` marks.
Where the two could disagree about a text, HTML is the answer.
"""

import re

from bs4 import BeautifulSoup, Comment, NavigableString, Tag

from nn_helpers.articles._formulas import FormulaText

_SPECIAL = re.compile(r"""[\\`*_\[\]{}$|"']|\.(?=\.)|-(?=-)|:(?=:)|#+$""")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "~": "&#126;", "^": "&#94;"}
_START = re.compile(r"\A(\d*)([.#+:=-])")
_ADDRESS = re.compile("(?:\x02[^\x02\x03]*\x03)?[\\w/.:?=%#~+,;@-]*", re.ASCII)
_PLAIN_ID = re.compile(r"[A-Za-z][\w:-]*", re.ASCII)
_QUOTABLE = re.compile(r"[^\"{}\\\n]+")
_PLAIN_ALT = re.compile(r"[\w ,;:()=%/+–×-]+")
_LANGUAGE = re.compile(r"[\w+#.-]+", re.ASCII)
_EXTENSION_END = re.compile(r"^( {0,3})\{(?=:/(?:nomarkdown)?\})", re.MULTILINE)
_TEX_OF_HTML = re.compile(r"\A\$|\$\$|\||\n\s*\n|[\\$]\Z")  # what kramdown takes for its own
_UNDERLINE = re.compile(r"\A[=-]")
_SPACE = re.compile(r"[ \t\n\f]+")
_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}


class _NotPlainError(Exception):
    """Markdown has no sure way to say this."""


def write(soup: BeautifulSoup) -> str:
    """Write what `soup` holds as blocks, with blank lines between them."""
    blocks: list[str] = []
    untouched: list[str] = []
    previous = None
    for node in [*soup.children, None]:
        if isinstance(node, NavigableString) and not isinstance(node, Comment) and not node.strip():
            continue
        try:
            block = _block(node, previous) if node is not None else ""
        except _NotPlainError:
            untouched.append(markup(node))
        else:
            if untouched:
                blocks.append(html("\n".join(untouched)))
                untouched = []
            blocks.append(block)
        previous = node
    return "\n\n".join(block for block in blocks if block)


def html(source: str) -> str:
    """Write HTML that kramdown passes on untouched."""
    source = _EXTENSION_END.sub(r"\1&#123;", source.strip("\n"))
    # Else the first mark and a line of these would be a heading.
    source = _UNDERLINE.sub(lambda match: f"&#{ord(match[0])};", source)
    return f"{{::nomarkdown}}\n{source}\n{{:/nomarkdown}}" if source.strip() else ""


def fence(code: str, language: str, *classes: str) -> str:
    """Write code as a block whose fence is longer than any in it."""
    longest = max(map(len, re.findall("`+", code)), default=0)
    ticks = "`" * max(3, longest + 1)
    language = language if _LANGUAGE.fullmatch(language) else "text"
    attributes = "".join(f"\n{{: .{name}}}" for name in classes)
    return f"{ticks}{language}\n{code}\n{ticks}{attributes}"


def figure(address: str, alt: str) -> str:
    """Write an image in a paragraph of its own."""
    if _PLAIN_ALT.fullmatch(alt):
        return f"![{alt}]({address})"
    image = BeautifulSoup("", "html.parser").new_tag("img", attrs={"src": address, "alt": alt})
    return html(f"<p>{markup(image)}</p>")


def markup(node: Tag | NavigableString) -> str:
    """Write a node as HTML."""
    return node.decode(formatter="minimal") if isinstance(node, Tag) else node.output_ready()


def _block(node: Tag | NavigableString, previous: Tag | NavigableString | None) -> str:
    if not isinstance(node, Tag):
        raise _NotPlainError
    if node.name in _HEADINGS and set(node.attrs) <= {"id"}:
        return f"{_HEADINGS[node.name]} {_line(node)}{_identifier(node.get('id'))}"
    if node.name == "pre":
        return _code_block(node)
    if node.attrs:
        raise _NotPlainError
    if node.name == "p":
        return _paragraph(node)
    if node.name in {"ul", "ol"} and previous is not None and previous.name not in {"ul", "ol"}:
        return _list(node)
    raise _NotPlainError


def _identifier(identifier: str | None) -> str:
    if identifier is None:
        return ""
    if _PLAIN_ID.fullmatch(identifier):
        return f" {{#{identifier}}}"
    if _QUOTABLE.fullmatch(identifier):
        return f'\n{{: id="{identifier}"}}'
    raise _NotPlainError


def _code_block(node: Tag) -> str:
    code = node.code
    if node.attrs or code is None or len(node.contents) != 1 or code.find(True):
        raise _NotPlainError
    [name] = code.get("class") or ["language-text"]
    return fence(code.get_text().removesuffix("\n"), name.removeprefix("language-"))


def _paragraph(node: Tag) -> str:
    only = node.contents[0] if len(node.contents) == 1 else None
    if isinstance(only, FormulaText) and only.formula.display:
        return f"$$\n{_tex(only)}\n$$"
    if isinstance(only, Tag) and only.name == "img" and set(only.attrs) == {"src", "alt"}:
        if _PLAIN_ALT.fullmatch(only["alt"]) and _ADDRESS.fullmatch(only["src"]):
            return figure(only["src"], only["alt"])
        raise _NotPlainError
    return _line(node)


def _list(node: Tag) -> str:
    items = [item for item in node.children if not _is_space(item)]
    if not items or any(not isinstance(item, Tag) or item.name != "li" for item in items):
        raise _NotPlainError
    if any(item.attrs for item in items):
        raise _NotPlainError
    marks = ["-"] * len(items) if node.name == "ul" else [f"{n + 1}." for n in range(len(items))]
    return "\n".join(f"{mark} {_line(item)}" for mark, item in zip(marks, items, strict=True))


def _line(node: Tag) -> str:
    """Write the content of a block in one line, whatever the site makes of line ends."""
    contents = [child for child in node.contents if not (_is_space(child) and len(node) == 1)]
    if not contents or (isinstance(contents[0], FormulaText) and len(contents) == 1):
        raise _NotPlainError
    line = _inline(node).strip(" ")
    if not line or line.endswith("\\"):
        raise _NotPlainError
    if node.name in _HEADINGS:
        return line
    return _START.sub(lambda match: f"{match[1]}\\{match[2]}", line)


def _inline(node: Tag) -> str:
    pieces = []
    for child in node.children:
        if isinstance(child, FormulaText):
            if child.formula.display:
                raise _NotPlainError
            pieces.append(f"$${_tex(child)}$$")
        elif isinstance(child, Comment):
            raise _NotPlainError
        elif isinstance(child, NavigableString):
            text = _text(str(child))
            before_link = text.endswith("!") and child.next_sibling is not None
            pieces.append(f"{text[:-1]}\\!" if before_link else text)
        else:
            pieces.append(_span(child))
    return "".join(pieces)


def _span(node: Tag) -> str:
    if node.name == "code" and not node.attrs:
        return _code_span(node.get_text())
    if node.name == "a" and set(node.attrs) == {"href"} and not node.find(["a", "code"]):
        if not _ADDRESS.fullmatch(node["href"]) or not node.get_text(strip=True):
            raise _NotPlainError
        return f"[{_inline(node)}]({node['href']})"
    mark = {"em": "*", "strong": "**"}.get(node.name)
    text = node.get_text()
    if mark is None or node.attrs or text != text.strip() or node.find(["em", "strong"]):
        raise _NotPlainError
    before, after = _neighbour(node.previous_sibling, -1), _neighbour(node.next_sibling, 0)
    if not text or (before + after).strip("()[],.;:!? \n\u2013\u2014\u201c\u201d"):
        raise _NotPlainError
    return f"{mark}{_inline(node)}{mark}"


def _neighbour(node: Tag | NavigableString | None, position: int) -> str:
    """Return the character next to a span, or a letter where another span stands."""
    if node is None:
        return ""
    return str(node)[position] if isinstance(node, NavigableString) and str(node) else "x"


def _code_span(text: str) -> str:
    if not text or text != text.strip() or re.search(r"[`|\n]", text):
        raise _NotPlainError
    return f"`{text}`"


def _tex(node: FormulaText) -> str:
    tex = node.formula.tex.strip()
    if not tex or _TEX_OF_HTML.search(tex):
        raise _NotPlainError
    return tex


def _text(text: str) -> str:
    text = _SPACE.sub(" ", text)
    text = _SPECIAL.sub(lambda match: "".join(f"\\{character}" for character in match[0]), text)
    return re.sub("[&<>~^]", lambda match: _ENTITIES[match[0]], text)


def _is_space(node: Tag | NavigableString) -> bool:
    return isinstance(node, NavigableString) and not node.strip()
