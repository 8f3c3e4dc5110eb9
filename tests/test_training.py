"""Training: each optimiser against Keras and NumPy, the compiled epoch, what comes out."""

import contextlib
import io
import os
import re
import signal
import threading

import matplotlib.figure
import numpy as np
import pytest
import reference_mlp
from sklearn.metrics import accuracy_score, r2_score

from nn_helpers import mlp, training
from nn_helpers._tensorflow import keras, tf
from nn_helpers.preprocessing import one_hot, random_mini_batches
from nn_helpers.validation import OPTIMIZERS, OUTPUT_ACTIVATIONS

pytestmark = pytest.mark.usefixtures("nothing_logged")

LEARNING_RATES = {"gd": 0.1, "momentum": 0.01, "rms": 0.001, "adam": 0.001}


def classes(m, n_x=20, n_y=3, seed=0):
    """Features and one-hot labels without much of a relation."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_x, m)).astype(np.float32)
    return X, one_hot(rng.integers(n_y, size=m), n_y)


def blobs(m, seed):
    """Three well-separated classes in the plane."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=m)
    centres = np.array([[0, 3], [3, -2], [-3, -2]], np.float32)
    X = centres[labels].T + rng.normal(scale=0.5, size=(2, m)).astype(np.float32)
    return X, one_hot(labels, 3)


def sine(m, seed):
    x = np.random.default_rng(seed).uniform(-2, 2, (1, m)).astype(np.float32)
    return x, np.sin(2 * x)


def read_only(*arrays):
    for array in arrays:
        array.setflags(write=False)
    return arrays


def variables_of(parameters):
    return {name: tf.Variable(value) for name, value in parameters.items()}


def assert_same_parameters(got, wanted, **tolerance):
    assert list(got) == list(wanted)
    for name, value in got.items():
        np.testing.assert_allclose(value, wanted[name], err_msg=name, **tolerance)


# Optimisers

KERAS_OPTIMIZERS = {
    "gd": lambda rate: keras.optimizers.SGD(learning_rate=rate),
    "momentum": lambda rate: keras.optimizers.SGD(learning_rate=rate, momentum=0.9),
    "rms": lambda rate: keras.optimizers.RMSprop(learning_rate=rate),
    "adam": lambda rate: keras.optimizers.Adam(learning_rate=rate),
}
KERAS_LOSSES = {
    "softmax": lambda: keras.losses.CategoricalCrossentropy(from_logits=True),
    "sigmoid": lambda: keras.losses.BinaryCrossentropy(from_logits=True),
    "none": lambda: keras.losses.MeanSquaredError(),
}


def train_with_keras(batches, parameters, optimizer, hidden_activation, output_activation):
    """Take the steps with `train_on_batch` of a Keras model; return parameters and costs."""
    layers = []
    for layer in range(1, len(parameters) // 2 + 1):
        last = layer == len(parameters) // 2
        n_out, n_in = parameters[f"W{layer}"].shape
        dense = keras.layers.Dense(n_out, activation=None if last else hidden_activation)
        dense.build((None, n_in))
        dense.set_weights(
            [parameters[f"W{layer}"].numpy().T, parameters[f"b{layer}"].numpy()[:, 0]]
        )
        layers.append(dense)
    model = keras.Sequential(layers)
    model.compile(optimizer, KERAS_LOSSES[output_activation](), run_eagerly=True)
    costs = []
    for X, Y in batches:
        model.reset_metrics()
        costs.append(float(model.train_on_batch(X.T, Y.T)))
    trained = {}
    for number, dense in enumerate(layers, 1):
        kernel, bias = dense.get_weights()
        trained |= {f"W{number}": kernel.T, f"b{number}": bias[:, np.newaxis]}
    return trained, costs


@pytest.mark.parametrize("output_activation", OUTPUT_ACTIVATIONS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_ten_steps_agree_with_keras_and_with_numpy(optimizer, output_activation):
    rate, activations = 10 * LEARNING_RATES[optimizer], ("tanh", output_activation)
    batches = random_mini_batches(*classes(160), 16)
    initial = mlp.initialize_parameters([20, 8, 3], seed=5)

    variables = variables_of(initial)
    ours = training.make_optimizer(optimizer, rate)
    ours.build(list(variables.values()))
    costs = [float(training.gradient_step(*b, variables, ours, *activations)) for b in batches]
    assert len(costs) == 10
    for name, value in initial.items():
        assert np.abs(variables[name] - value).max() > 1e-3, f"{name} has moved"

    for trained, wanted_costs in (
        train_with_keras(batches, initial, KERAS_OPTIMIZERS[optimizer](rate), *activations),
        reference_mlp.train(
            batches, initial, reference_mlp.Optimizer(optimizer, rate), *activations
        ),
    ):
        assert_same_parameters(variables, trained, rtol=0, atol=1e-5)
        np.testing.assert_allclose(costs, wanted_costs, rtol=0, atol=1e-5)


def test_activations_of_a_step_are_relu_and_softmax_unless_told():
    initial, batch = mlp.initialize_parameters([20, 8, 3]), classes(30)
    trained = []
    for activations in ((), ("relu", "softmax")):
        variables, optimizer = variables_of(initial), training.make_optimizer("gd", 0.1)
        optimizer.build(list(variables.values()))
        training.gradient_step(*batch, variables, optimizer, *activations)
        trained.append(variables)
    assert_same_parameters(*trained, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("sgd", 0.1), ValueError, "optimizer must be one of gd, momentum, rms, adam, got 'sgd'"),
        ((None, 0.1), TypeError, "optimizer must be a string, got None"),
        (("adam", 0), ValueError, "learning_rate must be positive, got 0"),
        (("adam", float("nan")), ValueError, "learning_rate must be finite, got nan"),
        (("adam", "0.01"), TypeError, r"learning_rate must be a number, got '0\.01'"),
    ],
)
def test_optimizers_refuse_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        training.make_optimizer(*arguments)


# The compiled epoch


@pytest.mark.parametrize("mini_batch_size", [1, 7, 64, 200])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_epoch_takes_the_mini_batches_of_random_mini_batches(optimizer, mini_batch_size):
    X, Y = read_only(*classes(200))
    rate, seed, layer_dims = LEARNING_RATES[optimizer], 7, [20, 6, 3]
    result = training.train_mlp(
        X, Y, None, None, layer_dims, "tanh", "softmax", optimizer, rate, 1, mini_batch_size,
        seed=seed,
    )  # fmt: skip
    batches = random_mini_batches(X, Y, mini_batch_size, seed=seed + 1)
    trained, costs = reference_mlp.train(
        batches,
        mlp.initialize_parameters(layer_dims, seed),
        reference_mlp.Optimizer(optimizer, rate),
        "tanh",
        "softmax",
    )
    assert_same_parameters(result.parameters, trained, rtol=0, atol=1e-5)
    sizes = [x.shape[1] for x, _ in batches]
    mean_over_examples = np.average(costs, weights=sizes)
    if mini_batch_size == 64:
        assert sizes[-1] == 8
        assert abs(costs.mean() - mean_over_examples) > 1e-3, "a mean over steps would be seen"
    np.testing.assert_allclose(result.history["cost"], [mean_over_examples], rtol=1e-5)


@pytest.mark.parametrize(
    ("output_activation", "hidden_activation"), [("sigmoid", "relu"), ("none", "sigmoid")]
)
def test_epochs_go_on_where_the_one_before_stopped(output_activation, hidden_activation):
    X, Y = classes(50, n_x=4, n_y=2)
    activations, seed = (hidden_activation, output_activation), 3
    result = training.train_mlp(
        X, Y, None, None, [4, 5, 3, 2], *activations, learning_rate=0.001, n_epochs=3,
        mini_batch_size=20, seed=seed,
    )  # fmt: skip
    epochs = [random_mini_batches(X, Y, 20, seed=seed + epoch) for epoch in (1, 2, 3)]
    trained, costs = reference_mlp.train(
        [batch for epoch in epochs for batch in epoch],
        mlp.initialize_parameters([4, 5, 3, 2], seed),
        reference_mlp.Optimizer("adam", 0.001),
        *activations,
    )
    assert_same_parameters(result.parameters, trained, rtol=0, atol=1e-5)
    wanted = np.average(costs.reshape(3, 3), axis=1, weights=[20, 20, 10])
    np.testing.assert_allclose(result.history["cost"], wanted, rtol=1e-5)


# What train_mlp returns

DEFAULT_DIMS = [2, 8, 3]


@pytest.fixture(scope="module")
def data():
    """Training, validation and test data, none of which may be written to."""
    return {
        name: read_only(*blobs(m, seed))
        for seed, (name, m) in enumerate({"train": 300, "validation": 90, "test": 120}.items())
    }


def train_on(data, with_others=True, **changes):
    others = {"X_validation": data["validation"][0], "Y_validation": data["validation"][1]}
    settings = {"n_epochs": 21, "seed": 4} | (others if with_others else {}) | changes
    test = data["test"] if with_others else (None, None)
    return training.train_mlp(*data["train"], *test, DEFAULT_DIMS, **settings)


@pytest.fixture(scope="module")
def trained(data):
    """Return the result of a training with everything on, and what it printed."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        result = train_on(data, print_cost=True)
    return result, printed.getvalue()


def predicted_labels(X, parameters):
    exact = reference_mlp.as_float64(parameters)
    return reference_mlp.forward(X, exact, "relu")[-1].argmax(axis=0)


def test_training_learns_to_tell_classes(trained, data):
    result, _ = trained
    assert not result.interrupted
    assert set(result.scores) == {"train_cost", "train_accuracy", "test_cost", "test_accuracy"}
    for name in ("train", "test"):
        X, Y = data[name]
        accuracy = accuracy_score(Y.argmax(axis=0), predicted_labels(X, result.parameters))
        assert accuracy > 0.95
        assert result.scores[f"{name}_accuracy"] == pytest.approx(accuracy, rel=1e-12)
        exact = reference_mlp.as_float64(result.parameters)
        cost = reference_mlp.network_cost(X, Y, exact, "relu", "softmax")
        assert result.scores[f"{name}_cost"] == pytest.approx(cost, rel=1e-4)


def test_history_has_a_row_an_epoch(trained):
    history = trained[0].history
    assert list(history) == ["epoch", "cost", "validation_cost", "validation_accuracy"]
    assert history["epoch"].tolist() == list(range(1, 22))
    assert np.isfinite(history).all(axis=None)
    assert history["cost"].iloc[-1] < history["cost"].iloc[0] / 5
    assert history["validation_accuracy"].between(0, 1).all()


def test_the_last_validation_row_is_that_of_the_returned_parameters(trained, data):
    result, _ = trained
    last = result.history.iloc[-1]
    measured = training.evaluate(*data["validation"], result.parameters)
    assert (last["validation_cost"], last["validation_accuracy"]) == pytest.approx(measured, 1e-6)


def test_parameters_are_arrays_of_float32_with_the_layers_shapes(trained):
    parameters = trained[0].parameters
    shapes = {name: value.shape for name, value in parameters.items()}
    assert shapes == {"W1": (8, 2), "b1": (8, 1), "W2": (3, 8), "b2": (3, 1)}
    assert all(type(value) is np.ndarray for value in parameters.values())
    assert all(value.dtype == np.float32 for value in parameters.values())


def test_cost_is_printed_after_the_first_and_every_tenth_epoch(trained):
    result, printed = trained
    cost = result.history.set_index("epoch")["cost"]
    assert printed == "".join(
        f"Cost after epoch {epoch}: {cost[epoch]:.4f}\n" for epoch in (1, 10, 20)
    )


def test_the_same_seed_gives_the_same_numbers_and_only_training_data_count(trained, data, capsys):
    result, _ = trained
    again = train_on(data, with_others=False)
    assert_same_parameters(again.parameters, result.parameters, rtol=0, atol=0)
    assert list(again.history) == ["epoch", "cost"]
    assert again.history["cost"].tolist() == result.history["cost"].tolist()
    assert again.scores == {k: v for k, v in result.scores.items() if k.startswith("train")}
    assert capsys.readouterr().out == ""


def test_another_seed_gives_other_numbers(trained, data):
    other = train_on(data, seed=5, n_epochs=1)
    assert other.history["cost"][0] != trained[0].history["cost"][0]
    for name, value in other.parameters.items():
        assert not np.array_equal(value, trained[0].parameters[name])


def test_float64_data_numpy_integers_and_defaults_give_the_same_numbers(data):
    plain = train_on(data, n_epochs=2)
    doubles = {name: [array.astype(np.float64) for array in pair] for name, pair in data.items()}
    spelled_out = train_on(
        doubles, hidden_activation="relu", output_activation="softmax", optimizer="adam",
        learning_rate=np.float64(0.01), n_epochs=np.int64(2), mini_batch_size=np.uint8(64),
        seed=np.uint8(4),
    )  # fmt: skip
    assert_same_parameters(spelled_out.parameters, plain.parameters, rtol=0, atol=0)
    assert spelled_out.scores == plain.scores


def test_training_learns_a_regression():
    train, test, validation = sine(300, 0), sine(100, 1), sine(80, 2)
    result = training.train_mlp(
        *train, *test, [1, 20, 1], "tanh", "none", n_epochs=60, mini_batch_size=32,
        X_validation=validation[0], Y_validation=validation[1],
    )  # fmt: skip
    assert list(result.history) == ["epoch", "cost", "validation_cost", "validation_r2"]
    assert set(result.scores) == {"train_cost", "train_r2", "test_cost", "test_r2"}
    exact = reference_mlp.as_float64(result.parameters)
    for (X, Y), score in [
        (train, result.scores["train_r2"]),
        (test, result.scores["test_r2"]),
        (validation, result.history["validation_r2"].iloc[-1]),
    ]:
        wanted = r2_score(Y[0], reference_mlp.forward(X, exact, "tanh")[-1][0])
        assert wanted > 0.9
        assert score == pytest.approx(wanted, rel=1e-5)


def test_trainings_in_a_row_write_nothing(capfd):
    for _ in range(6):  # `nothing_logged` sees what TensorFlow says of the fifth
        training.train_mlp(
            *sine(8, 0), None, None, [1, 1], "relu", "none", "gd", n_epochs=1, mini_batch_size=8
        )
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")


# The cost curve


@pytest.fixture
def displayed(monkeypatch):
    figures = []
    monkeypatch.setattr("IPython.display.display", lambda figure, *_, **__: figures.append(figure))
    return figures


def test_plot_cost_shows_the_history_as_a_figure(displayed):
    result = training.train_mlp(
        *sine(20, 0), None, None, [1, 2, 1], "tanh", "none", n_epochs=3, mini_batch_size=20,
        plot_cost=True,
    )  # fmt: skip
    [figure] = displayed
    assert isinstance(figure, matplotlib.figure.Figure)
    drawn = [line.get_ydata().tolist() for line in figure.axes[0].get_lines()]
    assert result.history["cost"].tolist() in drawn


# Trouble on the way


@pytest.mark.parametrize("with_validation", [False, True])
def test_a_cost_that_is_no_longer_finite_ends_the_training(with_validation):
    X, Y = sine(100, 0)
    others = {"X_validation": X, "Y_validation": Y} if with_validation else {}
    with pytest.raises(FloatingPointError) as caught:
        training.train_mlp(
            X, Y, None, None, [1, 8, 1], "relu", "none", "gd", 100.0, mini_batch_size=50, **others
        )
    assert re.fullmatch(
        r"the cost became (inf|nan) in epoch \d+: lower learning_rate, now 100", str(caught.value)
    )


@pytest.mark.parametrize("name", ["train", "validation"])
def test_a_last_step_that_leaves_no_finite_network_is_no_result(name):
    X, Y = sine(50, 0)
    others = {"X_validation": X, "Y_validation": Y} if name == "validation" else {}
    message = rf"the cost became (inf|nan) on the {name} data: lower learning_rate, now 1e\+20"
    with pytest.raises(FloatingPointError, match=message):
        training.train_mlp(
            X, Y, None, None, [1, 8, 1], "relu", "none", "gd", 1e20, 1, mini_batch_size=50, **others
        )


def train_for_long(n_epochs=30, **changes):
    X, Y = sine(20, 0)
    try:
        return training.train_mlp(
            X, Y, X, Y, [1, 2, 1], "tanh", "none", n_epochs=n_epochs, mini_batch_size=20, **changes
        )
    except KeyboardInterrupt:  # would end the whole test run
        pytest.fail("the interrupt was not caught")


def test_an_interrupt_returns_what_has_been_trained(bar_that, interrupts):
    bar = bar_that(lambda done: done == 3 and signal.raise_signal(signal.SIGINT))
    stopped = train_for_long(print_cost=True)
    assert stopped.interrupted
    assert bar.closed
    assert stopped.history["epoch"].tolist() == [1, 2, 3]
    whole = train_for_long(n_epochs=3)
    assert not whole.interrupted
    assert_same_parameters(stopped.parameters, whole.parameters, rtol=0, atol=0)
    assert stopped.scores == whole.scores
    assert "test_r2" in stopped.scores


def test_an_interrupt_from_outside_at_any_moment_returns_a_result(bar_that, interrupts):
    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.05, interrupt)
    bar = bar_that(lambda done: done == 1 and timer.start())
    try:
        result = train_for_long(n_epochs=100_000)
    finally:
        timer.cancel()
    assert result.interrupted
    assert bar.closed
    assert result.history["epoch"].tolist() == list(range(1, len(result.history) + 1))
    assert 1 <= len(result.history) < 100_000
    assert result.scores["train_cost"] == pytest.approx(
        training.evaluate(*sine(20, 0), result.parameters, "tanh", "none")[0]
    )


def test_an_interrupt_in_the_first_epoch_returns_the_initial_network(monkeypatch, displayed):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "shuffled_order", interrupt)
    result = train_for_long(plot_cost=True, seed=6)
    assert result.interrupted
    assert result.history.empty
    assert list(result.history) == ["epoch", "cost"]
    assert_same_parameters(
        result.parameters, mlp.initialize_parameters([1, 2, 1], 6), rtol=0, atol=0
    )
    assert displayed == [], "there is no curve to show"


def test_other_errors_are_not_swallowed_and_close_the_bar(bar_that):
    def fail(done):
        raise RuntimeError("the disk is full")

    bar = bar_that(fail)
    with pytest.raises(RuntimeError, match="the disk is full"):
        train_for_long()
    assert bar.closed


# Refusals


def wrong_arguments():
    """Each wrong argument, the error and what its message must say."""
    X, Y = classes(10, n_x=4, n_y=3)
    nan, infinite = X.copy(), Y.copy()
    nan[0, 0], infinite[2, 9] = np.nan, np.inf
    for number in ("train", "test", "validation"):
        both = {"X": f"X_{number}", "Y": f"Y_{number}"}
        given = {both["X"]: X, both["Y"]: Y}
        yield given | {both["X"]: X.astype(np.uint8)}, TypeError, f"X_{number} must .* dtype uint8"
        yield given | {both["Y"]: Y.astype(int)}, TypeError, f"Y_{number} must hold .* dtype int64"
        yield given | {both["X"]: X > 0}, TypeError, f"X_{number} must hold floats.*dtype bool"
        yield given | {both["X"]: nan}, ValueError, f"X_{number} must hold finite numbers"
        yield given | {both["Y"]: infinite}, ValueError, f"Y_{number} must hold finite numbers"
        same = f"X_{number} and Y_{number} must hold the same number of examples"
        yield given | {both["X"]: X[:, :9]}, ValueError, f"{same}.*got 9 and 10"
        yield given | {both["Y"]: Y[:, :1]}, ValueError, f"{same}.*got 10 and 1"
        nothing = {both["X"]: X[:, :0], both["Y"]: Y[:, :0]}
        yield nothing, ValueError, f"{same}, at least one, got 0 and 0"
        if number != "train":
            yield {both["X"]: X, both["Y"]: None}, ValueError, f"X_{number} and Y_{number} go toget"
            yield {both["X"]: None, both["Y"]: Y}, ValueError, f"X_{number} and Y_{number} go toget"
            yield given | {both["X"]: X[:3]}, ValueError, rf"X_{number} .*\(4, m\), got \(3, 10\)"
            yield given | {both["Y"]: Y[:2]}, ValueError, rf"Y_{number} .*\(3, m\), got \(2, 10\)"
            yield given | {both["X"]: X.T}, ValueError, rf"X_{number} .*\(4, m\), got \(10, 4\)"
            yield given | {both["X"]: X[0]}, ValueError, rf"X_{number} .*\(4, m\), got \(10,\)"
    yield {"X_train": None}, ValueError, r"X must have two dimensions.*got \(\)"
    yield {"Y_train": None}, ValueError, r"Y must have two dimensions.*got \(\)"
    yield {"X_train": X[0]}, ValueError, r"X must have two dimensions.*got \(10,\)"
    yield {"X_train": X.T}, ValueError, "layer_dims must start with 10, .*got 4"
    yield {"X_train": X.astype(complex)}, TypeError, "X_train must hold floats.*complex128"
    yield {"layer_dims": [5, 3]}, ValueError, "layer_dims must start with 4, .*got 5"
    yield {"layer_dims": [4, 2, 4]}, ValueError, "layer_dims must end with 3, .*got 4"
    yield {"layer_dims": [4, 0, 3]}, ValueError, r"layer_dims\[1\] must be at least 1, got 0"
    yield {"layer_dims": []}, ValueError, r"layer_dims must name at least one .*got \[\]"
    yield {"layer_dims": 4}, TypeError, "layer_dims must be a list of integers, got 4"
    yield {"hidden_activation": "gelu"}, ValueError, "hidden_activation must be .* got 'gelu'"
    yield {"hidden_activation": "softmax"}, ValueError, "hidden_activation must be .*'softmax'"
    yield {"output_activation": "relu"}, ValueError, "output_activation must be .* got 'relu'"
    yield {"output_activation": None}, TypeError, "output_activation must be a string, got None"
    yield {"optimizer": "sgd"}, ValueError, "optimizer must be one of .* got 'sgd'"
    for rate in (0, -0.1, float("nan"), float("inf")):
        yield {"learning_rate": rate}, ValueError, f"learning_rate must be .*got {rate}"
    yield {"learning_rate": "0.01"}, TypeError, r"learning_rate must be a number, got '0\.01'"
    yield {"learning_rate": True}, TypeError, "learning_rate must be a number, got True"
    yield {"n_epochs": 0}, ValueError, "n_epochs must be at least 1, got 0"
    yield {"n_epochs": 2.0}, TypeError, r"n_epochs must be an integer, got 2\.0"
    yield {"mini_batch_size": 11}, ValueError, "mini_batch_size must be from 1 to 10, got 11"
    yield {"mini_batch_size": 0}, ValueError, "mini_batch_size must be from 1 to 10, got 0"
    yield {"mini_batch_size": None}, TypeError, "mini_batch_size must be an integer, got None"
    yield {"seed": -1}, ValueError, "seed must be at least 0, got -1"
    yield {"seed": "1"}, TypeError, "seed must be an integer, got '1'"


@pytest.mark.parametrize(("changes", "error", "message"), list(wrong_arguments()))
def test_wrong_arguments_are_refused_before_any_work(changes, error, message, monkeypatch):
    monkeypatch.setattr(training, "compile_epoch", lambda *_, **__: pytest.fail("work began"))
    X, Y = classes(10, n_x=4, n_y=3)
    arguments = {
        "X_train": X, "Y_train": Y, "X_test": None, "Y_test": None, "layer_dims": [4, 3],
        "mini_batch_size": 5,
    }  # fmt: skip
    with pytest.raises(error, match=message) as caught:
        training.train_mlp(**arguments | changes)
    assert "\n" not in str(caught.value)
