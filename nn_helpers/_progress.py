"""Progress that is seen while work runs and leaves nothing behind.

In a notebook that a person runs, a bar under the cell; in a terminal, tqdm on standard error; in a
notebook executed into a file (papermill, nbconvert, nbval), nothing: those show their own progress.
"""

from collections.abc import Iterable, Iterator
from html import escape
from time import monotonic
from typing import Any

from tqdm import tqdm

_REDRAW_SECONDS = 0.1  # more often nobody sees, and Jupyter's server would drop messages


def _kernel() -> Any:
    """The Jupyter kernel this code runs in, or ``None``."""
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    return getattr(get_ipython(), "kernel", None)


class _NotebookBar:
    """A bar under the running cell; when closed, its output is empty."""

    def __init__(self, total: int, description: str):
        from IPython.display import display

        self.total, self.description, self.done, self.note = total, description, 0, ""
        self._handle = display(self._content(), raw=True, display_id=True)
        self._drawn = monotonic()

    def _content(self) -> dict[str, str]:
        text = f"{self.description}: {self.done} of {self.total} {self.note}".strip()
        bar = f'<progress value="{self.done}" max="{self.total}"></progress> {escape(text)}'
        return {"text/html": bar, "text/plain": text}

    def update(self, amount: int = 1) -> None:
        self.done += amount
        if monotonic() - self._drawn >= _REDRAW_SECONDS:
            self._handle.update(self._content(), raw=True)
            self._drawn = monotonic()

    def set_postfix_str(self, note: str) -> None:
        self.note = note

    def close(self) -> None:
        self._handle.update({"text/plain": ""}, raw=True)


class _NoBar:
    """Nothing, for a notebook that is executed into a file."""

    def update(self, amount: int = 1) -> None: ...

    def set_postfix_str(self, note: str) -> None: ...

    def close(self) -> None: ...


def progress_bar(total: int, description: str, unit: str = "it", scale: bool = False) -> Any:
    """A bar with ``update(amount)``, ``set_postfix_str(note)`` and ``close()``.

    `scale` prints a terminal's counts with SI prefixes, as bytes want.
    """
    kernel = _kernel()
    if kernel is None:
        return tqdm(
            total=total,
            desc=description,
            unit=unit,
            unit_scale=scale,
            leave=False,
            disable=None,
        )
    # Only a front end with a person before it accepts input requests.
    live = getattr(kernel, "_allow_stdin", False)
    return _NotebookBar(total, description) if live else _NoBar()


def track(items: Iterable, total: int, description: str) -> Iterator:
    """Yield each of `items`, moving a bar."""
    bar = progress_bar(total, description)
    try:
        for item in items:
            yield item
            bar.update()
    finally:
        bar.close()
