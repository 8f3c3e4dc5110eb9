"""The pieces of a notebook as blocks of an article: Markdown, HTML, images, text."""

import re
from typing import Any
from urllib.parse import unquote

from bs4 import BeautifulSoup, Comment, NavigableString, Tag
from mistune import BlockParser, InlineParser
from nbconvert.filters.markdown_mistune import (
    IPythonRenderer,
    MarkdownWithMath,
    MathBlockParser,
)

from nn_helpers.articles import _images, _kramdown, _sanitize
from nn_helpers.articles._formulas import Formula, FormulaText, Hidden
from nn_helpers.articles._images import ImageError, Images
from nn_helpers.articles._links import article_address, notebook_name

_NOT_PROSE = {"pre", "code", "script", "style", "textarea", "template", "title"}
_HEADINGS = re.compile(r"h[1-6]\Z")
_TYPESET = re.compile(r"\\\(.+?\\\)|\\\[.+?\\\]|\\begin\{(\w+\*?)\}.+?\\end\{\1\}", re.DOTALL)
_SCROLL = "overflow-x: auto"


class _Blocks(MathBlockParser):
    """nbconvert's blocks, without its search for formulas, which are hidden by then."""

    DEFAULT_RULES = BlockParser.DEFAULT_RULES


class _Renderer(IPythonRenderer):
    """nbconvert's HTML, with code that the site is to highlight and images to look at later."""

    def __init__(self) -> None:
        super().__init__(escape=False, exclude_anchor_links=True)

    def block_code(self, code: str, info: str | None = None) -> str:
        language = (info or "").split(maxsplit=1)
        name = f' class="language-{self.escape_html(language[0])}"' if language else ""
        return f"<pre><code{name}>{self.escape_html(code)}</code></pre>\n"

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return super(IPythonRenderer, self).image(text, url, title)


def _render(markdown: str) -> str:
    inline = InlineParser(hard_wrap=False)
    return MarkdownWithMath(_Renderer(), block=_Blocks(), inline=inline).render(markdown)


class Page:
    """An article in the making.

    Parameters
    ----------
    images : Images
        Takes its image files.
    title : str or None
        The title; with ``None`` the first heading is taken, and leaves the text.
    sanitizer : Sanitizer or None
        Makes HTML harmless.

    Attributes
    ----------
    title : str or None
        As given, or what the first heading said.
    mathjax : bool
        Whether there was a formula so far.
    heading : str
        The last heading so far.
    """

    def __init__(self, images: Images, title: str | None, sanitizer: Any = None):
        self.title = title
        self.mathjax = False
        self.heading = ""
        self._images = images
        self._sanitizer = sanitizer
        self._title_id: str | None = None
        self._seen_heading = False
        self._identifiers: set[str] = set()
        self._tables = 0

    def markdown(self, source: str, cell: Any, number: int) -> str:
        """Turn Markdown, as Jupyter reads it, into blocks of the article."""
        hidden = Hidden(source)
        soup = self._parse(_render(hidden.text))
        for string in soup.find_all(string=True):
            self._put_formulas(string, hidden, str(string))
        for tag in soup.find_all(True):
            for name, value in tag.attrs.items():
                if isinstance(value, str):
                    tag[name] = hidden.restore(value)
        self._take_headings(soup)
        self._finish(soup, cell, number)
        return _kramdown.write(soup)

    def html(self, source: str, cell: Any, number: int) -> str:
        """Turn the HTML of an output into a block of the article."""
        soup = self._parse(source)
        _take_colours(soup)
        for string in soup.find_all(string=True):
            hidden = Hidden(str(string))
            self._put_formulas(string, hidden, hidden.text)
        self._finish(soup, cell, number)
        return _kramdown.html(_kramdown.markup(soup))

    def latex(self, source: str, cell: Any, number: int) -> str:
        """Turn the LaTeX of an output into blocks; a formula alone gets a line of its own."""
        found = Hidden(source.strip())
        if found.formulas and not "".join(x for x in found.split(found.text) if isinstance(x, str)):
            tex = "\n".join(formula.tex for formula in found.formulas)
            source = f"$${tex.replace('$$', '')}$$"
        return self.markdown(source, cell, number)

    def image(self, mime: str, output: Any, cell: Any, number: int, index: int) -> str:
        """Turn an image of an output into a file and the block that shows it."""
        address, data = self._images.output(mime, output.data[mime], number - 1, index)
        given = output.metadata.get(mime, {})
        said = given.get("alt") if isinstance(given, dict) else None
        return _kramdown.figure(address, self._alternative(cell, data, said))

    def _parse(self, source: str) -> BeautifulSoup:
        return BeautifulSoup(
            self._sanitizer.html(source) if self._sanitizer else source, "html.parser"
        )

    def _put_formulas(self, string: NavigableString, hidden: Hidden, text: str) -> None:
        """Put the formulas of `text` back: for MathJax in prose, as they were elsewhere."""
        if isinstance(string, Comment) or any(p.name in _NOT_PROSE for p in string.parents):
            if hidden.formulas and (restored := hidden.restore(text)) != string:
                string.replace_with(type(string)(restored))
            return
        self.mathjax |= bool(_TYPESET.search(string))
        pieces: list[Any] = []
        for piece in hidden.split(text):
            pieces += self._typeset(piece) if isinstance(piece, Formula) else _dollars(piece)
        if len(pieces) != 1 or isinstance(pieces[0], FormulaText | Tag):
            string.replace_with(*pieces)

    def _typeset(self, formula: Formula) -> list[Tag | FormulaText]:
        if self._sanitizer and _sanitize.is_active(formula.tex):
            return [_tag("code", formula.source)]
        self.mathjax = True
        return [FormulaText.of(formula)]

    def _take_headings(self, soup: BeautifulSoup) -> None:
        """Give headings the identifiers that Jupyter gives them; make the first one the title."""
        for heading in soup.find_all(_HEADINGS):
            text = _plain(heading)
            identifier = re.sub(r"\s", "-", _plain(heading, sources=True).strip())
            self.heading = text
            first, self._seen_heading = not self._seen_heading, True
            if first and self.title in {None, text}:
                self.title, self._title_id = _plain(heading, typeset=True), identifier
                heading.decompose()
                continue
            name, count = identifier, 1
            while name in self._identifiers:
                name, count = f"{identifier}-{count}", count + 1
            self._identifiers.add(name)
            if name:
                heading.attrs.setdefault("id", name)

    def _finish(self, soup: BeautifulSoup, cell: Any, number: int) -> None:
        for image in soup.find_all("img"):
            self._take_image(image, cell, number)
        for link in soup.find_all("a", href=True):
            self._lead_to_article(link)
        for table in soup.find_all("table"):
            self._let_scroll(table)

    def _take_image(self, image: Tag, cell: Any, number: int) -> None:
        source, data = str(image.get("src", "")), b""
        if source.startswith("attachment:"):
            name = source.removeprefix("attachment:")
            address, data = self._images.attachment(name, cell.get("attachments", {}), number - 1)
            image["src"] = address
        elif _images.is_local(source):
            image["src"], data = self._images.linked(source)
        if not image.get("alt"):
            image["alt"] = self._alternative(cell, data, image.get("title"))

    def _alternative(self, cell: Any, data: bytes, said: Any = None) -> str:
        """Find words for an image: the author's, the image's own title, those of its place."""
        given = cell.metadata.get("alt", "")
        if isinstance(given, list):
            used = cell.metadata.setdefault("alt_used", 0)
            cell.metadata["alt_used"] = used + 1
            given = given[used] if used < len(given) else ""
        if not isinstance(given, str):
            raise ImageError(f"metadata alt must be a text or a list of texts, got {given!r}")
        code = cell.source if cell.cell_type == "code" else ""
        words = given or (said if isinstance(said, str) else "") or _images.own_title(data)
        words = (
            words
            or _images.title_in_code(code)
            or f"Figure: {self.heading or self.title or 'no title'}"
        )
        return " ".join(words.split())

    def _lead_to_article(self, link: Tag) -> None:
        """Let a link to a notebook, or to a heading of this one, lead to the article's."""
        address, _, anchor = link["href"].partition("#")
        if not address and anchor and unquote(anchor) == self._title_id:
            link["href"] = "#"
        elif _images.is_local(address) and (name := notebook_name(address)):
            link["href"] = article_address(name) + (f"#{anchor}" if anchor else "")

    def _let_scroll(self, table: Tag) -> None:
        """Put a table into a box that scrolls, by finger or by keyboard, and name its headers."""
        self._tables += 1
        if "dataframe" in table.get("class", []):
            table.attrs.pop("border", None)
            for style in table.parent.find_all("style", recursive=False):
                if ".dataframe" in style.get_text():
                    style.decompose()
        for header in table.find_all("th"):
            header.attrs.setdefault("scope", "col" if header.find_parent("thead") else "row")
        label = f"Table {self._tables}"
        attributes = {
            "class": "table-scroll",
            "role": "region",
            "aria-label": label,
            "tabindex": "0",
        }
        table.wrap(_tag("div", "", attributes | {"style": _SCROLL}))


def _plain(node: Tag, sources: bool = False, typeset: bool = False) -> str:
    """Return the text of a heading, with formulas as they stood, as TeX, or for MathJax."""
    pieces = []
    for string in node.find_all(string=True):
        if isinstance(string, FormulaText) and not typeset:
            pieces.append(string.formula.source if sources else string.formula.tex)
        elif not isinstance(string, Comment):
            pieces.append(str(string))
    return " ".join("".join(pieces).split()) if not sources else "".join(pieces)


def _take_colours(soup: BeautifulSoup) -> None:
    """Take out a terminal's colours, which suit one background only; what is bold stays so."""
    for span in soup.select("pre span[style]"):
        rules = [rule.strip() for rule in span["style"].split(";") if rule.strip()]
        kept = [rule for rule in rules if "color" not in rule.partition(":")[0]]
        span["style"] = "; ".join(kept)
        if not kept:
            span.unwrap()


def _dollars(text: str) -> list[NavigableString | Tag]:
    """Keep two dollars in one text apart, which some sites would take for a formula."""
    if text.count("$") < 2:
        return [NavigableString(text)] if text else []
    nodes: list[NavigableString | Tag] = []
    for piece in re.split(r"(\$)", text):
        if piece:
            nodes.append(_tag("span", piece) if piece == "$" else NavigableString(piece))
    return nodes


def _tag(name: str, text: str, attributes: dict[str, str] | None = None) -> Tag:
    tag = BeautifulSoup("", "html.parser").new_tag(name, attrs=attributes or {})
    if text:
        tag.string = text
    return tag
