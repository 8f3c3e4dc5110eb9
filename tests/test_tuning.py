"""Tuning: what a search draws, tries, writes down and finds."""

import math

import numpy as np
import optuna
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from threadpoolctl import threadpool_info

from nn_helpers import training, tuning
from nn_helpers.preprocessing import one_hot
from nn_helpers.tuning import Choice, Range

SPACE = {"x": Range(1e-4, 1e-1, log=True), "n": Range(1, 6), "kind": Choice(("a", "b", "c"))}
SEARCHES = [tuning.random_search, tuning.gaussian_process_search, tuning.tpe_search]


def smooth(configuration, on_epoch_end=None):
    """Highest at x = 0.01."""
    return 1 - 0.1 * (math.log10(configuration["x"]) + 2) ** 2


def draw(dimension, count, seed=0):
    rng = np.random.default_rng(seed)
    return [dimension.sample(rng) for _ in range(count)]


def assert_within(space, configuration):
    """Check that a configuration names a plain Python value of the space for each dimension."""
    assert list(configuration) == list(space)
    for name, value in configuration.items():
        dimension = space[name]
        if isinstance(dimension, Choice):
            assert type(value) is str
            assert value in dimension.values
        else:
            assert type(value) is (int if dimension.is_integer else float)
            assert dimension.low <= value <= dimension.high


# Drawing


class Extreme:
    """A generator that draws the lower or the upper end of an interval."""

    def __init__(self, upper):
        self.upper = upper

    def uniform(self, low, high):
        return high if self.upper else low


@given(st.data(), st.booleans(), st.booleans(), st.booleans(), st.integers(0, 99))
def test_values_lie_within_the_range_whatever_is_drawn(data, integer, log, upper, seed):
    numbers = st.integers(1, 1000) if integer else st.floats(1e-9, 1e9)
    low, high = sorted(data.draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    dimension = Range(low, high, log)
    assert dimension.is_integer is integer
    kind = int if integer else float
    for rng in (np.random.default_rng(seed), Extreme(upper)):
        value = dimension.sample(rng)
        assert type(value) is kind
        assert low <= value <= high


def test_a_range_with_a_float_end_is_not_one_of_integers():
    assert Range(1, 3).is_integer
    assert not Range(1, 3.0).is_integer
    assert not Range(1.0, 3).is_integer


@pytest.mark.parametrize("low", [0, 3, -2])
def test_integers_are_drawn_equally_often_with_both_ends(low):
    values = draw(Range(low, low + 4), 5000)
    counts = np.bincount(np.array(values) - low, minlength=5)
    assert len(counts) == 5
    assert stats.chisquare(counts).pvalue > 0.01


def test_a_logarithmic_range_of_integers_gives_each_doubling_its_share():
    values = np.array(draw(Range(16, 128, log=True), 5000))
    assert (values.min(), values.max()) == (16, 128)
    edges = np.array([15.5, 31.5, 63.5, 128.5])
    shares = np.diff(np.log(edges)) / np.log(edges[-1] / edges[0])
    counts = np.histogram(values, edges)[0]
    assert stats.chisquare(counts, shares * len(values)).pvalue > 0.01


@pytest.mark.parametrize("log", [False, True])
def test_floats_are_uniform_or_uniform_in_the_logarithm(log):
    values = np.array(draw(Range(1e-4, 1e-1, log), 2000))
    assert len(set(values)) == 2000
    uniform = stats.kstest((values - 1e-4) / (1e-1 - 1e-4), "uniform").pvalue
    log_uniform = stats.kstest((np.log10(values) + 4) / 3, "uniform").pvalue
    right, wrong = (log_uniform, uniform) if log else (uniform, log_uniform)
    assert right > 0.01
    assert wrong < 1e-6


def test_choices_are_drawn_equally_often():
    values = draw(Choice(("a", "b", "c")), 3000)
    assert stats.chisquare([values.count(value) for value in "abc"]).pvalue > 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, 3), "low must be less than high, .*got 3 and 3"),
        ((0.2, 0.1), r"low must be less than high, .*got 0\.2 and 0\.1"),
        ((math.nan, 1.0), r"low must be less than high, .*got nan and 1\.0"),
        ((1.0, math.inf), r"low must be less than high, both finite, got 1\.0 and inf"),
        ((-math.inf, 1.0), r"low must be less than high, both finite, got -inf and 1\.0"),
        ((0, 5, True), "low must be positive in a logarithmic range, got 0"),
        ((-1e-3, 1.0, True), r"low must be positive in a logarithmic range, got -0\.001"),
    ],
)
def test_ranges_without_an_inside_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Range(*arguments)


def test_the_space_of_the_mlp_is_one_that_training_takes():
    assert list(tuning.MLP_SPACE) == [
        "learning_rate", "num_layers", "num_nodes", "hidden_activation"
    ]  # fmt: skip
    assert tuning.MLP_SPACE["num_layers"].low >= 3
    assert tuning.MLP_SPACE["num_nodes"].is_integer
    assert tuning.MLP_SPACE["learning_rate"].log


@pytest.mark.parametrize(
    ("num_layers", "sizes", "dims"),
    [(3, {}, [784, 7, 10]), (5, {}, [784, 7, 7, 7, 10]), (4, {"n_x": 2, "n_y": 3}, [2, 7, 7, 3])],
)
def test_layers_count_input_and_output(num_layers, sizes, dims):
    got = tuning.layer_dims({"num_layers": num_layers, "num_nodes": 7}, **sizes)
    assert got == dims
    from_row = pd.Series({"num_layers": np.int64(num_layers), "num_nodes": 7, "other": "a"})
    got = tuning.layer_dims(from_row, **sizes)
    assert got == dims
    assert {type(size) for size in got} == {int}


# Searching


class Recorder:
    """An objective that keeps the configurations it was given."""

    def __init__(self, objective):
        self.objective, self.configurations = objective, []

    def __call__(self, configuration, on_epoch_end=None):
        self.configurations.append(dict(configuration))
        return self.objective(configuration)


def uneven(configuration, on_epoch_end=None):
    """Differs from trial to trial in every dimension."""
    return smooth(configuration) + 0.01 * configuration["n"] - 0.2 * (configuration["kind"] == "b")


@pytest.fixture(scope="module", params=SEARCHES, ids=["random", "gaussian process", "tpe"])
def searched(request):
    objective = Recorder(uneven)
    return request.param, objective, request.param(objective, SPACE, 6, seed=3)


def test_a_search_tries_as_often_as_told_within_the_space(searched):
    _, objective, _ = searched
    assert len(objective.configurations) == 6
    for configuration in objective.configurations:
        assert_within(SPACE, configuration)
    # A Gaussian process may come back to an end of the range, but not every time.
    assert len({configuration["x"] for configuration in objective.configurations}) >= 3


def test_a_search_writes_down_every_trial(searched):
    _, objective, result = searched
    assert list(result.trials) == ["trial", *SPACE, "validation_accuracy", "epochs", "pruned"]
    assert not result.interrupted
    assert result.seconds.shape == (6,)
    assert (result.seconds > 0).all()
    assert result.trials["trial"].tolist() == [1, 2, 3, 4, 5, 6]
    assert result.trials[list(SPACE)].to_dict("records") == objective.configurations
    scores = [uneven(configuration) for configuration in objective.configurations]
    assert result.trials["validation_accuracy"].tolist() == scores
    assert result.best["validation_accuracy"] == max(scores)
    assert result.best["trial"] == scores.index(max(scores)) + 1


def test_a_search_is_repeated_by_its_seed(searched):
    search, _, result = searched
    pd.testing.assert_frame_equal(search(uneven, SPACE, 6, seed=3).trials, result.trials)
    other = search(uneven, SPACE, 3, seed=4).trials
    assert other["x"][0] != result.trials["x"][0]


def test_only_the_gaussian_process_leaves_its_surrogate(searched):
    search, objective, result = searched
    if search is not tuning.gaussian_process_search:
        assert result.surrogate is None
        return
    assert result.surrogate.models
    tried = [list(configuration.values()) for configuration in objective.configurations]
    assert result.surrogate.x_iters == tried
    assert result.surrogate.func_vals.tolist() == [-uneven(c) for c in objective.configurations]
    assert [dimension.name for dimension in result.surrogate.space] == list(SPACE)


def test_random_search_draws_whatever_the_scores_are():
    tried = [tuning.random_search(f, SPACE, 5).trials for f in (uneven, lambda *_, **__: 0.5)]
    pd.testing.assert_frame_equal(tried[0][list(SPACE)], tried[1][list(SPACE)])


def test_more_trials_of_random_search_begin_with_the_same():
    few, many = (tuning.random_search(uneven, SPACE, count).trials for count in (3, 9))
    pd.testing.assert_frame_equal(many.head(3), few)


@pytest.mark.parametrize("search", SEARCHES[1:])
@pytest.mark.parametrize(("n_trials", "count"), [(3, 2), (6, 2), (8, 3)])
def test_the_others_begin_with_the_trials_of_random_search(search, n_trials, count):
    tried = search(uneven, SPACE, n_trials, seed=3).trials
    by_chance = tuning.random_search(uneven, SPACE, n_trials, seed=3).trials
    pd.testing.assert_frame_equal(tried.head(count), by_chance.head(count))
    assert tried["x"][count] != by_chance["x"][count]


def test_the_best_of_equals_is_the_earlier():
    scores = iter([0.1, 0.7, 0.3, 0.7, 0.7])
    result = tuning.random_search(lambda *_, **__: next(scores), SPACE, 5)
    assert result.best["trial"] == 2
    assert result.best["validation_accuracy"] == 0.7


@pytest.mark.parametrize(
    ("search", "n_trials", "regret"),
    [(tuning.gaussian_process_search, 8, 1e-3), (tuning.tpe_search, 30, 1e-2)],
)
def test_a_model_of_the_trials_finds_more_than_chance_at_the_same_budget(search, n_trials, regret):
    def mean_regret(search):
        return np.mean(
            [
                1 - search(smooth, {"x": SPACE["x"]}, n_trials, seed).best["validation_accuracy"]
                for seed in (1, 2, 3)
            ]
        )

    assert mean_regret(search) < mean_regret(tuning.random_search) / 2
    assert mean_regret(search) < regret


def test_the_gaussian_process_goes_on_quietly_where_it_has_been_before(recwarn):
    result = tuning.gaussian_process_search(
        lambda c, on_epoch_end: c["n"] / 6, {"n": Range(1, 3)}, 6
    )
    assert len(result.trials) == 6
    assert result.best["n"] == 3
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"n_trials": 0}, ValueError, "n_trials must be at least [13], got 0"),
        ({"n_trials": 5.0}, TypeError, r"n_trials must be an integer, got 5\.0"),
        ({"seed": -1}, ValueError, "seed must be .*, got -1"),
        ({"seed": None}, TypeError, "seed must be an integer, got None"),
    ],
)
def test_searches_refuse_wrong_arguments(search, changes, error, message):
    with pytest.raises(error, match=message):
        search(**{"objective": pytest.fail, "space": SPACE, "n_trials": 5} | changes)


@pytest.mark.parametrize("search", SEARCHES[1:])
def test_a_model_needs_three_trials_and_a_seed_of_32_bits(search):
    for changes, message in [
        ({"n_trials": 2}, "n_trials must be at least 3, got 2"),
        ({"n_trials": 3, "seed": 2**32}, "seed must be from 0 to 4294967295, got 4294967296"),
    ]:
        with pytest.raises(ValueError, match=message):
            search(pytest.fail, SPACE, **changes)


def test_an_error_of_the_objective_comes_through():
    def broken(configuration, on_epoch_end):
        raise RuntimeError("no such data")

    with pytest.raises(RuntimeError, match="no such data"):
        tuning.random_search(broken, SPACE, 3)


# The objective

CONFIGURATION = {
    "learning_rate": 0.02, "num_layers": 4, "num_nodes": 6, "hidden_activation": "tanh"
}  # fmt: skip


@pytest.fixture(scope="module")
def halves():
    """Training and validation data of two classes that overlap."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=160)
    X = (rng.normal(size=(2, 160)) + 1.2 * labels).astype(np.float32)
    Y = one_hot(labels, 2)
    return X[:, :80], Y[:, :80], X[:, 80:], Y[:, 80:]


def test_the_objective_is_the_validation_accuracy_of_a_training(halves):
    X_train, Y_train, X_validation, Y_validation = halves
    objective = tuning.make_objective(*halves, n_epochs=3, mini_batch_size=20, seed=5)
    accuracy = objective(CONFIGURATION)
    result = training.train_mlp(
        X_train, Y_train, None, None, [2, 6, 6, 2], "tanh", learning_rate=0.02, n_epochs=3,
        mini_batch_size=20, seed=5,
    )  # fmt: skip
    wanted = training.evaluate(X_validation, Y_validation, result.parameters, "tanh")[1]
    assert type(accuracy) is float
    assert accuracy == wanted
    assert 0.5 < accuracy < 1
    assert accuracy != result.scores["train_accuracy"]


def test_a_training_that_diverges_counts_as_0(halves):
    objective = tuning.make_objective(*halves, n_epochs=2, mini_batch_size=20)
    assert objective(CONFIGURATION | {"learning_rate": 1e38}) == 0
    assert type(objective(CONFIGURATION | {"learning_rate": 1e38})) is float


@pytest.mark.parametrize("search", SEARCHES)
def test_an_interrupt_ends_the_search_and_leaves_its_trials(search, halves, monkeypatch):
    def interrupt(m, seed):
        started.append(seed)
        if len(started) == 4:  # in the second epoch of the second trial
            raise KeyboardInterrupt
        return shuffled_order(m, seed)

    started, shuffled_order = [], training.shuffled_order
    monkeypatch.setattr(training, "shuffled_order", interrupt)
    objective = tuning.make_objective(*halves, n_epochs=2, mini_batch_size=20)
    result = search(objective, tuning.MLP_SPACE, 3)
    assert result.interrupted
    assert len(started) == 4
    assert result.trials["trial"].tolist() == [1]
    assert result.best["epochs"] == 2
    assert len(result.seconds) == 1


def test_an_interrupt_before_the_first_trial_leaves_an_empty_table():
    def interrupt(configuration, on_epoch_end):
        raise KeyboardInterrupt

    result = tuning.random_search(interrupt, SPACE, 3)
    assert result.interrupted
    assert list(result.trials) == ["trial", *SPACE, "validation_accuracy", "epochs", "pruned"]
    assert (len(result.trials), len(result.seconds)) == (0, 0)


def test_the_objective_takes_any_argument_of_a_training(halves):
    X_train, Y_train, X_validation, Y_validation = halves
    objective = tuning.make_objective(*halves, mini_batch_size=20, optimizer="gd")
    seen = []
    accuracy = objective(
        {"layer_dims": [2, 5, 2], "learning_rate": 0.1, "n_epochs": 3, "seed": 7},
        on_epoch_end=seen.append,
    )
    result = training.train_mlp(
        X_train, Y_train, None, None, [2, 5, 2], optimizer="gd", learning_rate=0.1, n_epochs=3,
        mini_batch_size=20, seed=7, X_validation=X_validation, Y_validation=Y_validation,
    )  # fmt: skip
    assert seen == result.history.to_dict("records")
    assert accuracy == seen[-1]["validation_accuracy"]


def test_the_objective_refuses_what_training_refuses(halves):
    objective = tuning.make_objective(*halves, n_epochs=2, mini_batch_size=81)
    with pytest.raises(ValueError, match="mini_batch_size must be from 1 to 80, got 81"):
        objective(CONFIGURATION)


# Pruning

N_EPOCHS = 5


def accuracies(configuration):
    """What `learning` reaches after each epoch; it may fall from one to the next."""
    x = configuration["x"]
    return [
        smooth(configuration) * (0.8 + 0.05 * math.sin(300 * x * epoch) + 0.02 * epoch)
        for epoch in range(1, N_EPOCHS + 1)
    ]


def learning(configuration, on_epoch_end=None):
    """Five epochs of a training."""
    for epoch, accuracy in enumerate(accuracies(configuration), start=1):
        if on_epoch_end is not None:
            on_epoch_end({"epoch": epoch, "cost": 1.0, "validation_accuracy": accuracy})
    return accuracy


@pytest.fixture(scope="module")
def pruned():
    return tuning.tpe_search(learning, {"x": SPACE["x"]}, 30, seed=1)


def test_hopeless_trials_are_stopped_and_no_other(pruned):
    """A trial's best so far is compared with the median of the trials that were not stopped."""
    whole = []
    for number, trial in pruned.trials.iterrows():
        reached, epochs = accuracies(trial), N_EPOCHS
        if number >= 12:
            medians = np.median(whole, axis=0)
            hopeless = [e for e in range(2, N_EPOCHS) if max(reached[:e]) < medians[e - 1]]
            epochs = min(hopeless, default=N_EPOCHS)
        assert trial["epochs"] == epochs
        assert trial["pruned"] == (epochs < N_EPOCHS)
        assert trial["validation_accuracy"] == reached[epochs - 1]
        if epochs == N_EPOCHS:
            whole.append(reached)
    assert 3 <= pruned.trials["pruned"].sum() <= 15


def test_the_best_is_a_whole_trial():
    accuracies = {"x": [0.9, 0.5, 0.7], "pruned": [True, False, False]}
    trials = pd.DataFrame(accuracies).rename(columns={"x": "validation_accuracy"})
    assert tuning.SearchResult(trials, np.ones(3)).best["validation_accuracy"] == 0.7


def test_pruning_is_repeated_by_the_seed(pruned):
    again = tuning.tpe_search(learning, {"x": SPACE["x"]}, 30, seed=1)
    pd.testing.assert_frame_equal(again.trials, pruned.trials)


@pytest.mark.parametrize("search", SEARCHES[:2])
def test_only_tpe_prunes(search):
    trials = search(learning, {"x": SPACE["x"]}, 15).trials
    assert not trials["pruned"].any()
    assert (trials["epochs"] == N_EPOCHS).all()


def test_optuna_is_quiet_and_as_it_was(capfd):
    before = optuna.logging.get_verbosity()
    tuning.tpe_search(learning, SPACE, 4)
    assert capfd.readouterr().err == ""
    assert optuna.logging.get_verbosity() == before


def test_the_gaussian_process_has_one_thread():
    def objective(configuration, on_epoch_end):
        pools = [pool["num_threads"] for pool in threadpool_info()]
        return 1.0 if pools and set(pools) == {1} else 0.0

    trials = tuning.gaussian_process_search(objective, SPACE, 3).trials
    assert trials["validation_accuracy"].tolist() == [1, 1, 1]


# Comparing


def test_strategies_are_compared_at_the_same_budget_and_beginning():
    table = tuning.compare_strategies(learning, SPACE, 5, seeds=[2, 9])
    columns = ["strategy", "seed", "trial", *SPACE, "validation_accuracy", "epochs", "pruned"]
    assert list(table) == [*columns, "seconds"]
    assert table["strategy"].unique().tolist() == list(tuning.STRATEGIES)
    counts = table.groupby(["strategy", "seed"]).size()
    assert (len(counts), set(counts)) == (6, {5})
    for (name, seed), group in table.groupby(["strategy", "seed"]):
        wanted = tuning.STRATEGIES[name](learning, SPACE, 5, seed).trials
        pd.testing.assert_frame_equal(
            group[list(wanted)].reset_index(drop=True), wanted, check_dtype=False
        )
    first = table[table["trial"] <= 2].groupby(["seed", "trial"])["x"].nunique()
    assert (first == 1).all()


def test_an_interrupt_ends_the_comparison():
    calls = []

    def objective(configuration, on_epoch_end):
        calls.append(configuration)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return 0.5

    with pytest.raises(KeyboardInterrupt):
        tuning.compare_strategies(objective, SPACE, 4, seeds=[1, 2])
    assert len(calls) == 6
