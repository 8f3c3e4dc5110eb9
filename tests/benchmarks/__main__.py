"""The command line: ``python -m tests.benchmarks``, which `make bench` calls."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from . import figure, machine, measuring, report
from .problem import load_problem

WRONG_USE, INTERRUPTED = 2, 130


def _integer(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or not minimum <= int(text) <= maximum:
            raise argparse.ArgumentTypeError(f"must be from {minimum} to {maximum}, got {text}")
        return int(text)

    return parse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description="Measure how long an epoch takes."
    )
    parser.add_argument(
        "--examples",
        type=_integer(max(measuring.MINI_BATCHES), 60_000),
        default=60_000,
        metavar="N",
        help="training images (%(default)s unless told)",
    )
    parser.add_argument(
        "--epochs",
        type=_integer(1, 1_000),
        default=5,
        metavar="N",
        help="epochs of which the median counts, after a warm-up (%(default)s unless told)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("assets/benchmarks"),
        metavar="FOLDER",
        help="where results.md and epoch.png go (%(default)s unless told)",
    )
    parser.add_argument(
        "--readme", type=Path, metavar="FILE", help="a file whose marked block is replaced as well"
    )
    return parser


def _run(options: argparse.Namespace) -> None:
    readme = options.readme and options.readme.read_text(encoding="utf-8")
    if readme is not None:
        report.replace_block(readme, "")  # refuses a file without marks before anything is measured
    options.output.mkdir(parents=True, exist_ok=True)
    results = measuring.measure(load_problem(options.examples), options.epochs)
    described = machine.describe_machine()
    block = report.loops_block(results, described)
    picture = figure.draw_loops(results)
    text = report.markdown(results, described)
    report.write(options.output / "epoch.png", picture)
    report.write(options.output / "results.md", text.encode())
    if readme is not None:
        report.write(options.readme, report.replace_block(readme, block).encode())
    print(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return WRONG_USE
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
