"""Preprocessing: exact inverses, fair mini-batches, a stratified split."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nn_helpers import preprocessing

IMAGES = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=6))
SEEDS = st.integers(0, 2**32 - 1)


def numbered_examples(m):
    """Features and targets that say which example they are."""
    index = np.arange(m, dtype=np.float32)
    return np.stack([index, 2 * index]), index[np.newaxis] + 0.5


# Normalise


def test_each_pixel_is_divided_by_255_and_comes_back():
    pixels = np.arange(256, dtype=np.uint8)
    scaled = preprocessing.normalize(pixels)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, np.arange(256) / 255, rtol=1e-7)
    assert (scaled[0], scaled[255]) == (0, 1)
    for dtype in (np.float32, np.float64):
        back = preprocessing.denormalize(scaled.astype(dtype))
        assert back.dtype == np.uint8
        np.testing.assert_array_equal(back, pixels)


def test_denormalize_rounds_to_the_nearest_pixel():
    almost = np.array([0.4, 0.6, 9.9, 254.7]) / 255
    assert preprocessing.denormalize(almost).tolist() == [0, 1, 10, 255]


@given(IMAGES, st.sampled_from([np.float32, np.float64]))
def test_denormalize_inverts_normalize_in_any_shape_and_precision(images, dtype):
    back = preprocessing.denormalize(preprocessing.normalize(images).astype(dtype))
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, images)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int8, bool])
def test_normalize_refuses_what_is_not_uint8(dtype):
    with pytest.raises(TypeError, match=f"images must be of dtype uint8.*{np.dtype(dtype)}"):
        preprocessing.normalize(np.zeros((2, 3), dtype))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([0.5, 1.5], "got 0.5 to 1.5"),
        ([-0.25, 1.0], "got -0.25 to 1"),
        ([0.5, np.nan], "got nan to nan"),
        ([0.0, np.inf], "got 0 to inf"),
        ([0, 255], "got 0 to 255"),
    ],
)
def test_denormalize_refuses_values_outside_0_to_1(values, found):
    with pytest.raises(ValueError, match=f"images must hold values from 0 to 1, {found}"):
        preprocessing.denormalize(np.array(values))


def test_no_images_stay_no_images():
    none = np.zeros((0, 28, 28), np.uint8)
    scaled = preprocessing.normalize(none)
    assert preprocessing.denormalize(scaled).shape == none.shape
    assert preprocessing.flatten(none).shape == (784, 0)
    assert preprocessing.unflatten(preprocessing.flatten(none)).shape == none.shape


# Flatten


def test_a_column_holds_an_image_row_by_row():
    images = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    X = preprocessing.flatten(images)
    assert X.shape == (12, 2)
    for example in range(2):
        assert X[:, example].tolist() == [pixel for row in images[example] for pixel in row]


@given(IMAGES)
def test_unflatten_inverts_flatten_without_a_copy(images):
    X = preprocessing.flatten(images)
    assert np.shares_memory(X, images)
    back = preprocessing.unflatten(X, images.shape[1:])
    assert back.dtype == images.dtype
    np.testing.assert_array_equal(back, images)


def test_unflatten_takes_columns_of_any_memory_layout():
    images = np.arange(2 * 28 * 28, dtype=np.float32).reshape(2, 28, 28)
    X = np.ascontiguousarray(preprocessing.flatten(images))
    np.testing.assert_array_equal(preprocessing.unflatten(X), images)


@pytest.mark.parametrize("shape", [(28, 28), (784,), (2, 28, 28, 1)])
def test_flatten_refuses_other_than_three_dimensions(shape):
    with pytest.raises(ValueError, match=r"images must have shape \(m, height, width\)") as caught:
        preprocessing.flatten(np.zeros(shape))
    assert str(caught.value).endswith(f"got {shape}")


@pytest.mark.parametrize("shape", [(783, 2), (2, 784), (784,), (28, 28, 2)])
def test_unflatten_refuses_columns_of_another_size(shape):
    with pytest.raises(ValueError, match=r"X must have shape \(784, m\).*28 x 28") as caught:
        preprocessing.unflatten(np.zeros(shape))
    assert str(caught.value).endswith(f"got {shape}")


# One-hot

CLASS_COUNTS = st.sampled_from([1, 2, 3, 10, 256, 257, 300])


@given(st.data(), CLASS_COUNTS, st.sampled_from([np.uint8, np.int8, np.int32, np.int64, np.uint64]))
def test_one_hot_columns_have_their_1_at_the_label_and_decode_to_it(data, n_classes, dtype):
    top = min(n_classes - 1, int(np.iinfo(dtype).max))
    labels = np.array(data.draw(st.lists(st.integers(0, top), max_size=20)), dtype)
    Y = preprocessing.one_hot(labels, n_classes)
    assert Y.dtype == np.float32
    assert Y.shape == (n_classes, labels.size)
    for column, label in zip(Y.T, labels, strict=True):
        assert column.tolist() == [float(row == label) for row in range(n_classes)]
    decoded = preprocessing.decode_one_hot(Y)
    assert decoded.dtype == (np.uint8 if n_classes <= 256 else np.int64)
    np.testing.assert_array_equal(decoded, labels)


def test_one_hot_has_ten_classes_unless_told():
    assert preprocessing.one_hot(np.array([9])).shape == (10, 1)


@pytest.mark.parametrize(("labels", "n_classes", "found"), [([0, 10], 10, 10), ([2, -1], 3, -1)])
def test_one_hot_refuses_labels_outside_the_classes(labels, n_classes, found):
    message = f"labels must be from 0 to {n_classes - 1} for {n_classes} classes, got {found}"
    with pytest.raises(ValueError, match=message):
        preprocessing.one_hot(np.array(labels), n_classes)


@pytest.mark.parametrize("dtype", [np.float32, bool, object, "U1"])
def test_one_hot_refuses_labels_that_are_not_integers(dtype):
    with pytest.raises(TypeError, match="labels must be integers, got dtype"):
        preprocessing.one_hot(np.array([0, 1]).astype(dtype))


def test_one_hot_refuses_other_wrong_arguments():
    with pytest.raises(ValueError, match=r"labels must have shape \(m,\), got \(1, 2\)"):
        preprocessing.one_hot(np.array([[0, 1]]))
    with pytest.raises(ValueError, match="n_classes must be at least 1, got 0"):
        preprocessing.one_hot(np.array([0]), 0)
    with pytest.raises(TypeError, match=r"n_classes must be an integer, got 2\.0"):
        preprocessing.one_hot(np.array([0]), 2.0)


@pytest.mark.parametrize(
    "column", [[0, 0, 0], [1, 1, 0], [0, 0.5, 0.5], [2, 0, -1], [0, 0, np.nan]]
)
def test_decode_one_hot_refuses_columns_that_are_not_one_hot(column):
    Y = np.array([[1, 0, 0], column]).T
    with pytest.raises(ValueError, match=r"Y must be one-hot, but column 1 is \["):
        preprocessing.decode_one_hot(Y)


def test_decode_one_hot_refuses_other_than_two_dimensions():
    with pytest.raises(ValueError, match=r"Y must have shape \(n_y, m\), got \(3,\)"):
        preprocessing.decode_one_hot(np.array([0, 1, 0]))


# Split


@given(
    st.lists(st.integers(10, 60), min_size=1, max_size=5),
    st.floats(0.1, 0.9),
    SEEDS,
)
def test_split_takes_the_same_share_of_each_class(sizes, fraction, seed):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    train, validation = preprocessing.train_validation_split(labels, fraction, seed)
    assert sorted([*train, *validation]) == list(range(labels.size))
    assert train.dtype == validation.dtype == np.int64
    assert (np.diff(train) > 0).all()
    assert (np.diff(validation) > 0).all()
    assert validation.size == math.ceil(fraction * labels.size)
    for label, size in enumerate(sizes):
        # The whole is rounded up to an example, then each class to one of its neighbours.
        assert abs(np.sum(labels[validation] == label) - fraction * size) < 2


def test_split_holds_out_a_tenth_of_each_class_exactly():
    labels = np.tile(np.arange(10), 60)
    train, validation = preprocessing.train_validation_split(labels)
    assert (train.size, validation.size) == (540, 60)
    assert np.bincount(labels[validation]).tolist() == [6] * 10


def test_split_depends_on_the_seed_alone():
    labels = np.tile(np.arange(10), 60)
    splits = [preprocessing.train_validation_split(labels, 0.2, seed)[1] for seed in (3, 3, 4)]
    np.testing.assert_array_equal(splits[0], splits[1])
    assert not np.array_equal(splits[0], splits[2])
    assert 0.3 < np.mean(splits[0] < 300) < 0.7, "taken from everywhere, not from one end"


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.floats(0.01, 0.99))
def test_split_has_each_class_on_both_sides_or_refuses(sizes, fraction):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    try:
        sides = preprocessing.train_validation_split(labels, fraction)
    except ValueError:
        sides = []
        smallest_share = min(fraction, 1 - fraction) * min(sizes)
        assert smallest_share < 1.5, "refused, though the smallest class has enough examples"
    for side in sides:
        assert set(labels[side]) == set(labels)


@pytest.mark.parametrize(
    ("labels", "fraction"),
    [
        ([0] * 98 + [1] * 2, 0.1),  # a tenth of two examples is none
        ([0] * 10 + [1], 0.5),
        ([0, 1, 2] * 3, 0.1),
        ([0, 1] * 5, 0.99),
        ([], 0.5),
    ],
)
def test_split_refuses_classes_that_cannot_be_on_both_sides(labels, fraction):
    found = f"got {len(labels)} with validation_fraction = {fraction:g}"
    with pytest.raises(ValueError, match=f"labels must hold enough examples .*{found}"):
        preprocessing.train_validation_split(np.array(labels, int), fraction)


@pytest.mark.parametrize("fraction", [0, 1, 1.5, -0.1, math.nan, math.inf])
def test_split_refuses_a_fraction_that_is_not_between_0_and_1(fraction):
    with pytest.raises(ValueError, match=f"validation_fraction must .*got {fraction}"):
        preprocessing.train_validation_split(np.tile(np.arange(2), 50), fraction)


def test_split_refuses_other_wrong_types_and_seeds():
    labels = np.tile(np.arange(2), 50)
    with pytest.raises(TypeError, match=r"validation_fraction must be a number, got '0\.1'"):
        preprocessing.train_validation_split(labels, "0.1")
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=f"seed must be .*got {seed}"):
            preprocessing.train_validation_split(labels, seed=seed)


# Mini-batches

SIZES = st.integers(1, 60).flatmap(lambda m: st.tuples(st.just(m), st.integers(1, m)))


@given(SIZES, SEEDS)
def test_each_example_is_in_exactly_one_mini_batch(sizes, seed):
    m, size = sizes
    X, Y = numbered_examples(m)
    batches = preprocessing.random_mini_batches(X, Y, size, seed)
    assert len(batches) == -(-m // size)
    assert [x.shape[1] for x, _ in batches[:-1]] == [size] * (len(batches) - 1)
    assert batches[-1][0].shape[1] == m - size * (len(batches) - 1) > 0
    for x, y in batches:
        np.testing.assert_array_equal(x[1], 2 * x[0])
        np.testing.assert_array_equal(y[0], x[0] + 0.5)
    dealt = np.concatenate([x[0] for x, _ in batches])
    assert sorted(dealt) == list(range(m))


@given(st.integers(1, 12), st.integers(1, 12), SEEDS)
def test_mini_batches_that_divide_evenly_are_not_one_too_many(count, size, seed):
    batches = preprocessing.random_mini_batches(*numbered_examples(count * size), size, seed)
    assert [x.shape[1] for x, _ in batches] == [size] * count


@given(st.integers(2, 60), st.data(), SEEDS)
def test_the_order_does_not_depend_on_the_size(m, data, seed):
    sizes = st.integers(1, m)
    orders = []
    for size in (data.draw(sizes), data.draw(sizes)):
        batches = preprocessing.random_mini_batches(*numbered_examples(m), size, seed)
        orders.append(np.concatenate([x[0] for x, _ in batches]))
    np.testing.assert_array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[0], preprocessing.shuffled_order(m, seed))


@given(SEEDS, SEEDS)
def test_another_seed_gives_another_order(seed, other):
    assume(seed != other)
    order = preprocessing.shuffled_order(100, seed)
    assert not np.array_equal(order, preprocessing.shuffled_order(100, other))
    assert not np.array_equal(order, np.arange(100))
    np.testing.assert_array_equal(order, preprocessing.shuffled_order(100, seed))


def test_mini_batches_have_64_examples_from_seed_0_unless_told():
    X, Y = numbered_examples(100)
    batches = preprocessing.random_mini_batches(X, Y)
    assert [x.shape[1] for x, _ in batches] == [64, 36]
    again = preprocessing.random_mini_batches(X, Y, mini_batch_size=64, seed=0)
    np.testing.assert_array_equal(batches[0][0], again[0][0])


def test_mini_batches_keep_dtypes_and_leave_the_data_alone():
    X, Y = numbered_examples(10)
    X, Y = X.astype(np.uint8), Y.astype(np.float64)
    before = X.copy(), Y.copy()
    for x, y in preprocessing.random_mini_batches(X, Y, 4):
        assert (x.dtype, y.dtype) == (X.dtype, Y.dtype)
        x += 1
        y += 1
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Y, before[1])


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"mini_batch_size": 0}, ValueError, "mini_batch_size must be from 1 to 10, got 0"),
        ({"mini_batch_size": 11}, ValueError, "mini_batch_size must be from 1 to 10, got 11"),
        ({"mini_batch_size": 2.0}, TypeError, "mini_batch_size must be an integer, got 2.0"),
        ({"mini_batch_size": True}, TypeError, "mini_batch_size must be an integer, got True"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": None}, TypeError, "seed must be an integer, got None"),
        ({"Y": np.zeros((1, 9))}, ValueError, "X and Y .*same number .*got 10 and 9 columns"),
    ],
)
def test_mini_batches_refuse_wrong_arguments(changes, error, message):
    X, Y = numbered_examples(10)
    arguments = {"X": X, "Y": Y, "mini_batch_size": 5} | changes
    with pytest.raises(error, match=message):
        preprocessing.random_mini_batches(**arguments)
