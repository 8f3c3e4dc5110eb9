"""The MLP in Keras, against the one from tensors."""

from itertools import pairwise

import numpy as np
import pytest

from nn_helpers import keras_mlp, mlp, training
from nn_helpers._tensorflow import keras, tf
from nn_helpers.preprocessing import one_hot
from nn_helpers.validation import HIDDEN_ACTIVATIONS

SMALL = {"n_x": 6, "n_y": 3}
SMALL_DIMS = [6, 5, 5, 3]


def small_model(hidden_activation="relu", num_layers=4, **changes):
    return keras_mlp.create_model(0.01, num_layers, 5, hidden_activation, **SMALL | changes)


def some_parameters(layer_dims, seed=3):
    """Glorot's weights, and biases that are not zero."""
    rng = np.random.default_rng(seed)
    return {
        name: value.numpy() + rng.normal(size=value.shape).astype(np.float32)
        for name, value in mlp.initialize_parameters(layer_dims, seed).items()
    }


def some_data(m=40, n_x=6, n_y=3):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n_x, m)).astype(np.float32)
    return X, one_hot(rng.integers(n_y, size=m), n_y)


def assert_equal_parameters(got, wanted):
    assert list(got) == list(wanted)
    for name, value in got.items():
        np.testing.assert_array_equal(value, wanted[name], err_msg=name)


# The model


def test_the_articles_model_has_its_89610_parameters():
    model = keras_mlp.create_model(0.01, 4, 100, "relu")
    assert model.count_params() == 89_610
    assert model.input_shape == (None, 784)
    assert model.output_shape == (None, 10)
    assert mlp.count_parameters(keras_mlp.get_parameters(model)) == 89_610


@pytest.mark.parametrize(("num_layers", "shapes"), [(3, [(5, 6), (3, 5)]), (5, None)])
def test_layers_count_input_and_output(num_layers, shapes):
    parameters = keras_mlp.get_parameters(small_model(num_layers=num_layers))
    shapes = shapes or [(5, 6), (5, 5), (5, 5), (3, 5)]
    assert [value.shape for name, value in parameters.items() if name[0] == "W"] == shapes
    assert len(parameters) == 2 * (num_layers - 1)


def test_the_model_trains_with_adam_at_its_learning_rate():
    model = small_model(seed=1)
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    (X, Y), before = some_data(), keras_mlp.get_parameters(model)
    variables = {name: tf.Variable(value) for name, value in before.items()}
    optimizer = training.make_optimizer("adam", 0.01)
    optimizer.build(list(variables.values()))
    model.run_eagerly = True
    for _ in range(3):
        model.train_on_batch(X.T, Y.T)
        training.gradient_step(X, Y, variables, optimizer, "relu", "softmax")
    after = keras_mlp.get_parameters(model)
    for name, value in variables.items():
        np.testing.assert_allclose(after[name], value, rtol=0, atol=1e-5)
        assert np.abs(after[name] - before[name]).max() > 0.01


def test_the_model_measures_what_the_low_level_one_measures():
    model, (X, Y) = small_model(seed=1), some_data()
    keras_mlp.set_parameters(model, some_parameters(SMALL_DIMS))
    cost, accuracy = training.evaluate(X, Y, some_parameters(SMALL_DIMS))
    measured = model.evaluate(X.T, Y.T, verbose=0, return_dict=True)
    assert measured == pytest.approx({"loss": cost, "accuracy": accuracy}, rel=1e-5)
    assert 0.1 < accuracy < 0.9


# Initial weights


def test_the_same_seed_gives_the_same_weights_and_zero_biases():
    first, second = (keras_mlp.get_parameters(small_model(seed=7)) for _ in range(2))
    assert_equal_parameters(first, second)
    for layer, (n_in, n_out) in enumerate(pairwise(SMALL_DIMS), 1):
        assert not first[f"b{layer}"].any()
        largest = np.abs(first[f"W{layer}"]).max() / np.sqrt(6 / (n_in + n_out))
        assert 0.7 < largest <= 1 + 1e-6


def test_each_seed_and_each_layer_has_a_stream_of_its_own():
    drawn = [
        value
        for seed in (0, 1, 2)
        for name, value in keras_mlp.get_parameters(small_model(n_x=5, n_y=5, seed=seed)).items()
        if name.startswith("W")
    ]
    assert len(drawn) == 9
    for position, weights in enumerate(drawn):
        for other in drawn[:position]:
            assert not np.isin(weights, other).any()


def test_without_a_seed_weights_differ_from_call_to_call():
    first, second = (keras_mlp.get_parameters(small_model()) for _ in range(2))
    assert not np.isin(first["W1"], second["W1"]).any()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"num_layers": 2}, ValueError, "num_layers must be at least 3, got 2"),
        ({"num_layers": 4.0}, TypeError, r"num_layers must be an integer, got 4\.0"),
        ({"num_nodes": 0}, ValueError, "num_nodes must be at least 1, got 0"),
        ({"learning_rate": -0.1}, ValueError, r"learning_rate must be positive, got -0\.1"),
        ({"learning_rate": "0.01"}, TypeError, r"learning_rate must be a number, got '0\.01'"),
        ({"hidden_activation": "gelu"}, ValueError, "hidden_activation must be .*, got 'gelu'"),
        ({"hidden_activation": None}, TypeError, "hidden_activation must be a string, got None"),
        ({"n_x": 0}, ValueError, "n_x must be at least 1, got 0"),
        ({"n_x": "784"}, TypeError, "n_x must be an integer, got '784'"),
        ({"n_y": -1}, ValueError, "n_y must be at least 1, got -1"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": 1.0}, TypeError, r"seed must be an integer, got 1\.0"),
    ],
)
def test_wrong_arguments_are_refused(changes, error, message):
    arguments = {
        "learning_rate": 0.01, "num_layers": 4, "num_nodes": 5, "hidden_activation": "relu"
    }  # fmt: skip
    with pytest.raises(error, match=message):
        keras_mlp.create_model(**arguments | changes)


# The two are one


@pytest.mark.parametrize("hidden_activation", HIDDEN_ACTIVATIONS)
def test_low_level_parameters_give_the_same_probabilities(hidden_activation):
    model, (X, _) = small_model(hidden_activation), some_data()
    parameters = some_parameters(SMALL_DIMS)
    wanted = mlp.predict(X, parameters, hidden_activation).numpy()
    assert np.abs(model.predict(X.T, verbose=0).T - wanted).max() > 0.01
    keras_mlp.set_parameters(model, parameters)
    got = model.predict(X.T, verbose=0).T
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5)
    assert wanted.std() > 0.1, "probabilities that differ, so that a wrong order would be seen"


def test_tensors_can_be_loaded_too():
    model, parameters = small_model(), mlp.initialize_parameters(SMALL_DIMS)
    keras_mlp.set_parameters(model, parameters)
    assert_equal_parameters(
        keras_mlp.get_parameters(model), {name: v.numpy() for name, v in parameters.items()}
    )


def test_getting_inverts_setting_and_gives_copies():
    model, parameters = small_model(), some_parameters(SMALL_DIMS)
    keras_mlp.set_parameters(model, parameters)
    got = keras_mlp.get_parameters(model)
    assert_equal_parameters(got, parameters)
    assert all(value.dtype == np.float32 for value in got.values())
    for value in got.values():
        value += 1
    assert_equal_parameters(keras_mlp.get_parameters(model), parameters)


def without(name):
    return {k: v for k, v in some_parameters(SMALL_DIMS).items() if k != name}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (some_parameters([6, 5, 3]), "W and b for each of 3 dense layers, got W1, b1, W2, b2$"),
        (some_parameters([6, 5, 5, 5, 3]), "W and b for each of 3 dense layers, got .*, W4, b4"),
        ({}, "W and b for each of 3 dense layers, got $"),
        (without("b2") | {"beta2": np.zeros((5, 1))}, "3 dense layers, got .*beta2"),
        (
            some_parameters([6, 5, 5, 4]),
            r"W3 and b3 must have shapes \(3, 5\) and \(3, 1\) .*, got \(4, 5\) and \(4, 1\)",
        ),
        (without("W1") | {"W1": np.zeros((6, 5))}, r"W1 and b1 .*got \(6, 5\) and \(5, 1\)"),
        (without("b2") | {"b2": np.zeros(5)}, r"W2 and b2 .*got \(5, 5\) and \(5,\)"),
    ],
)
def test_parameters_that_do_not_fit_leave_the_model_unchanged(parameters, message):
    model = small_model(seed=1)
    before = keras_mlp.get_parameters(model)
    with pytest.raises(ValueError, match=message):
        keras_mlp.set_parameters(model, parameters)
    assert_equal_parameters(keras_mlp.get_parameters(model), before)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras' own
def test_a_saved_model_predicts_the_same(tmp_path):
    model, (X, Y) = small_model("tanh", seed=2), some_data()
    model.run_eagerly = True
    model.fit(X.T, Y.T, epochs=1, batch_size=8, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    probabilities = model.predict(X.T, verbose=0)
    np.testing.assert_allclose(loaded.predict(X.T, verbose=0), probabilities, rtol=0, atol=1e-6)
    assert_equal_parameters(keras_mlp.get_parameters(loaded), keras_mlp.get_parameters(model))
