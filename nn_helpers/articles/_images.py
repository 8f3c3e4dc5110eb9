"""Images as files: those in outputs, those attached to a cell, those that a notebook links to."""

import base64
import binascii
import html
import re
import struct
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from nn_helpers.articles._liquid import BASE_URL

FOLDER = "assets/images"

_SIGNATURES = [
    (rb"\x89PNG\r\n\x1a\n", ".png"),
    (rb"\xff\xd8\xff", ".jpg"),
    (rb"GIF8[79]a", ".gif"),
    (rb"RIFF....WEBP", ".webp"),
    (rb"....ftypavif", ".avif"),
    (rb"BM", ".bmp"),
    (rb"(?:\xef\xbb\xbf)?\s*<(?:svg\b|\?xml\b|!--|!DOCTYPE\s+svg\b)(?s:.*)</svg", ".svg"),
]
_SVG_TITLE = re.compile(r"<(?:svg:)?title\b[^>]*>(.*?)</", re.DOTALL)
_CODE_TITLE = re.compile(
    r"\b(?:sup|set_|gg)?title\s*[(=]\s*r?(?:\"([^\"\n]+)\"|'([^'\n]+)')"  # as plt.title("…")
)
_MAX_NAME = 80


class ImageError(ValueError):
    """An image that cannot be published; the message says which and why."""


class Images:
    """The image files of one article.

    Parameters
    ----------
    name : str
        The article's, which its images' folder and names carry.
    outputs : dict
        Takes the files: nbconvert's writer writes it, path to bytes.
    folder : Path
        Where the notebook lies; what it links to is found from there.
    clean_svg : callable or None
        Makes the bytes of an SVG harmless; ``None`` takes them as they are.
    """

    def __init__(self, name: str, outputs: dict[str, bytes], folder: Path, clean_svg: Any = None):
        self._name = name
        self._outputs = outputs
        self._folder = folder
        self._clean_svg = clean_svg

    def add(self, data: bytes, name: str, what: str) -> str:
        """Store an image under `name`, made safe and unique, and return its address.

        Raises
        ------
        ImageError
            If `data` are no image that a browser shows; `what` names it in the message.
        """
        extension = _extension(data)
        if extension is None:
            raise ImageError(f"{what} is no PNG, JPEG, GIF, WebP, AVIF, BMP or SVG image")
        if extension == ".svg" and self._clean_svg:
            data = self._clean_svg(data, what)
        folder = f"{FOLDER}/{self._name}_files"
        stem, number = _safe_stem(name), 1
        path = f"{folder}/{stem}{extension}"
        while self._outputs.get(path, data) != data:
            number += 1
            path = f"{folder}/{stem}-{number}{extension}"
        self._outputs[path] = data
        return f"{BASE_URL}/{quote(path)}"

    def output(self, mime: str, data: str, cell: int, index: int) -> tuple[str, bytes]:
        """Store an image of a cell's output; return its address and its bytes."""
        what = f"output {index + 1}, {mime},"
        binary = data.encode() if mime == "image/svg+xml" else _decode(data, what)
        return self.add(binary, f"{self._name}_{cell}_{index}", what), binary

    def attachment(self, name: str, attachments: dict[str, Any], cell: int) -> tuple[str, bytes]:
        """Store an image attached to a cell.

        Raises
        ------
        ImageError
            If there is no such attachment, or it is no image.
        """
        bundle = attachments.get(name) or attachments.get(unquote(name)) or {}
        mimes = [mime for mime in bundle if mime.startswith("image/")]
        if not mimes:
            raise ImageError(f"attachment {name!r} is missing, attach the image to the cell again")
        mime = min(mimes, key=lambda mime: (mime != "image/svg+xml", mime != "image/png", mime))
        data, what = bundle[mime], f"attachment {name!r}"
        plain_svg = mime == "image/svg+xml" and data.lstrip().startswith("<")
        binary = data.encode() if plain_svg else _decode(data, what)
        return self.add(binary, f"{self._name}_{cell}_{_last_part(unquote(name))}", what), binary

    def linked(self, address: str) -> tuple[str, bytes]:
        """Store a file that an image's address names, found from the notebook's folder.

        Raises
        ------
        ImageError
            If there is no such file, or it is no image.
        """
        relative = unquote(urlsplit(address).path)
        what = f"image {address!r}"
        try:
            data = (self._folder / relative).read_bytes()
        except (OSError, ValueError):
            raise ImageError(f"{what} is missing, put the file there or remove the link") from None
        return self.add(data, _last_part(relative), what), data


def is_local(address: str) -> bool:
    """Tell whether an address names a file beside the notebook: no scheme, no host, no root."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    drive = re.match(r"[A-Za-z]:[\\/]", address)
    return bool(parts.path) and not (parts.scheme or parts.netloc or drive) and address[0] != "/"


def own_title(data: bytes) -> str:
    """Return the title that an image carries in itself, or an empty string."""
    if data.startswith(b"\x89PNG"):
        return _png_title(data)
    if _extension(data) == ".svg":
        found = _SVG_TITLE.search(data.decode(errors="replace"))
        return _one_line(html.unescape(found[1])) if found else ""
    return ""


def title_in_code(source: str) -> str:
    """Return the titles that a cell's code gives its figures, as in ``plt.title("Cost")``."""
    titles = [double or single for double, single in _CODE_TITLE.findall(source)]
    return "; ".join(dict.fromkeys(_one_line(title.replace("\\n", " ")) for title in titles))


def _decode(data: str, what: str) -> bytes:
    try:
        return base64.b64decode(re.sub(r"\s", "", data), validate=True)
    except (binascii.Error, ValueError):
        raise ImageError(f"{what} is not valid base64") from None


def _extension(data: bytes) -> str | None:
    for signature, extension in _SIGNATURES:
        if re.match(signature, data, re.DOTALL):
            return extension
    return None


def _last_part(name: str) -> str:
    return re.split(r"[/\\]", name)[-1]


def _safe_stem(name: str) -> str:
    """Write a name without its extension as Jekyll publishes it: no path, no leading ``_.#~``."""
    stem = re.sub(r"\.(?:png|jpe?g|gif|webp|avif|bmp|svg)$", "", name, flags=re.IGNORECASE)
    stem = re.sub(r"[^\w.-]+", "-", stem)[:_MAX_NAME].lstrip("._-").rstrip(".-")
    return stem or "image"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _png_title(data: bytes) -> str:
    position = 8
    while position + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[position : position + 8])
        chunk = data[position + 8 : position + 8 + length]
        keyword, _, rest = chunk.partition(b"\0")
        if keyword == b"Title" and kind == b"tEXt":
            return _one_line(rest.decode("latin-1"))
        if keyword == b"Title" and kind == b"iTXt" and len(rest) >= 2:
            text = rest[2:].split(b"\0", 2)[-1]
            try:
                text = zlib.decompress(text) if rest[0] else text
            except zlib.error:
                return ""
            return _one_line(text.decode(errors="replace"))
        position += 12 + length
    return ""
