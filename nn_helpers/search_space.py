"""Search spaces: what each hyperparameter may be, and draws from it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nn_helpers.validation import check_integer

if TYPE_CHECKING:
    from optuna import Trial

INITIAL_SHARE = 0.4  # of a search's trials: drawn independently, for the others to learn from


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

    def suggest(self, trial: "Trial", name: str) -> float:
        """Have Optuna's sampler choose the value of a trial."""
        suggest = trial.suggest_int if self.is_integer else trial.suggest_float
        return suggest(name, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Choice:
    """One of several values without an order."""

    values: tuple[Any, ...]

    def sample(self, rng: np.random.Generator) -> Any:
        """Draw one value."""
        return self.values[rng.integers(len(self.values))]

    def suggest(self, trial: "Trial", name: str) -> Any:
        """Have Optuna's sampler choose the value of a trial."""
        by_category = {as_category(value): value for value in self.values}
        return by_category[trial.suggest_categorical(name, list(by_category))]


SearchSpace = Mapping[str, Range | Choice]
Configuration = dict[str, Any]


def as_category(value: Any) -> Any:
    """Return a value as Optuna can store it: a list becomes JSON."""
    return json.dumps(value) if isinstance(value, list) else value


def suggest(trial: "Trial", space: SearchSpace) -> Configuration:
    """Let a trial of an Optuna study choose a configuration of the space."""
    return {name: dimension.suggest(trial, name) for name, dimension in space.items()}


def draw(space: SearchSpace, n_trials: int, seed: int) -> list[Configuration]:
    """Draw configurations independently of each other; more of them begin with the same ones."""
    rng = np.random.default_rng(check_integer("seed", seed, minimum=0))
    return [
        {name: dimension.sample(rng) for name, dimension in space.items()} for _ in range(n_trials)
    ]


def draw_first(space: SearchSpace, n_trials: int, seed: int) -> list[Configuration]:
    """Draw what every strategy with that seed tries first: two fifths of the trials, at least 2."""
    return draw(space, max(2, round(INITIAL_SHARE * n_trials)), seed)
