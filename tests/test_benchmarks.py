"""`make bench`: its loops agree, it names what it skips, its files are whole; no time is asserted.

PyTorch and JAX are tried where Python finds them, as with ``PYTHONPATH=.venv/peers``.
"""

import sys
import tomllib
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import reference_mlp
from benchmarks import __main__ as command
from benchmarks import competitors, figure, machine, measuring, report
from benchmarks.problem import Epoch, Problem
from packaging.requirements import Requirement

from nn_helpers.preprocessing import normalize, one_hot, random_mini_batches

ROOT = Path(__file__).resolve().parents[1]
NAMES = list(competitors.COMPETITORS)
SELF_SHUFFLING = ["Keras: Model.fit", "TensorFlow: Core guide, eager"]
C = "C with OpenBLAS, one thread"
MARKED = "Before\n<!-- benchmarks -->\nold\n<!-- /benchmarks -->\nafter\n"


@pytest.fixture(scope="module")
def problem():
    """A few hundred noisy images of ten patterns; the last mini-batch is not full."""
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=300)
    patterns = rng.integers(0, 256, (10, 784))
    noisy = patterns[labels] + rng.normal(0, 120, (300, 784))
    noisy[:, ::3] = 0
    images = np.clip(noisy, 0, 255).astype(np.uint8)
    return Problem(normalize(images), one_hot(labels).T)


def prepared(name, problem):
    """The loop of that name, ready to train, or a skipped test."""
    trains, skipped = competitors.prepare(problem, [name])
    if skipped:
        pytest.skip(f"{name}: {skipped[name]}")
    return trains[name]


def cost_of(train, seed):
    result = train(seed)
    return result.cost if isinstance(result, Epoch) else result


def reference_costs(problem, seeds):
    """The mean cost of each epoch in float64, from the formulas."""
    X, Y = problem.rows.T, problem.targets.T
    parameters, optimizer = problem.parameters, reference_mlp.Optimizer("adam", 0.01)
    means = []
    for seed in seeds:
        if problem.shuffled:
            batches = random_mini_batches(X, Y, problem.mini_batch_size, seed)
        else:
            starts = range(0, problem.m, problem.mini_batch_size)
            batches = [(X[:, k : k + 64], Y[:, k : k + 64]) for k in starts]
        parameters, costs = reference_mlp.train(batches, parameters, optimizer, "relu", "softmax")
        means.append(np.average(costs, weights=[x.shape[1] for x, _ in batches]))
    return means


# The loops


@pytest.mark.parametrize("name", NAMES)
def test_each_loop_trains_as_the_formulas_say(name, problem):
    problem = replace(problem, shuffled=name not in SELF_SHUFFLING)
    train = prepared(name, problem)
    first, second = reference_costs(problem, [3, 4])
    assert second < 0.7 * first
    assert cost_of(train, 3) == pytest.approx(first, rel=1e-3)
    # Adam's epsilon stands elsewhere in PyTorch and in the guide: the paths part slowly.
    assert cost_of(train, 4) == pytest.approx(second, rel=1e-2)


@pytest.mark.parametrize("name", SELF_SHUFFLING)
def test_a_loop_that_shuffles_by_itself_does(name, problem):
    [in_order] = reference_costs(replace(problem, shuffled=False), [1])
    cost = cost_of(prepared(name, problem), 1)
    assert cost == pytest.approx(in_order, rel=0.3)
    assert cost != pytest.approx(in_order, rel=1e-3)


@pytest.mark.parametrize("name", [competitors.OURS, competitors.PYTORCH])
def test_the_loops_of_the_wide_network_take_more_than_one_hidden_layer(name, problem):
    wide = replace(problem, layer_dims=(784, 20, 15, 10))
    [cost] = reference_costs(wide, [1])
    assert cost_of(prepared(name, wide), 1) == pytest.approx(cost, rel=1e-3)


# What is missing


def without(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    for module in competitors.COMPETITORS.values():
        monkeypatch.delitem(sys.modules, f"{competitors.__name__}.{module}", raising=False)


@pytest.mark.parametrize(
    ("package", "name"), [("torch", competitors.PYTORCH), ("jax", "JAX: lax.scan an epoch")]
)
def test_a_missing_peer_is_skipped_by_name(package, name, problem, monkeypatch):
    without(monkeypatch, package)
    assert competitors.prepare(problem, [name]) == ({}, {name: "make bench BENCH_PEERS=1"})


def test_the_group_bench_holds_the_peers():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert {Requirement(line).name for line in groups["bench"]} == competitors.PEERS


def test_another_failing_import_is_no_reason_to_skip(problem, monkeypatch):
    without(monkeypatch, "numpy")
    with pytest.raises(ModuleNotFoundError, match="numpy"):
        competitors.prepare(problem, ["NumPy, by hand"])


@pytest.mark.parametrize(
    "cc", [None, "fatal error: cblas.h: No such file", "cannot find -lopenblas"]
)
def test_c_without_compiler_or_openblas_is_skipped_by_name(cc, problem, tmp_path, monkeypatch):
    if cc:
        (tmp_path / "cc").write_text(f"#!/bin/sh\necho '{cc}' >&2; exit 1\n")
        (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    install = "apt-get install gcc libopenblas-dev"
    assert competitors.prepare(problem, [C]) == ({}, {C: install})


# Measuring


def scripted(*epochs):
    turns = iter(epochs)
    return lambda seed: next(turns)


def test_loops_take_turns_and_no_warm_up_counts(capsys):
    cold = Epoch(9, 50)
    first = cold, Epoch(9, 100)
    trains = {
        "a": scripted(*first, Epoch(9, 99), Epoch(3, 5), cold, Epoch(2, 6), cold, Epoch(1, 7)),
        "b": scripted(*first, Epoch(9, 99), Epoch(8, 3), cold, Epoch(7, 1), cold, Epoch(6, 4)),
    }
    measured = measuring.interleave(trains, 3, title="loops")
    assert measured == {"a": Epoch(1, 6), "b": Epoch(6, 3)}
    lines = capsys.readouterr().err.splitlines()
    assert lines[:4] == [
        "loops, warm-up: a 100.000 s",
        "loops, warm-up: b 100.000 s",
        "loops, round 1 of 3: a 5.000 s",
        "loops, round 1 of 3: b 3.000 s",
    ]
    assert len(lines) == 9
    assert lines[8].startswith("warning: b took from 1.000 to 4.000 s: ")


def test_each_epoch_has_a_seed_of_its_own():
    seeds = []
    trains = {"a": lambda seed: seeds.append(seed) or 1.0}
    measuring.interleave(trains, 2, title="loops")
    assert seeds == [1, 2, 3, 4, 5, 6]


# What is written


@pytest.fixture
def small(problem, monkeypatch):
    """The command on the small problem, with a few of its settings, and without PyTorch."""
    without(monkeypatch, "torch")
    kept = {competitors.OURS, "NumPy, by hand", competitors.PYTORCH}
    for name in set(NAMES) - kept:
        monkeypatch.delitem(competitors.COMPETITORS, name)
    sizes = {"SHARES": (1,), "WIDTHS": (50,), "MINI_BATCHES": (64,), "CALL_EPOCHS": 1}
    for name, value in {**sizes, "WIDE_LAYERS": (784, 8, 6, 10)}.items():
        monkeypatch.setattr(measuring, name, value)
    monkeypatch.setattr(command, "load_problem", lambda n_examples: problem)


def test_the_files_are_whole_and_hold_a_row_for_each_loop(small, tmp_path, capsys):
    output, readme = tmp_path / "a" / "output", tmp_path / "README.md"
    readme.write_text(MARKED)
    arguments = ["--epochs=1", f"--output={output}", f"--readme={readme}"]
    assert command.main(arguments) == 0
    assert {path.name for path in output.iterdir()} == {"results.md", "epoch.png"}
    assert {path.name for path in tmp_path.iterdir()} == {"a", "README.md"}

    text = (output / "results.md").read_text()
    assert capsys.readouterr().out == f"{text}\n"
    block = report.BLOCK.search(readme.read_text())[0].split("\n", 1)[1].rpartition("\n")[0]
    assert block in text
    assert readme.read_text().startswith("Before\n")
    assert readme.read_text().endswith("\nafter\n")
    assert f"| {competitors.OURS} | " in block
    assert "| NumPy, by hand | " in block
    assert "Not measured: PyTorch, eager (`make bench BENCH_PEERS=1`)." in block
    assert machine.describe_machine() in block
    for start in ["examples | 300", "hidden nodes | 50", "mini-batch | 64"]:
        assert f"\n| {start} | " in text
    calls = text.partition("## A whole call")[2]
    for name in [competitors.OURS, "nn_helpers: keras_mlp.fit", "Keras: Model.fit"]:
        assert f"\n| {name} | " in calls
    assert str(tmp_path) not in text
    assert str(ROOT) not in text


def test_the_picture_fits_a_page(problem, tmp_path):
    loops = {name: Epoch(0.3, 0.1 * 2**k) for k, name in enumerate(NAMES)}
    results = measuring.Results(problem, 5, loops, {}, {}, {}, {})
    path = tmp_path / "epoch.png"
    path.write_bytes(figure.draw_loops(results))
    height, width, _ = matplotlib.image.imread(path).shape
    assert 600 <= width <= 900
    assert 300 <= height <= 900


def test_a_readme_without_marks_is_refused_before_anything_is_measured(tmp_path, capsys):
    readme = tmp_path / "README.md"
    readme.write_text("No marks.\n")
    assert command.main([f"--output={tmp_path / 'output'}", f"--readme={readme}"]) == 2
    assert capsys.readouterr().err.startswith("error: the README lacks the lines <!-- benchmarks")
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_an_interrupted_run_writes_nothing(small, tmp_path, monkeypatch, capsys):
    def interrupt(problem, rounds):
        raise KeyboardInterrupt

    monkeypatch.setattr(measuring, "measure", interrupt)
    assert command.main([f"--output={tmp_path}"]) == 130
    assert capsys.readouterr().err == "interrupted; nothing was written\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--examples=10", "must be from 1024 to 60000, got 10"),
        ("--epochs=0", "must be from 1 to 1000, got 0"),
        ("--epochs=x", "must be from 1 to 1000, got x"),
    ],
)
def test_wrong_numbers_are_refused(argument, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main([argument])
    assert message in capsys.readouterr().err


def test_the_readme_shows_the_table_of_the_file():
    block = report.BLOCK.search((ROOT / "README.md").read_text())[0]
    table = block.split("\n", 1)[1].rpartition("\n")[0]
    assert table.startswith("| loop | "), "call make bench"
    assert table in (ROOT / "assets" / "benchmarks" / "results.md").read_text()


def test_pytest_collects_nothing_of_the_benchmark(request):
    files = [path.name for path in (ROOT / "tests" / "benchmarks").rglob("*.py")]
    assert len(files) > 10
    patterns = request.config.getini("python_files")
    assert [f for f in files if any(fnmatch(f, pattern) for pattern in patterns)] == []
