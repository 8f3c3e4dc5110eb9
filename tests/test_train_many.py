"""Several networks side by side against each alone; the seed of the mini-batches."""

import os
import signal
import threading

import numpy as np
import pytest

from nn_helpers import _side_by_side, mlp, training
from nn_helpers._tensorflow import tf
from nn_helpers.preprocessing import normalize, one_hot, random_mini_batches
from nn_helpers.validation import OPTIMIZERS

pytestmark = pytest.mark.usefixtures("nothing_logged")

LEARNING_RATES = {"gd": 0.1, "momentum": 0.01, "rms": 0.001, "adam": 0.001}
FACTORS = [1, 0.3, 2, 0.5, 1.5]
SEEDS = [3, 9, 3, 0, 7]


def examples(m, n_x, n_y, seed):
    """Features and one-hot labels (0 or 1 for a single output) with some relation."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_x, m)).astype(np.float32)
    direction = np.random.default_rng(n_x).normal(size=n_x)
    ranks = np.argsort(np.argsort(direction @ X + rng.normal(size=m)))
    if n_y == 1:
        return X, (ranks >= m // 2).astype(np.float32)[np.newaxis]
    return X, one_hot(ranks * n_y // m, n_y)


def images(m, n_x, n_y, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(256, size=(m, n_x), dtype=np.uint8)
    pixels[rng.random(pixels.shape) < 0.5] = 0
    return normalize(pixels).T, one_hot(rng.integers(n_y, size=m), n_y)


def assert_same_parameters(got, wanted, **tolerance):
    assert list(got) == list(wanted)
    for name, value in got.items():
        np.testing.assert_allclose(value, wanted[name], err_msg=name, **tolerance)


def assert_same_result(got, wanted, atol):
    assert_same_parameters(got.parameters, wanted.parameters, rtol=0, atol=atol)
    assert list(got.history) == list(wanted.history)
    np.testing.assert_allclose(got.history, wanted.history, rtol=0, atol=atol)
    assert list(got.scores) == list(wanted.scores)
    assert got.scores == pytest.approx(wanted.scores, rel=0, abs=atol)
    assert got.interrupted == wanted.interrupted


# Each as if alone


@pytest.mark.parametrize(
    ("n_networks", "optimizer", "hidden", "output", "layer_dims", "mini_batch_size", "validated"),
    [
        (1, "gd", "relu", "softmax", [6, 8, 3], 64, True),
        (2, "momentum", "sigmoid", "sigmoid", [6, 4, 1], 64, True),
        (3, "rms", "tanh", "none", [6, 8, 2], 50, True),
        (5, "adam", "relu", "softmax", [6, 3], 200, False),
        (2, "adam", "none", "softmax", [6, 7, 5, 3], 50, True),
    ],
)
def test_each_network_is_trained_as_if_alone(
    n_networks, optimizer, hidden, output, layer_dims, mini_batch_size, validated
):
    trains_each_as_if_alone(
        examples, n_networks, optimizer, hidden, output, layer_dims, mini_batch_size, validated
    )


def test_each_network_is_trained_as_if_alone_with_a_first_layer_in_blocks():
    trains_each_as_if_alone(
        images, 3, "adam", "relu", "softmax", [784, 40, 10], 50, validated=False
    )


def trains_each_as_if_alone(
    data, n_networks, optimizer, hidden, output, layer_dims, mini_batch_size, validated
):
    ends = layer_dims[0], layer_dims[-1]
    train, validation, test = (data(m, *ends, seed) for seed, m in enumerate([200, 70, 90]))
    settings = {"optimizer": optimizer, "n_epochs": 2, "mini_batch_size": mini_batch_size}
    if validated:
        settings |= {"X_validation": validation[0], "Y_validation": validation[1]}
    else:
        test = None, None
    rates = [LEARNING_RATES[optimizer] * factor for factor in FACTORS[:n_networks]]
    arguments = *train, *test, layer_dims, hidden, output
    together = training.train_many(
        *arguments, learning_rates=rates, seeds=SEEDS[:n_networks], shuffle_seed=11, **settings
    )
    assert len(together) == n_networks
    assert len({result.history["cost"].iloc[-1] for result in together}) == n_networks
    for result, rate, seed in zip(together, rates, SEEDS[:n_networks], strict=True):
        alone = training.train_mlp(
            *arguments, learning_rate=rate, seed=seed, shuffle_seed=11, **settings
        )
        assert_same_result(result, alone, atol=1e-4)
        initial = mlp.initialize_parameters(layer_dims, seed)
        assert np.abs(result.parameters["b1"] - initial["b1"]).max() > 5e-4, "it has moved"
        assert all(value.dtype == np.float32 for value in result.parameters.values())


# What is handed in


@pytest.fixture(scope="module")
def train():
    pair = examples(60, 4, 3, seed=0)
    for array in pair:
        array.setflags(write=False)
    return pair


def train_on(train, **changes):
    settings = {"layer_dims": [4, 5, 3], "n_epochs": 2, "mini_batch_size": 30, "optimizer": "gd"}
    return training.train_many(*train, None, None, **settings | changes)


@pytest.mark.parametrize(
    ("given", "spelled_out"),
    [
        (
            {"learning_rates": np.array([0.1, 0.2, 0.3]), "seeds": [5]},
            {"learning_rates": [0.1, 0.2, 0.3], "seeds": [5, 5, 5], "shuffle_seed": 1},
        ),
        (
            {"seeds": (np.uint8(5), np.int64(6), 7), "n_epochs": np.int64(2)},
            {"learning_rates": [0.01, 0.01, 0.01], "seeds": [5, 6, 7]},
        ),
    ],
)
def test_one_seed_or_one_rate_stands_for_all(train, given, spelled_out):
    doubles = [array.astype(np.float64) for array in train]
    got = train_on(doubles, layer_dims=[4, 3], **given)
    wanted = train_on(train, layer_dims=[4, 3], **spelled_out)
    assert len(got) == len(wanted) == 3
    for one, other in zip(got, wanted, strict=True):
        assert_same_result(one, other, atol=0)
    assert got[0].history["cost"].iloc[-1] != got[1].history["cost"].iloc[-1]


def wrong_arguments():
    """Each wrong argument, the error and what its message must say."""
    one_each = "learning_rates and seeds must hold one value for each network, or a single one, got"
    for rates, seeds in [(2, 3), (3, 2), (0, 1), (1, 0), (0, 0), (0, 2), (3, 0)]:
        numbers = {"learning_rates": [0.1] * rates, "seeds": list(range(seeds))}
        yield numbers, ValueError, f"{one_each} {rates} and {seeds}"
    for rate in (0, -0.1, float("nan"), float("inf")):
        wrong = {"learning_rates": [0.1, rate]}
        yield wrong, ValueError, f"learning_rates must be .*got {rate}"
    for rate in ("0.1", True, None, 1j, [0.1]):
        wrong = {"learning_rates": [0.1, rate]}
        yield wrong, TypeError, "learning_rates must be a number, got "
    for rates in (0.1, np.float64(0.1), None, "0.1"):
        yield {"learning_rates": rates}, TypeError, "learning_rates must be .*got "
    yield {"seeds": [1, -1]}, ValueError, "seeds must be at least 0, got -1"
    for seed in (1.0, "1", True, None, [1]):
        yield {"seeds": [1, seed]}, TypeError, "seeds must be an integer, got "
    for seeds in (1, np.int64(1), None, "1"):
        yield {"seeds": seeds}, TypeError, "seeds must be .*got "
    yield {"shuffle_seed": -1}, ValueError, "shuffle_seed must be at least 0, got -1"
    for seed in (1.0, "1", True, None):
        yield {"shuffle_seed": seed}, TypeError, "shuffle_seed must be an integer, got "
    yield {"optimizer": "sgd"}, ValueError, "optimizer must be one of .* got 'sgd'"
    yield {"optimizer": None}, TypeError, "optimizer must be a string, got None"
    yield {"hidden_activation": "gelu"}, ValueError, "hidden_activation must be .* got 'gelu'"
    yield {"output_activation": "relu"}, ValueError, "output_activation must be .* got 'relu'"
    yield {"n_epochs": 0}, ValueError, "n_epochs must be at least 1, got 0"
    yield {"mini_batch_size": 61}, ValueError, "mini_batch_size must be from 1 to 60, got 61"
    X, Y = examples(10, 4, 3, seed=1)
    yield {"X_validation": X}, ValueError, "X_validation and Y_validation go together"
    wrong = {"X_validation": X, "Y_validation": Y[:, :9]}
    yield wrong, ValueError, "X_validation and Y_validation must hold the same number"


@pytest.mark.parametrize(("changes", "error", "message"), list(wrong_arguments()))
def test_wrong_arguments_are_refused_before_any_work(train, changes, error, message, monkeypatch):
    def begin(*_, **__):
        pytest.fail("work began")

    monkeypatch.setattr(_side_by_side, "compile_loops", begin)
    monkeypatch.setattr(mlp, "initialize_parameters", begin)
    with pytest.raises(error, match=message) as caught:
        train_on(train, **changes)
    assert "\n" not in str(caught.value)


# Trouble on the way


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("output_activation", "position"), [("softmax", 1), ("none", 0)])
def test_a_network_that_diverges_changes_no_other(train, output_activation, position):
    def train_with(rate):
        rates = [0.1, 0.2, 0.3]
        rates[position] = rate
        return training.train_many(
            *train, *train, [4, 5, 3], "relu", output_activation, "gd", rates, 3, 30,
            X_validation=train[0], Y_validation=train[1], seeds=[1, 2, 3],
        )  # fmt: skip

    all_well, one_gone = train_with(0.15), train_with(1e30)
    for number in {0, 1, 2} - {position}:
        assert_same_result(one_gone[number], all_well[number], atol=0)
        assert np.isfinite(one_gone[number].history.to_numpy()).all()
    gone = one_gone[position]
    assert gone.history["epoch"].tolist() == [1, 2, 3]
    assert not np.isfinite(gone.history["cost"].iloc[-1])
    assert not np.isfinite(gone.history["validation_cost"].iloc[-1])
    assert not np.isfinite([gone.scores["train_cost"], gone.scores["test_cost"]]).any()
    score = training.score_name(output_activation)
    assert np.isnan([gone.scores[f"train_{score}"], gone.scores[f"test_{score}"]]).all()


@pytest.mark.parametrize("costs", [[0.5, np.nan, 0.75], [np.nan, 0.75, 0.5], [0.5, np.inf, np.nan]])
def test_the_bar_shows_the_lowest_cost_of_those_that_have_one(train, bar_that, monkeypatch, costs):
    bar, parts = bar_that(lambda done: None), [tf.constant(costs[:2]), tf.constant(costs[2:])]
    monkeypatch.setattr(_side_by_side, "compile_loops", lambda *_, **__: lambda order: parts)
    results = train_on(train, seeds=[1, 2, 3], n_epochs=1)
    assert [result.history["cost"][0] for result in results] == pytest.approx(costs, nan_ok=True)
    assert bar.notes == ["lowest cost 0.5000"]
    assert bar.closed


def train_for_long(train, n_epochs=30, **changes):
    try:
        return training.train_many(
            *train, *train, [4, 5, 3], n_epochs=n_epochs, mini_batch_size=30, optimizer="gd",
            learning_rates=[0.01, 0.02, 0.03], seeds=[4, 5, 6], shuffle_seed=2,
            X_validation=train[0], Y_validation=train[1], **changes,
        )  # fmt: skip
    except KeyboardInterrupt:  # would end the whole test run
        pytest.fail("the interrupt was not caught")


def test_an_interrupt_returns_what_has_been_trained(train, bar_that, interrupts):
    bar = bar_that(lambda done: done == 3 and signal.raise_signal(signal.SIGINT))
    stopped = train_for_long(train)
    assert bar.closed
    whole = train_for_long(train, n_epochs=3)
    for one, other in zip(stopped, whole, strict=True):
        assert one.interrupted
        assert not other.interrupted
        assert one.history["epoch"].tolist() == [1, 2, 3]
        assert one.history.equals(other.history), "the same arguments give the same numbers"
        assert_same_parameters(one.parameters, other.parameters, rtol=0, atol=0)
        assert one.scores == other.scores
        assert "test_accuracy" in one.scores


def test_an_interrupt_from_outside_at_any_moment_returns_a_result(train, bar_that, interrupts):
    timer = threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGINT])
    bar = bar_that(lambda done: done == 1 and timer.start())
    try:
        results = train_for_long(train, n_epochs=100_000)
    finally:
        timer.cancel()
    assert bar.closed
    [length] = {len(result.history) for result in results}
    assert 1 <= length < 100_000
    for result in results:
        assert result.interrupted
        assert result.history["epoch"].tolist() == list(range(1, length + 1))
        assert result.scores["train_cost"] == training.evaluate(*train, result.parameters)[0]


def test_an_interrupt_in_the_first_epoch_returns_the_initial_networks(train, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_side_by_side, "shuffled_order", interrupt)
    for result, seed in zip(train_for_long(train), [4, 5, 6], strict=True):
        assert result.interrupted
        assert result.history.empty
        assert list(result.history) == ["epoch", "cost"]
        initial = mlp.initialize_parameters([4, 5, 3], seed)
        assert_same_parameters(result.parameters, initial, rtol=0, atol=0)


def test_trainings_in_a_row_write_nothing(train, capfd):
    for _ in range(6):  # `nothing_logged` sees what TensorFlow says of the fifth
        train_on(train, layer_dims=[4, 3], n_epochs=1, mini_batch_size=60)
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")


# The seed of the mini-batches


def train_alone(train, **changes):
    settings = {"n_epochs": 2, "mini_batch_size": 30, "optimizer": "gd"} | changes
    return training.train_mlp(*train, None, None, [4, 5, 3], **settings)


def test_parameters_come_from_seed_and_the_order_from_shuffle_seed(train):
    result = train_alone(train, learning_rate=0.3, seed=6, shuffle_seed=40)
    parameters = mlp.initialize_parameters([4, 5, 3], 6)
    variables = {name: tf.Variable(value) for name, value in parameters.items()}
    optimizer = training.make_optimizer("gd", 0.3)
    optimizer.build(list(variables.values()))
    for epoch in (1, 2):
        for batch in random_mini_batches(*train, 30, seed=40 + epoch):
            training.gradient_step(*batch, variables, optimizer)
    assert_same_parameters(result.parameters, variables, rtol=0, atol=1e-6)
    others = train_alone(train, learning_rate=0.3, seed=6, shuffle_seed=41)
    assert np.abs(others.parameters["W1"] - result.parameters["W1"]).max() > 1e-4


def test_the_order_comes_from_seed_unless_told(train):
    plain = train_alone(train, seed=6)
    told = train_alone(train, seed=6, shuffle_seed=np.uint8(6))
    assert_same_result(told, plain, atol=0)
    zero = train_alone(train, seed=6, shuffle_seed=0)
    assert not np.array_equal(zero.parameters["W1"], plain.parameters["W1"]), "0 is a seed too"


@pytest.mark.parametrize(
    ("shuffle_seed", "error", "message"),
    [
        (-1, ValueError, "shuffle_seed must be at least 0, got -1"),
        (1.0, TypeError, r"shuffle_seed must be an integer, got 1\.0"),
        ("1", TypeError, "shuffle_seed must be an integer, got '1'"),
        (True, TypeError, "shuffle_seed must be an integer, got True"),
    ],
)
def test_a_wrong_shuffle_seed_is_refused_before_any_work(
    train, shuffle_seed, error, message, monkeypatch
):
    monkeypatch.setattr(training, "compile_epoch", lambda *_, **__: pytest.fail("work began"))
    with pytest.raises(error, match=message):
        train_alone(train, shuffle_seed=shuffle_seed)


@pytest.mark.parametrize(
    ("train_so", "module"), [(train_on, _side_by_side), (train_alone, training)]
)
def test_pixels_are_kept_as_bytes(train_so, module, monkeypatch):
    """One place makes the graph of an epoch; it is given the rows."""
    given, compile_all = [], module.compile_loops

    def spy(steps, rows, targets, mini_batch_size):
        given.append(np.asarray(rows))
        return compile_all(steps, rows, targets, mini_batch_size)

    monkeypatch.setattr(module, "compile_loops", spy)
    X, Y = images(60, 4, 3, seed=5)
    train_so((X, Y), n_epochs=1)
    [rows] = given
    assert rows.dtype == np.uint8
    assert np.array_equal(normalize(rows), X.T)


def test_the_names_of_the_optimizers_are_all_tested():
    assert set(LEARNING_RATES) == set(OPTIMIZERS)
