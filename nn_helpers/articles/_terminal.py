"""What a terminal would show in the end: no colours, no progress that was overwritten."""

import re

_ESCAPES = re.compile(
    "\x1b(?:"
    r"\[[0-?]*[ -/]*[@-~]"  # colours, cursor movements
    "|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)"  # titles, links
    "|[ -/]*[0-~])"
)
_BAR = re.compile(r"\s*(?:[^|]*: *)?\d+%\|[^|]*\| *\S+/\S+ \[.*\].*")  # of tqdm
_OVERWRITTEN = re.compile(r"[\r\x08]")


def plain(text: str) -> str:
    """Return the characters that stay on the screen."""
    text = re.sub("[\x07\x1b]", "", _ESCAPES.sub("", text)).replace("\r\n", "\n")
    if not _OVERWRITTEN.search(text):
        return text
    return "\n".join(_line(line) for line in text.split("\n") if not _is_bar(line))


def _is_bar(line: str) -> bool:
    return bool(_BAR.fullmatch(_line(line)))


def _line(line: str) -> str:
    """Carry out carriage returns and backspaces."""
    shown: list[str] = []
    column = 0
    for character in line:
        if character == "\r":
            column = 0
        elif character == "\x08":
            column = max(column - 1, 0)
        else:
            shown[column : column + 1] = [character]
            column += 1
    return "".join(shown).rstrip(" ") if _OVERWRITTEN.search(line) else line
