"""Search by a Gaussian process, computed by scikit-optimize.

The repository of scikit-optimize is archived: nobody develops it any more. This module alone needs
it (`nn_helpers.plotting.search` draws the result that it returns), so that the day on which it
stops working takes nothing else along.
"""

import warnings
from typing import Any

from threadpoolctl import threadpool_limits

from nn_helpers._search import Objective, Search, SearchResult
from nn_helpers.search_space import Choice, Range, SearchSpace, draw_first
from nn_helpers.validation import check_integer


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
    NeurIPS 2012; computed by scikit-optimize.
    """
    from skopt import gp_minimize

    n_trials = check_integer("n_trials", n_trials, minimum=3)
    seed = check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
    first = draw_first(space, n_trials, seed)
    search = Search(objective, n_trials, "Gaussian-process search")

    def run() -> Any:
        return gp_minimize(
            lambda point: (
                -search.evaluate(dict(zip(space, point, strict=True)))["validation_accuracy"]
            ),
            [_skopt_dimension(name, dimension) for name, dimension in space.items()],
            n_calls=n_trials,
            x0=[list(configuration.values()) for configuration in first],
            n_initial_points=0,
            acq_func="EI",
            random_state=seed,
        )

    # One thread: the matrices are small, and threads would mostly wait for each other. TensorFlow
    # has threads of its own, which this leaves alone.
    with threadpool_limits(1), warnings.catch_warnings():
        # The same point may come up again where all numbers are whole or an end is best.
        warnings.filterwarnings("ignore", "The objective has been evaluated", UserWarning)
        return search.run(run, space)


def _skopt_dimension(name: str, dimension: Range | Choice) -> Any:
    from skopt.space import Categorical, Integer, Real

    if isinstance(dimension, Choice):
        return Categorical(dimension.values, name=name)
    kind = Integer if dimension.is_integer else Real
    prior = "log-uniform" if dimension.log else "uniform"
    return kind(dimension.low, dimension.high, prior=prior, name=name)
