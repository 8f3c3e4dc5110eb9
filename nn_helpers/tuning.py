"""Tuning: a search space, an objective, and two strategies that look for the best in it.

Every strategy maximises the same objective, the validation accuracy of one training, and returns
the same table, a row a trial.
"""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nn_helpers import training
from nn_helpers._progress import progress_bar
from nn_helpers.validation import check_integer

MINI_BATCH_SIZE = 100
INITIAL_SHARE = 0.4


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Attributes
    ----------
    low, high : int or float
        Two ``int`` make a range of integers.
    log : bool
        Draw uniformly in the logarithm, so that each factor of ten gets its share.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not -math.inf < self.low < self.high < math.inf:
            raise ValueError(
                f"low must be less than high, both finite, got {self.low} and {self.high}"
            )
        if self.log and self.low <= 0:
            raise ValueError(f"low must be positive in a logarithmic range, got {self.low}")

    @property
    def is_integer(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        # An integer stands for the interval of width 1 around it.
        margin = 0.5 if self.is_integer else 0.0
        low, high = self.low - margin, self.high + margin
        if self.log:
            value = math.exp(rng.uniform(math.log(low), math.log(high)))
        else:
            value = rng.uniform(low, high)
        value = min(max(value, self.low), self.high)
        return round(value) if self.is_integer else value


@dataclass(frozen=True)
class Choice:
    """One of several values without an order."""

    values: tuple[str, ...]

    def sample(self, rng: np.random.Generator) -> str:
        """Draw one value."""
        return self.values[rng.integers(len(self.values))]


SearchSpace = Mapping[str, Range | Choice]
Configuration = dict[str, Any]
Objective = Callable[[Configuration], float]

MLP_SPACE: SearchSpace = {
    "learning_rate": Range(1e-4, 3e-2, log=True),
    "num_layers": Range(3, 5),
    "num_nodes": Range(16, 256, log=True),
    "hidden_activation": Choice(("relu", "sigmoid", "tanh")),
}


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes
    ----------
    trials : DataFrame
        A row a trial, in order: ``trial`` (from 1), a column a hyperparameter,
        ``validation_accuracy``.
    surrogate : scipy.optimize.OptimizeResult or None
        What `gaussian_process_search` leaves: the evaluated points and the fitted models.
    """

    trials: pd.DataFrame
    surrogate: Any = None

    @property
    def best(self) -> pd.Series:
        """The trial with the highest validation accuracy; the earlier one of equals."""
        return self.trials.loc[self.trials["validation_accuracy"].idxmax()]


def layer_dims(configuration: Mapping[str, Any], n_x: int = 784, n_y: int = 10) -> list[int]:
    """Return [n_x, num_nodes, …, n_y]; as in Keras' part, `num_layers` counts input and output."""
    hidden = [int(configuration["num_nodes"])] * (int(configuration["num_layers"]) - 2)
    return [n_x, *hidden, n_y]


def make_objective(
    X_train: np.ndarray,
    Y_train: np.ndarray,
    X_validation: np.ndarray,
    Y_validation: np.ndarray,
    n_epochs: int = 5,
    mini_batch_size: int = MINI_BATCH_SIZE,
    seed: int = 1,
) -> Objective:
    """Return the function that a search maximises.

    Parameters
    ----------
    X_train, Y_train, X_validation, Y_validation : array of float
        Shapes (n_x, m), (n_y, m), (n_x, k), (n_y, k). Test data have no place here.
    n_epochs, mini_batch_size, seed : int
        The same for every trial, so that trials differ by their hyperparameters alone.

    Returns
    -------
    callable
        Takes a configuration of `MLP_SPACE`, trains with Adam and returns the validation accuracy
        after the last epoch, or 0 for a training whose cost became infinite.
    """
    n_x, n_y = X_train.shape[0], Y_train.shape[0]

    def objective(configuration: Configuration) -> float:
        try:
            result = training.train_mlp(
                X_train,
                Y_train,
                None,
                None,
                layer_dims(configuration, n_x, n_y),
                hidden_activation=configuration["hidden_activation"],
                learning_rate=configuration["learning_rate"],
                n_epochs=n_epochs,
                mini_batch_size=mini_batch_size,
                X_validation=X_validation,
                Y_validation=Y_validation,
                seed=seed,
            )
        except FloatingPointError:
            return 0.0
        if result.interrupted:
            raise KeyboardInterrupt  # ends the search, not this trial alone
        return float(result.history["validation_accuracy"].iloc[-1])

    return objective


def random_search(
    objective: Objective, space: SearchSpace, n_trials: int, seed: int = 1
) -> SearchResult:
    """Try configurations drawn independently of each other.

    Parameters
    ----------
    objective : callable
        Takes a configuration, returns a number to maximise.
    space : mapping of str to Range or Choice
    n_trials : int
        How many configurations to try.
    seed : int
        The same seed draws the same configurations.

    References
    ----------
    Bergstra and Bengio, "Random search for hyper-parameter optimization", JMLR 13 (2012).
    """
    drawn = _draw(space, check_integer("n_trials", n_trials, minimum=1), seed)
    return _run(
        lambda evaluate: [evaluate(configuration) for configuration in drawn],
        objective,
        n_trials,
        "Random search",
    )


def gaussian_process_search(
    objective: Objective, space: SearchSpace, n_trials: int, seed: int = 1
) -> SearchResult:
    """Let a Gaussian process, fitted to the trials so far, choose the next configuration.

    The first two fifths of the trials are those of `random_search` with the same seed, so that the
    process has something to learn from; each later one maximises the expected improvement.

    Parameters
    ----------
    objective, space, seed
        As for `random_search`.
    n_trials : int
        At least 3.

    References
    ----------
    Snoek, Larochelle and Adams, "Practical Bayesian optimization of machine learning algorithms",
    NeurIPS 2012; computed by scikit-optimize, whose development has ended: this function is the
    only place that needs it.
    """
    from skopt import gp_minimize

    n_trials = check_integer("n_trials", n_trials, minimum=3)
    seed = check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
    first = _draw(space, max(2, round(INITIAL_SHARE * n_trials)), seed)

    def run(evaluate: Objective) -> Any:
        return gp_minimize(
            lambda point: -evaluate(dict(zip(space, point, strict=True))),
            [_skopt_dimension(name, dimension) for name, dimension in space.items()],
            n_calls=n_trials,
            x0=[list(configuration.values()) for configuration in first],
            n_initial_points=0,
            acq_func="EI",
            random_state=seed,
        )

    with warnings.catch_warnings():
        # The same point may come up again where all numbers are whole or an end is best.
        warnings.filterwarnings("ignore", "The objective has been evaluated", UserWarning)
        return _run(run, objective, n_trials, "Gaussian-process search")


def _draw(space: SearchSpace, n_trials: int, seed: int) -> list[Configuration]:
    """Draw configurations independently of each other; more of them begin with the same ones."""
    rng = np.random.default_rng(check_integer("seed", seed, minimum=0))
    return [
        {name: dimension.sample(rng) for name, dimension in space.items()} for _ in range(n_trials)
    ]


def _skopt_dimension(name: str, dimension: Range | Choice) -> Any:
    from skopt.space import Categorical, Integer, Real

    if isinstance(dimension, Choice):
        return Categorical(dimension.values, name=name)
    kind = Integer if dimension.is_integer else Real
    prior = "log-uniform" if dimension.log else "uniform"
    return kind(dimension.low, dimension.high, prior=prior, name=name)


def _run(
    strategy: Callable[[Objective], Any], objective: Objective, n_trials: int, description: str
) -> SearchResult:
    """Hand a strategy the objective, writing each trial down and moving a bar."""
    records: list[dict[str, Any]] = []
    bar = progress_bar(n_trials, description, unit="trial")

    def evaluate(configuration: Configuration) -> float:
        configuration = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in configuration.items()
        }
        accuracy = objective(configuration)
        records.append(
            {"trial": len(records) + 1, **configuration, "validation_accuracy": accuracy}
        )
        bar.set_postfix_str(f"best {max(r['validation_accuracy'] for r in records):.4f}")
        bar.update()
        return accuracy

    try:
        outcome = strategy(evaluate)
    finally:
        bar.close()
    surrogate = outcome if hasattr(outcome, "models") else None
    return SearchResult(pd.DataFrame(records), surrogate)
