"""Pages that run nothing in a reader's browser, whoever wrote the notebook."""

import re
from typing import Any

from bs4 import BeautifulSoup
from nbconvert.preprocessors.sanitize import SanitizeHTML

from nn_helpers.articles._images import ImageError

_REMOVED = ["script", "style", "iframe", "object", "embed", "template", "noscript", "svg", "math"]
# fmt: off
_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "cite", "code", "col", "colgroup", "dd", "del",
    "details", "dfn", "div", "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5",
    "h6", "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp", "small",
    "span", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr",
    "tt", "u", "ul", "var",
}
_ATTRIBUTES = {
    "align", "alt", "class", "colspan", "dir", "height", "href", "id", "lang", "name", "open",
    "rowspan", "scope", "span", "src", "start", "style", "title", "type", "valign", "value",
    "width",
}
_STYLES = {
    "background-color", "border", "border-collapse", "color", "font-style", "font-weight", "height",
    "list-style-type", "margin", "margin-left", "margin-right", "max-width", "padding",
    "text-align", "text-decoration", "vertical-align", "width",
}
# fmt: on
_RASTER = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*\Z")
_SAFE_SCHEME = re.compile(r"(?:https?:|mailto:|attachment:|[^:]*\Z|[^:]*[/?#])", re.IGNORECASE)
_ACTIVE_TEX = re.compile(r"\\(?:href|url|require|style|class|cssId|data)\b")
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_OUTSIDE_STYLE = re.compile(r"@import|url\(\s*['\"]?(?!#)")
_ACTIVE_SVG = {"script", "foreignobject", "iframe", "object", "embed", "handler", "set", "animate"}


class Sanitizer(SanitizeHTML):
    """nbconvert's sanitiser with the tags that articles are made of.

    It cleans HTML after Markdown is rendered, since cleaning the source would escape the ``<`` and
    ``&`` of formulas and code.
    """

    def __init__(self, **settings: Any):
        lists = {"tags": sorted(_TAGS), "styles": sorted(_STYLES)}
        defaults = lists | {"attributes": _allowed, "strip": True}
        super().__init__(**(defaults | settings))

    def html(self, source: str) -> str:
        """Return `source` without anything that runs or submits."""
        soup = BeautifulSoup(source, "html.parser")
        for element in soup.find_all(_REMOVED):
            element.decompose()
        return self.sanitize_html_tags(str(soup))


def is_active(tex: str) -> bool:
    """Tell whether MathJax would make more of a formula than mathematics, such as a link."""
    return bool(_ACTIVE_TEX.search(tex))


def text(value: Any) -> Any:
    """Escape the markup in front matter, which layouts print as it is."""
    if isinstance(value, str):
        return value.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    if isinstance(value, dict):
        return {text(key): text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [text(item) for item in value]
    return value


def svg(data: bytes, what: str) -> bytes:
    """Return an SVG without scripts, event handlers, foreign content and links to programs.

    Raises
    ------
    ImageError
        If it is not well-formed, so that nobody can say what a browser makes of it.
    """
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    try:
        root = ElementTree.fromstring(data, forbid_dtd=False)
    except (ElementTree.ParseError, DefusedXmlException) as error:
        raise ImageError(f"{what} is not well-formed SVG ({error})") from None
    _clean_svg(root)
    from xml.etree.ElementTree import register_namespace, tostring

    register_namespace("", _SVG)
    register_namespace("xlink", _XLINK)
    return tostring(root, encoding="utf-8")


def _clean_svg(element: Any) -> None:
    for child in list(element):
        name = _local(child.tag)
        if name is None or name in _ACTIVE_SVG or name.startswith("animate"):
            element.remove(child)
        else:
            _clean_svg(child)
    if _local(element.tag) == "style" and re.search(
        r"@import|url\(\s*['\"]?(?!#)", element.text or ""
    ):
        element.text = ""
    for key, value in list(element.attrib.items()):
        name = _local(key)
        outside = name in {"href", "src"} and not re.match(r"#|data:image/(?!svg)", value.strip())
        if name.startswith("on") or outside or re.search(r"javascript:", value, re.IGNORECASE):
            del element.attrib[key]


def _local(tag: Any) -> str | None:
    return tag.rpartition("}")[2].lower() if isinstance(tag, str) else None


def _allowed(tag: str, name: str, value: str) -> bool:
    if tag == "input" or name not in _ATTRIBUTES:
        return False
    if name == "href":
        return tag == "a" and bool(_SAFE_SCHEME.match(value.strip()))
    if name == "src":
        address = value.strip()
        return tag == "img" and bool(_RASTER.match(address) or _SAFE_SCHEME.match(address))
    return True
