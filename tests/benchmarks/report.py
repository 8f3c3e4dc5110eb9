"""Writes what was measured: a Markdown file, and its first table into the README."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from .competitors import OURS
from .measuring import CALL_EPOCHS, CALL_ROUNDS, WIDE_LAYERS, WIDE_MINI_BATCH, Results
from .problem import LEARNING_RATE, Epoch, describe

BLOCK = re.compile(r"(<!-- benchmarks -->\n).*?(<!-- /benchmarks -->)", re.S)


def seconds(value: float) -> str:
    """Write a time with the digits that a measurement has."""
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown whose first column holds words and whose others hold numbers."""
    heads = list(heads)
    rules = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, rules, *rows])


def _by_loop(epochs: dict[str, Epoch], what: str, of: Epoch) -> str:
    """A table with a row a loop, the fastest first."""
    ranked = sorted(epochs.items(), key=lambda item: item[1].seconds)
    return _table(
        ["loop", f"seconds {what}", "relative to train_mlp", "mean cost"],
        [
            [
                name,
                seconds(epoch.seconds),
                f"{epoch.seconds / of.seconds:.2f} ×",
                f"{epoch.cost:.3f}",
            ]
            for name, epoch in ranked
        ],
    )


def loops_block(results: Results, machine: str) -> str:
    """Return the table of the loops and what it was measured on, as the README shows them."""
    lines = [
        _by_loop(results.loops, "an epoch", results.loops[OURS]),
        "",
        f"{describe(results.problem)}, Adam with learning rate {LEARNING_RATE:g}; medians of "
        f"{results.rounds} epochs after a warm-up. {machine}.",
    ]
    if results.skipped:
        skipped = "; ".join(f"{name} (`{how}`)" for name, how in results.skipped.items())
        lines += ["", f"Not measured: {skipped}."]
    return "\n".join(lines) + "\n"


def _growth_table(results: Results) -> str:
    usual = {
        "examples": results.problem.m,
        "hidden nodes": results.problem.layer_dims[1],
        "mini-batch": results.problem.mini_batch_size,
    }
    rows = []
    for what, epochs in results.growth.items():
        of = epochs[usual[what]].seconds
        for value, epoch in epochs.items():
            ratio = f"{epoch.seconds / of:.2f} ×"
            rows.append([what, f"{value:,}", seconds(epoch.seconds), ratio, f"{epoch.cost:.3f}"])
    heads = [
        "what varies",
        "its value",
        "seconds an epoch",
        "relative to the first table's",
        "mean cost",
    ]
    return _table(heads, rows)


def markdown(results: Results, machine: str) -> str:
    """Return the whole file."""
    wide = f"{list(WIDE_LAYERS)}, mini-batches of {WIDE_MINI_BATCH:,}"
    return f"""\
# How fast it is

`make bench` writes this file. In each table all take turns, round by round, and a number is the
median of {results.rounds} rounds. In a turn a loop trains twice, and the second time counts, since
the first finds the caches full of other loops' data. The mean cost is that of the last epoch: it
shows that each loop learns.

## One epoch

{loops_block(results, machine)}
## One epoch of a wide network

{wide}, the rest as above.

{_by_loop(results.wide, "an epoch", results.wide[OURS])}

## How the time of `train_mlp` grows

One size varies, the others are those of the first table.

{_growth_table(results)}

## A whole call

{CALL_EPOCHS} epochs from the arrays to the result, compilation included; medians of
{min(results.rounds, CALL_ROUNDS)} calls.

{_by_loop(results.calls, "a call", results.calls[OURS])}
"""


def replace_block(text: str, block: str) -> str:
    """Return the README's text with another block between its two marks.

    Raises
    ------
    ValueError
        If the marks are missing.
    """
    if not BLOCK.search(text):
        raise ValueError("the README lacks the lines <!-- benchmarks --> and <!-- /benchmarks -->")
    return BLOCK.sub(lambda match: match[1] + block + match[2], text)


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)
