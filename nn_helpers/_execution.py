"""Notebooks executed from outside: by papermill into a copy, by nbclient in place.

Both report on standard error.
"""

import re
import sys
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

from nn_helpers._files import write_whole
from nn_helpers._kernel import kernel_manager_class
from nn_helpers._places import RUN_VARIABLE, relative

KERNEL_NAME = "python3"
_KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": KERNEL_NAME}
_AUTHOR_METADATA = ("article", "authors", "title")
_EXECUTION_METADATA = ("execution", "papermill", "ExecuteTime")
_OUTPUT_TIMEOUT = 60  # seconds that a cell's last outputs may take on a busy machine
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


class RunError(RuntimeError):
    """A notebook failed; the message says where, and what became of the file.

    Attributes
    ----------
    details : str
        The traceback where no file keeps it, else empty.
    """

    def __init__(self, message: str, details: str = ""):
        super().__init__(message)
        self.details = details


def say(message: str) -> None:
    """Print one line on standard error."""
    print(message, file=sys.stderr, flush=True)


def execute_copy(
    source: Path, copy: Path, parameters: dict[str, Any], label: str | None, shown: Path
) -> tuple[dict[str, Any], float]:
    """Execute `source` with papermill into `copy`; return the notebook and the seconds it took.

    Messages call the copy `shown`; without a label there is no progress.

    Raises
    ------
    RunError
        If a cell fails or the kernel dies; `copy` then holds what was executed.
    """
    from papermill import PapermillExecutionError, execute_notebook

    _write_copies_whole()
    started = _start(label)
    aftermath = f"its copy is {relative(shown)}"
    try:
        variables = {RUN_VARIABLE: str(copy.parent)}
        with kernel_manager_class(variables, quiet=label is None) as kind:
            notebook = execute_notebook(
                literal(source),
                literal(copy),
                parameters,
                kernel_name=KERNEL_NAME,
                language="python",
                progress_bar=label is not None and {"desc": label, **_bar()},
                log_output=False,
                cwd=source.parent,
                kernel_manager_class=kind,
                iopub_timeout=_OUTPUT_TIMEOUT,
            )
    except PapermillExecutionError as error:
        raise RunError(_sentence(source, error.exec_count, error, aftermath)) from None
    except (RuntimeError, TimeoutError) as error:
        raise RunError(_lost(source, error, aftermath)) from error
    return notebook, _finish(label, started)


def literal(path: Path) -> str:
    """Write a path for papermill, which takes braces for placeholders."""
    return str(path).replace("{", "{{").replace("}", "}}")


@cache
def _write_copies_whole() -> None:
    """Have papermill write files with an absolute path whole or not at all."""
    from papermill.iorw import LocalHandler, papermill_io

    class WholeFiles(LocalHandler):
        def write(self, buf: str, path: str) -> None:
            write_whole(Path(path), buf)

    papermill_io.register("/", WholeFiles())


def execute_in_place(path: Path) -> None:
    """Execute a notebook and replace the file by the result, for committing.

    Its outputs are those of one run from top to bottom. Of the metadata stay the kernel's and the
    language's names, what an author wrote (``article``, ``authors``, ``title``), and the cells'
    own without timings. The file is replaced whole, or not at all.

    Raises
    ------
    RunError
        If a cell fails or the kernel dies; the file stays as it was.
    """
    import nbformat

    path = path.resolve()
    notebook = nbformat.read(path, as_version=4)
    started = _start(path.name)
    language = _execute_cells(notebook, path)
    _clean(notebook, language)
    write_whole(path, nbformat.writes(notebook) + "\n")
    _finish(path.name, started)


def _execute_cells(notebook: Any, path: Path) -> dict[str, Any]:
    """Execute the cells of `notebook`; return what the kernel says of its language."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from tqdm import tqdm

    aftermath = "the file stays as it was"
    try:
        with kernel_manager_class() as kind:
            client = NotebookClient(
                notebook,
                kernel_name=KERNEL_NAME,
                kernel_manager_class=kind,
                record_timing=False,
                store_widget_state=False,
                timeout=None,
                iopub_timeout=_OUTPUT_TIMEOUT,
                raise_on_iopub_timeout=True,
            )
            with (
                client.setup_kernel(cwd=str(path.parent)),
                tqdm(total=len(notebook.cells), desc=path.name, **_bar()) as bar,
            ):
                for index, cell in enumerate(notebook.cells):
                    if cell.cell_type == "code":
                        cell.outputs, cell.execution_count = [], None
                        client.execute_cell(cell, index)
                    bar.update()
                return client.wait_for_reply(client.kc.kernel_info())["content"]["language_info"]
    except CellExecutionError as error:
        details = _COLOURS.sub("", error.traceback)
        raise RunError(_sentence(path, cell.execution_count, error, aftermath), details) from None
    except (RuntimeError, TimeoutError) as error:
        raise RunError(_lost(path, error, aftermath)) from error


def _bar() -> dict[str, Any]:
    """Return tqdm's settings: a bar in a terminal, which leaves nothing there."""
    bar_format = "{desc}: cell {n_fmt} of {total_fmt} |{bar:30}| {elapsed}"
    return {"bar_format": bar_format, "leave": False, "disable": None}


def _start(label: str | None) -> float:
    if label is not None and not sys.stderr.isatty():  # a terminal shows the bar
        say(f"{label}: running")
    return perf_counter()


def _finish(label: str | None, started: float) -> float:
    seconds = perf_counter() - started
    if label is not None:
        say(f"{label}: done in {seconds:.1f} s")
    return seconds


def _sentence(path: Path, number: int | None, error: Any, aftermath: str) -> str:
    reason = f"{error.ename}: {error.evalue}".strip().partition("\n")[0]
    return f"{path.name} failed in cell [{number}] with {reason}; {aftermath}"


def _lost(path: Path, error: Exception, aftermath: str) -> str:
    reason = str(error).strip().partition("\n")[0]
    return f"{path.name} lost its kernel, perhaps for want of memory ({reason}); {aftermath}"


def _clean(notebook: Any, language: dict[str, Any]) -> None:
    """Leave of the metadata what says nothing of this machine and this run."""
    from nbformat import NotebookNode

    kept = {key: notebook.metadata[key] for key in _AUTHOR_METADATA if key in notebook.metadata}
    names = {key: value for key, value in language.items() if key != "version"}
    notebook.metadata = NotebookNode(kernelspec=_KERNELSPEC, language_info=names, **kept)
    for cell in notebook.cells:
        for key in _EXECUTION_METADATA:
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = _merge_streams(cell.outputs)


def _merge_streams(outputs: list[Any]) -> list[Any]:
    """Join consecutive pieces of a stream, whose borders are a matter of timing."""
    merged: list[Any] = []
    for output in outputs:
        previous = merged[-1] if merged else None
        if (
            previous is not None
            and output.output_type == previous.output_type == "stream"
            and output.name == previous.name
        ):
            previous.text += output.text
        else:
            merged.append(output)
    return merged
