"""The command line: ``python -m nn_helpers run`` and ``python -m nn_helpers execute``.

Exit codes: 0 done, 1 a notebook failed, 2 wrong use, 130 interrupted.
"""

import argparse
import ast
import sys
from collections.abc import Sequence
from typing import Any

from nn_helpers import runs

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130

_RUN_EXAMPLE = """\
examples:
  python -m nn_helpers run
  python -m nn_helpers run notebooks/03_tensorflow_mlp.ipynb -p n_epochs 2 -p hidden_layers "[100, 50]"
"""  # noqa: E501 - a command stands on one line
_EXECUTE_EXAMPLE = """\
example:
  python -m nn_helpers execute notebooks/03_tensorflow_mlp.ipynb
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except runs.RunError as error:
        return _stop(f"{error.details}\n{error}".strip(), FAILED)
    except (ValueError, FileNotFoundError, FileExistsError) as error:
        return _stop(f"error: {error}", WRONG_USE)
    except OSError as error:
        return _stop(f"error: {error}; what was done before stays", FAILED)
    except KeyboardInterrupt:
        return _stop("interrupted; the notebooks that were done stay as they are", INTERRUPTED)
    return 0


def parse_value(text: str) -> Any:
    """Read a parameter's value as papermill's ``-p`` does, and lists beside: ``[100, 50]``."""
    constants = {"True": True, "False": False, "None": None}
    if text in constants:
        return constants[text]
    for read in (int, float, _read_list):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _read_list(text: str) -> list:
    """Read a list in Python's notation, or raise ``ValueError``."""
    try:
        value = ast.literal_eval(text)
    except SyntaxError as error:
        raise ValueError(text) from error
    if not isinstance(value, list):
        raise ValueError(text)
    return value


def _run(options: argparse.Namespace) -> None:
    parameters = {name: parse_value(value) for name, value in options.parameters}
    results = runs.run_notebooks(options.notebooks, options.output, parameters)
    print(f"\n{runs.format_results(results)}")


def _execute(options: argparse.Namespace) -> None:
    runs.execute_in_place(options.notebooks)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m nn_helpers", description="Run the notebooks without a browser."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    run = _command(
        commands,
        "run",
        _run,
        "execute copies of notebooks and print what they measured",
        "The committed notebooks stay as they are.",
        _RUN_EXAMPLE,
    )
    run.add_argument(
        "-p",
        dest="parameters",
        metavar=("NAME", "VALUE"),
        nargs=2,
        action="append",
        default=[],
        help="a value in place of a notebook's default; may be repeated",
    )
    run.add_argument(
        "--output",
        metavar="DIR",
        help="folder for the executed copies (default: a new one under runs/)",
    )
    _command(
        commands,
        "execute",
        _execute,
        "execute notebooks in place, for committing",
        "A notebook that fails stays as it was.",
        _EXECUTE_EXAMPLE,
    )
    return parser


def _command(
    commands: Any, name: str, function: Any, purpose: str, note: str, example: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}. {note}",
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "notebooks",
        metavar="NOTEBOOK",
        nargs="*",
        help="a notebook's path (default: the project's five)",
    )
    command.set_defaults(command=function)
    return command


def _stop(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
