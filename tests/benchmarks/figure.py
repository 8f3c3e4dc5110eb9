"""Draws what the first table says."""

from io import BytesIO

from nn_helpers.plotting._style import DARK, MEDIUM, new_axes, set_title, styled

from .measuring import Results
from .report import seconds

DPI = 120


@styled
def draw_loops(results: Results) -> bytes:
    """Return a PNG with a bar for each loop, the fastest on top, on a logarithmic scale."""
    ranked = sorted(results.loops.items(), key=lambda item: item[1].seconds)
    names = [name for name, _ in ranked]
    times = [epoch.seconds for _, epoch in ranked]
    ax = new_axes(height=0.36 * len(names) + 1.2)
    colours = [DARK if name.startswith("nn_helpers") else MEDIUM for name in names]
    bars = ax.barh(names, times, 0.66, color=colours)
    ax.bar_label(bars, [f"{seconds(time)} s" for time in times], padding=4)
    ax.set_xscale("log")
    ax.set_xlim(times[0] / 2, times[-1] * 3)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.set(xlabel="time for one epoch (seconds, logarithmic scale)", ylabel="loop")
    problem = results.problem
    set_title(ax.figure, f"One epoch of {list(problem.layer_dims)} on {problem.m:,} images")
    buffer = BytesIO()
    ax.figure.savefig(buffer, dpi=DPI, format="png", metadata={"Software": None})
    return buffer.getvalue()
