"""Record how the three strategies of a search compare: the same budget for each, several seeds.

A search maximises the accuracy on the 6,000 images that are set apart for validation; the test
images have no part in it. Each seed has a process of its own: TensorFlow keeps what it compiles for
an architecture as long as the process lives, and every search tries many architectures.
"""

import dataclasses
import json
import signal
import subprocess
import sys
from time import perf_counter
from typing import Any

import pandas as pd

from nn_helpers import datasets, preprocessing, records, tuning

NAME = "search_comparison"
SEEDS = (1, 2, 3, 4, 5)
SETTINGS = {
    "n_trials": 15,
    "n_epochs": 5,
    "mini_batch_size": tuning.MINI_BATCH_SIZE,
    "split": {"validation_fraction": 0.1, "seed": 1},
}


def make_objective(n_epochs: int, mini_batch_size: int, split: dict[str, Any]) -> tuning.Objective:
    """Return the objective, after a first training, which takes longer than any other."""
    data = datasets.load_fashion_mnist()
    X = preprocessing.flatten(preprocessing.normalize(data.train_images))
    Y = preprocessing.one_hot(data.train_labels)
    train, validation = preprocessing.train_validation_split(data.train_labels, **split)
    objective = tuning.make_objective(
        X[:, train], Y[:, train], X[:, validation], Y[:, validation], n_epochs, mini_batch_size
    )
    objective({"layer_dims": [X.shape[0], Y.shape[0]], "learning_rate": 1e-3, "n_epochs": 1})
    return objective


def compare_here(seed: int, n_trials: int, **settings: Any) -> None:
    """Compare the strategies in this process and print the columns of their trials."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the message is left to the calling process
    objective = make_objective(**settings)
    trials = tuning.compare_strategies(objective, tuning.MLP_SPACE, n_trials, [seed])
    print(json.dumps(trials.round({"seconds": 2}).to_dict("list")))


def compare(seed: int) -> pd.DataFrame:
    """Compare the strategies in a process of its own; return their trials."""
    command = [sys.executable, __file__, json.dumps({"seed": seed, **SETTINGS})]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if process.returncode == -signal.SIGINT:
        raise KeyboardInterrupt
    process.check_returncode()
    return pd.DataFrame(json.loads(process.stdout))


def measure() -> pd.DataFrame:
    """Compare the strategies with every seed and return all trials."""
    tables = []
    for seed in SEEDS:
        tables.append(compare(seed))
        for strategy, trials in tables[-1].groupby("strategy", sort=False):
            best = trials.loc[~trials["pruned"], "validation_accuracy"].max()
            seconds = trials["seconds"].sum()
            print(f"seed {seed}, {strategy}: best {best:.4f} ({seconds:.0f} s)", flush=True)
    return pd.concat(tables, ignore_index=True)


def main() -> None:
    if len(sys.argv) > 1:
        return compare_here(**json.loads(sys.argv[1]))
    started = perf_counter()
    try:
        trials = measure()
    except KeyboardInterrupt:
        sys.exit(f"interrupted: the record {NAME} stays as it was")
    space = {name: dataclasses.asdict(values) for name, values in tuning.MLP_SPACE.items()}
    settings = {**SETTINGS, "seeds": SEEDS, "space": space}
    results = {"trials": trials.to_dict("list")}
    records.save_record(NAME, results, settings, perf_counter() - started)


if __name__ == "__main__":
    main()
