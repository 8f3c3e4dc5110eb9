"""The regularised network: each of its means against a computation of its own."""

import math

import numpy as np
import pytest

from nn_helpers import datasets, preprocessing, regularized_mlp
from nn_helpers._tensorflow import keras, tf
from nn_helpers.regularized_mlp import Recipe

pytestmark = pytest.mark.usefixtures("nothing_logged")

SHAPE = (4, 5)
N_Y = 3
PLAIN = {
    "input_dropout": 0, "dropout": 0, "flips": False, "weight_decay": 0, "label_smoothing": 0
}  # fmt: skip


def small_recipe(**changes):
    return Recipe(**{"hidden_layers": (7, 6), "n_epochs": 2, "batch_size": 8} | changes)


def small_model(recipe, seed=1):
    return regularized_mlp.create_regularized_model(recipe, image_shape=SHAPE, n_y=N_Y, seed=seed)


def some_data(m=40):
    rng = np.random.default_rng(3)
    x = rng.random((m, math.prod(SHAPE)), dtype=np.float32)
    return x, preprocessing.one_hot(rng.integers(N_Y, size=m), N_Y).T


def trained(recipe, seed=1, m=40):
    model = small_model(recipe, seed)
    history = regularized_mlp.train_regularized_model(model, recipe, *some_data(m), seed=seed)
    return model, history


# The recipe


def test_sizes_are_kept_as_a_tuple_and_shares_as_floats():
    recipe = Recipe(hidden_layers=[5], dropout=0, weight_decay=np.float32(0.5))
    assert recipe.hidden_layers == (5,)
    assert type(recipe.dropout) is type(recipe.weight_decay) is float


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"hidden_layers": []}, ValueError, "hidden_layers must name at least one layer size"),
        ({"hidden_layers": (5, 0)}, ValueError, r"hidden_layers\[1\] must be at least 1, got 0"),
        ({"dropout": 1}, ValueError, "dropout must be from 0 to less than 1, got 1"),
        ({"input_dropout": -0.1}, ValueError, "input_dropout must be .*, got -0.1"),
        ({"warmup_share": 1.5}, ValueError, "warmup_share must be .*, got 1.5"),
        ({"weight_decay": "0"}, TypeError, "weight_decay must be a number, got '0'"),
        ({"label_smoothing": math.nan}, ValueError, "label_smoothing must be finite, got nan"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be positive, got 0"),
        ({"flips": 1}, TypeError, r"flips must be True or False, got 1 \(int\)"),
        ({"n_epochs": 0}, ValueError, "n_epochs must be at least 1, got 0"),
        ({"batch_size": 1.5}, TypeError, "batch_size must be an integer, got 1.5"),
    ],
)
def test_wrong_values_are_refused_by_name(changes, error, message):
    with pytest.raises(error, match=f"^{message}"):
        Recipe(**changes)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"image_shape": (4, 0)}, ValueError, r"image_shape\[1\] must be at least 1, got 0"),
        ({"n_y": 0}, ValueError, "n_y must be at least 1, got 0"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
    ],
)
def test_wrong_arguments_of_the_model_are_refused(changes, error, message):
    with pytest.raises(error, match=f"^{message}"):
        regularized_mlp.create_regularized_model(small_recipe(), **changes)


# The network


def test_only_dense_layers_and_normalisations_have_parameters():
    model = small_model(small_recipe())
    with_weights = {type(layer).__name__ for layer in model.layers if layer.trainable_weights}
    assert with_weights == {"Dense", "BatchNormalization"}
    n_dense, n_normalization = 20 * 7 + 7 * 6 + (6 * 3 + 3), 2 * 7 + 2 * 6
    trainable = sum(math.prod(v.shape) for v in model.trainable_variables)
    assert trainable == n_dense + n_normalization


def test_a_prediction_is_that_of_an_independent_computation():
    model, _ = trained(small_recipe(flips=False))
    x, _ = some_data(9)
    A = x.astype(np.float64)
    for n in (1, 2):
        A = A @ model.get_layer(f"layer_{n}").kernel.numpy().astype(np.float64)
        gamma, beta, mean, variance = (
            v.numpy().astype(np.float64) for v in model.get_layer(f"normalization_{n}").weights
        )
        A = np.maximum((A - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 0)
    kernel, bias = (w.astype(np.float64) for w in model.get_layer("layer_3").get_weights())
    exponentials = np.exp(A @ kernel + bias)
    wanted = exponentials / exponentials.sum(axis=1, keepdims=True)
    got = regularized_mlp.predict_probabilities(model, x)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5)
    assert np.ptp(wanted, axis=0).max() > 0.01, "probabilities that differ"


def test_prediction_averages_over_an_image_and_its_mirror_image():
    model, _ = trained(small_recipe())
    x, _ = some_data(9)
    mirrored = np.stack([np.fliplr(image).ravel() for image in x.reshape(-1, *SHAPE)])
    each = [model(view, training=False).numpy() for view in (x, mirrored)]
    assert np.abs(each[0] - each[1]).max() > 0.001
    got = regularized_mlp.predict_probabilities(model, x)
    np.testing.assert_allclose(got, (each[0] + each[1]) / 2, rtol=0, atol=1e-6)
    of_mirrored = regularized_mlp.predict_probabilities(model, mirrored)
    np.testing.assert_allclose(of_mirrored, got, rtol=0, atol=1e-6)


def test_a_prediction_does_not_depend_on_how_many_are_made_at_once(monkeypatch):
    model, (x, _) = small_model(small_recipe()), some_data(9)
    together = regularized_mlp.predict_probabilities(model, x)
    monkeypatch.setattr(regularized_mlp, "PREDICTED_AT_ONCE", 4)
    parts = regularized_mlp.predict_probabilities(model, x)
    np.testing.assert_allclose(parts, together, rtol=0, atol=1e-6)


def test_dropout_and_mirroring_are_off_in_prediction_and_on_in_training():
    model, (x, _) = small_model(small_recipe()), some_data(30)
    first, second = (model(x, training=False).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    first, second = (model(x, training=True).numpy() for _ in range(2))
    assert np.abs(first - second).max() > 0.01


# Mirroring


def test_mirroring_swaps_left_and_right():
    image = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    mirrored = regularized_mlp.mirror(image.reshape(1, 6), (2, 3))
    np.testing.assert_array_equal(mirrored, [[3, 2, 1, 6, 5, 4]])
    x, _ = some_data(4)
    twice = regularized_mlp.mirror(regularized_mlp.mirror(x, SHAPE), SHAPE)
    np.testing.assert_array_equal(twice, x)


def test_training_mirrors_half_of_the_images_another_half_each_time():
    recipe, (x, _) = small_recipe(input_dropout=0), some_data(400)
    model = small_model(recipe)
    pixels = keras.Sequential([model.get_layer(name) for name in ("images", "mirror", "pixels")])
    mirrored = regularized_mlp.mirror(x, SHAPE)
    steps = []
    for _ in range(2):
        seen = pixels(x, training=True).numpy()
        is_mirrored = (seen == mirrored).all(axis=1)
        assert ((seen == x).all(axis=1) ^ is_mirrored).all()
        steps.append(is_mirrored)
        assert 150 < is_mirrored.sum() < 250
    assert 150 < (steps[0] ^ steps[1]).sum() < 250


# Dropout


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_keeps_its_share_and_the_mean(rate):
    layer = regularized_mlp.HashedDropout(rate, seed=2)
    ones = np.ones((300, 200), np.float32)
    dropped = layer(ones, training=True).numpy()
    assert set(np.unique(dropped)) == {0, np.float32(1 / (1 - rate))}
    # Five standard deviations of a binomial share.
    assert abs((dropped == 0).mean() - rate) < 5 * math.sqrt(rate * (1 - rate) / ones.size)
    np.testing.assert_array_equal(layer(ones, training=False), ones)


def test_masks_of_rows_columns_steps_and_seeds_have_nothing_in_common():
    ones, masks = np.ones((300, 200), np.float32), []
    for seed in (2, 3):
        layer = regularized_mlp.HashedDropout(0.5, seed=seed)
        masks += [(layer(ones, training=True).numpy() > 0) - 0.5 for _ in range(2)]
    limit = 5 * 0.25 / math.sqrt(ones.size)
    for position, mask in enumerate(masks):
        for other in masks[:position]:
            assert abs((mask * other).mean()) < limit
        for axis, step in ((0, 1), (1, 1), (1, 2), (0, 128), (1, 128)):
            neighbour = np.roll(mask, step, axis)
            assert abs((mask * neighbour).mean()) < limit
        # Each row and each column, by itself, keeps about half.
        assert np.abs(mask.mean(axis=0)).max() < 5 * 0.5 / math.sqrt(300)
        assert np.abs(mask.mean(axis=1)).max() < 5 * 0.5 / math.sqrt(200)


def test_the_same_seed_gives_the_same_masks_compiled_or_not():
    ones = np.ones((30, 20), np.float32)
    eager, compiled = (regularized_mlp.HashedDropout(0.5, seed=2) for _ in range(2))
    compiled.build(ones.shape)
    step = tf.function(lambda x: compiled(x, training=True), jit_compile=True)
    for _ in range(3):
        np.testing.assert_array_equal(eager(ones, training=True), step(ones))


# Training


@pytest.mark.parametrize("warmup_share", [0.0, 0.25])
def test_the_step_size_rises_in_a_line_and_falls_along_a_cosine(warmup_share):
    recipe = small_recipe(learning_rate=0.2, warmup_share=warmup_share, n_epochs=4)
    schedule = regularized_mlp.make_schedule(recipe, m=33)
    n_steps = 4 * 5  # of 8, 8, 8, 8 and 1 examples
    n_warmup = int(warmup_share * n_steps)
    for step in range(n_steps + 1):
        if step < n_warmup:
            wanted = 0.2 * step / n_warmup
        else:
            progress = (step - n_warmup) / (n_steps - n_warmup)
            wanted = 0.2 * (1 + math.cos(math.pi * progress)) / 2
        assert float(schedule(step)) == pytest.approx(wanted, abs=1e-7)


def test_the_cost_is_that_of_smoothed_labels():
    recipe = small_recipe(**PLAIN | {"label_smoothing": 0.2, "n_epochs": 1})
    model, _ = trained(recipe)
    x, y = some_data()
    probabilities = model(x, training=False).numpy().astype(np.float64)
    smoothed = 0.8 * y.astype(np.float64) + 0.2 / N_Y
    wanted = -(smoothed * np.log(probabilities)).sum(axis=1).mean()
    assert float(model.compute_loss(x, y, model(x, training=False))) == pytest.approx(wanted, 1e-5)


def test_the_history_has_the_cost_and_the_validation_of_each_epoch():
    recipe = small_recipe(**PLAIN)
    model = small_model(recipe)
    x, y = some_data()
    history = regularized_mlp.train_regularized_model(model, recipe, x, y, validation_data=(x, y))
    columns = {"epoch", "cost", "accuracy", "validation_cost", "validation_accuracy"}
    assert set(history) == columns
    assert list(history["epoch"]) == [1, 2]
    predicted = regularized_mlp.predict_probabilities(model, x).argmax(axis=1)
    accuracy = (predicted == y.argmax(axis=1)).mean()
    assert history["validation_accuracy"].iloc[-1] == pytest.approx(accuracy)


def test_weight_decay_takes_its_share_of_the_weights_and_of_nothing_else():
    one_step = {"n_epochs": 1, "batch_size": 40, "warmup_share": 0, "learning_rate": 0.1}
    before = small_model(small_recipe(**one_step))
    without, _ = trained(small_recipe(**one_step | {"weight_decay": 0}))
    decayed, _ = trained(small_recipe(**one_step | {"weight_decay": 0.5}))
    variables = [model.trainable_variables for model in (before, without, decayed)]
    for variable, plain, smaller in zip(*variables, strict=True):
        taken = 0.1 * 0.5 * variable.numpy() if variable.name == "kernel" else 0.0
        np.testing.assert_allclose(plain - smaller, taken + 0 * variable, rtol=0, atol=1e-6)


def test_the_same_seed_gives_the_same_numbers():
    (first, costs), (second, same_costs) = (trained(small_recipe(), seed=4) for _ in range(2))
    assert costs.equals(same_costs)
    for one, other in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    _, other_costs = trained(small_recipe(), seed=5)
    assert not costs["cost"].equals(other_costs["cost"])


def test_a_batch_that_is_too_large_is_refused():
    with pytest.raises(ValueError, match="batch_size must be from 1 to 5, got 8"):
        trained(small_recipe(), m=5)


def test_it_learns_real_images():
    data = datasets.load_fashion_mnist().subset(3000, 1000)
    x, x_test = (
        preprocessing.flatten(preprocessing.normalize(images)).T
        for images in (data.train_images, data.test_images)
    )
    recipe = Recipe(hidden_layers=(128,), n_epochs=8, batch_size=100)
    model = regularized_mlp.create_regularized_model(recipe, seed=1)
    y = preprocessing.one_hot(data.train_labels).T
    history = regularized_mlp.train_regularized_model(model, recipe, x, y)
    assert history["cost"].iloc[-1] < history["cost"].iloc[0]
    predicted = regularized_mlp.predict_probabilities(model, x_test).argmax(axis=1)
    assert (predicted == data.test_labels).mean() > 0.8


# An ensemble


def test_an_ensemble_predicts_the_mean_of_its_networks():
    rng = np.random.default_rng(1)
    predictions = rng.dirichlet(np.ones(4), size=(3, 6))
    wanted = (predictions[0] + predictions[1] + predictions[2]) / 3
    got = regularized_mlp.average_probabilities(list(predictions))
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([], "one or more of the same shape, got none"),
        ([np.ones((2, 3)), np.ones((3, 3))], r"same shape, got \(2, 3\), \(3, 3\)"),
    ],
)
def test_predictions_that_do_not_fit_are_refused(predictions, message):
    with pytest.raises(ValueError, match=message):
        regularized_mlp.average_probabilities(predictions)
