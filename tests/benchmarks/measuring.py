"""Times the loops, round by round, so that no loop alone has the machine's worse minutes."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

from nn_helpers import keras_mlp, training
from nn_helpers._tensorflow import keras

from . import competitors
from .competitors.keras_model_fit import make_model
from .problem import LEARNING_RATE, Epoch, Problem, Train, describe

WIDE_LAYERS, WIDE_MINI_BATCH = (784, 1024, 512, 10), 256
WIDTHS = (50, 200, 800)
MINI_BATCHES = (16, 64, 256, 1024)
SHARES = (1 / 6, 1 / 3, 1 / 2, 2 / 3, 1)  # of the examples: 10, 20, 30, 40 and 60 thousand
CALL_EPOCHS, CALL_ROUNDS = 20, 3
NOISE = 2  # how many times the fastest turn the slowest of a loop may take without a warning


@dataclass(frozen=True)
class Results:
    """What one run measured; each table has an `Epoch` a row, with the median of its seconds.

    Attributes
    ----------
    problem : Problem
    rounds : int
        Of how many rounds each number is the median, but for whole calls: at most `CALL_ROUNDS`.
    loops, wide, calls : dict of Epoch
        By the loop's name: an epoch, an epoch of the wide network, a call of `CALL_EPOCHS` epochs.
    growth : dict of dict of Epoch
        Of `train_mlp`, by what varies and by its value.
    skipped : dict of str
        What to install for each loop that could not run.
    """

    problem: Problem
    rounds: int
    loops: dict[str, Epoch]
    wide: dict[str, Epoch]
    growth: dict[str, dict[int, Epoch]]
    calls: dict[str, Epoch]
    skipped: dict[str, str]


def say(line: str) -> None:
    """Print a line of progress on standard error."""
    print(line, file=sys.stderr, flush=True)


def _timed(train: Train, seed: int) -> Epoch:
    start = time.perf_counter()
    result = train(seed)
    seconds = time.perf_counter() - start
    return result if isinstance(result, Epoch) else Epoch(result, seconds)


def _warn_of_noise(name: str, seconds: list[float]) -> None:
    if max(seconds) > NOISE * min(seconds):
        took = f"from {min(seconds):.3f} to {max(seconds):.3f} s"
        say(f"warning: {name} took {took}: was the machine busy? Its median may mislead")


def interleave(
    trains: dict[str, Train], rounds: int, *, title: str, warm_up: bool = True
) -> dict[str, Epoch]:
    """Give each loop a turn a round.

    In a turn a loop trains twice, and the second time counts: the first finds the processor's
    caches full of what the loop before it worked on.

    Parameters
    ----------
    trains : dict of Train
    rounds : int
        That count.
    title : str
        What the lines of progress call these loops.
    warm_up : bool
        Whether a round that does not count, in which loops compile, comes first, and a turn that
        does not count before each that does.

    Returns
    -------
    dict of Epoch
        Cost of the last epoch, and the median of the seconds.
    """
    epochs = {name: [] for name in trains}
    for number in range(1 - warm_up, rounds + 1):
        counted = f"round {number} of {rounds}" if number else "warm-up"
        for name, train in trains.items():
            if warm_up:
                train(2 * number + 1)
            epoch = _timed(train, 2 * number + 2)
            say(f"{title}, {counted}: {name} {epoch.seconds:.3f} s")
            epochs[name] += [epoch] if number else []
    for name, turns in epochs.items():
        _warn_of_noise(name, [turn.seconds for turn in turns])
    return {
        name: Epoch(turns[-1].cost, median(turn.seconds for turn in turns))
        for name, turns in epochs.items()
    }


def _growth_problems(problem: Problem) -> dict[str, dict[int, Problem]]:
    """The problem with other sizes, by what varies and by its value."""
    n_x, _, n_y = problem.layer_dims
    examples = [round(problem.m * share) for share in SHARES]
    return {
        "examples": {
            m: replace(problem, rows=problem.rows[:m], targets=problem.targets[:m])
            for m in examples
        },
        "hidden nodes": {width: replace(problem, layer_dims=(n_x, width, n_y)) for width in WIDTHS},
        "mini-batch": {size: replace(problem, mini_batch_size=size) for size in MINI_BATCHES},
    }


def _measure_growth(problem: Problem, rounds: int) -> dict[str, dict[int, Epoch]]:
    trains, names = {}, {}
    for what, problems in _growth_problems(problem).items():
        names[what] = {value: describe(changed) for value, changed in problems.items()}
        for value, name in names[what].items():
            if name not in trains:
                ready, _ = competitors.prepare(problems[value], [competitors.OURS])
                trains[name] = ready[competitors.OURS]
    epochs = interleave(trains, rounds, title="growth")
    return {
        what: {value: epochs[name] for value, name in values.items()}
        for what, values in names.items()
    }


def _calls(problem: Problem) -> dict[str, Train]:
    """Whole trainings, from the arrays to the last epoch; each compiles anew."""
    size = problem.mini_batch_size

    def train_mlp(seed: int) -> float:
        X, Y, layer_dims = problem.rows.T, problem.targets.T, list(problem.layer_dims)
        sizes = {"n_epochs": CALL_EPOCHS, "mini_batch_size": size}
        result = training.train_mlp(
            X, Y, None, None, layer_dims, learning_rate=LEARNING_RATE, **sizes
        )
        return float(result.history["cost"].iloc[-1])

    def keras_call(fit: Callable, **options) -> Train:
        def train(seed: int) -> float:
            sizes = {"batch_size": size, "epochs": CALL_EPOCHS}
            model = make_model(problem)
            history = fit(model, problem.rows, problem.targets, **sizes, **options)
            return history.history["loss"][-1]

        return train

    return {
        competitors.OURS: train_mlp,
        "nn_helpers: keras_mlp.fit": keras_call(keras_mlp.fit),
        "Keras: Model.fit": keras_call(keras.Model.fit, verbose=0),
    }


def measure(problem: Problem, rounds: int) -> Results:
    """Measure everything that the tables show.

    Parameters
    ----------
    problem : Problem
        The network and data of the first table.
    rounds : int
        Of which each number is the median.
    """
    trains, skipped = competitors.prepare(problem)
    for name, install in skipped.items():
        say(f"skipped: {name} ({install})")
    loops = interleave(trains, rounds, title="loops")
    trains.clear()
    wide_problem = replace(problem, layer_dims=WIDE_LAYERS, mini_batch_size=WIDE_MINI_BATCH)
    wide, _ = competitors.prepare(wide_problem, [competitors.OURS, competitors.PYTORCH])
    return Results(
        problem=problem,
        rounds=rounds,
        loops=loops,
        wide=interleave(wide, rounds, title="wide network"),
        growth=_measure_growth(problem, rounds),
        calls=interleave(
            _calls(problem), min(rounds, CALL_ROUNDS), title="whole calls", warm_up=False
        ),
        skipped=skipped,
    )
