"""The compiled epoch against single steps, pixels as bytes, a matrix in blocks of columns."""

import tracemalloc

import numpy as np
import pytest

from nn_helpers import epochs, mlp, training
from nn_helpers._tensorflow import tf
from nn_helpers.epochs import ColumnBlocks
from nn_helpers.preprocessing import normalize, one_hot, random_mini_batches, shuffled_order
from nn_helpers.validation import OPTIMIZERS

LEARNING_RATES = {"gd": 0.01, "momentum": 0.005, "rms": 0.0001, "adam": 0.0001}
EVERY_BYTE = np.arange(256, dtype=np.uint8)


def pixels(m, n_x=784, n_y=10, seed=0):
    """Images as columns, half of each black, and labels without a relation to them."""
    rng = np.random.default_rng(seed)
    images = rng.integers(256, size=(m, n_x), dtype=np.uint8)
    images[rng.random(images.shape) < 0.5] = 0
    return normalize(images).T, one_hot(rng.integers(n_y, size=m), n_y)


def step_by_step(X, Y, parameters, optimizer, rate, mini_batch_size, order_seed):
    """Take the steps of one epoch one after another, on plain variables."""
    variables = {name: tf.Variable(value) for name, value in parameters.items()}
    ours = training.make_optimizer(optimizer, rate)
    ours.build(list(variables.values()))
    batches = random_mini_batches(X, Y, mini_batch_size, seed=order_seed)
    costs = [float(training.gradient_step(*batch, variables, ours)) for batch in batches]
    mean = np.average(costs, weights=[x.shape[1] for x, _ in batches])
    return {name: variable.numpy() for name, variable in variables.items()}, mean


def assert_an_epoch_is_its_steps(X, Y, layer_dims, optimizer, mini_batch_size, dtype, n_blocks):
    parameters, rate = mlp.initialize_parameters(layer_dims, seed=3), LEARNING_RATES[optimizer]
    variables = epochs.make_variables(parameters, mini_batch_size)
    assert len(getattr(variables["W1"], "blocks", [variables["W1"]])) == n_blocks
    rows = epochs.as_bytes(X.T)
    assert rows.dtype == dtype
    epoch = training.compile_epoch(
        variables, training.make_optimizer(optimizer, rate), rows, Y.T, mini_batch_size
    )
    cost = epoch(shuffled_order(X.shape[1], seed=8))
    wanted, wanted_cost = step_by_step(X, Y, parameters, optimizer, rate, mini_batch_size, 8)
    trained = epochs.read_parameters(variables)
    assert list(trained) == list(wanted)
    for name, value in wanted.items():
        assert np.abs(value - parameters[name]).max() > 5e-5, f"{name} has moved"
        np.testing.assert_allclose(trained[name], value, rtol=0, atol=1e-5, err_msg=name)
    assert float(cost) == pytest.approx(wanted_cost, rel=1e-5)


# The compiled epoch


@pytest.mark.parametrize(("mini_batch_size", "n_blocks"), [(1, 1), (7, 4), (64, 4), (300, 1)])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_epoch_is_its_steps_one_after_another(optimizer, mini_batch_size, n_blocks):
    assert_an_epoch_is_its_steps(
        *pixels(300), [784, 50, 10], optimizer, mini_batch_size, np.uint8, n_blocks
    )


def test_an_epoch_of_numbers_that_are_no_pixels_is_its_steps():
    X, Y = pixels(90)
    assert_an_epoch_is_its_steps(X * np.float32(0.7), Y, [784, 50, 10], "adam", 30, np.float32, 4)


@pytest.mark.parametrize("optimizer", [pytest.param("adam", id="all 60000 in one step")])
def test_a_step_takes_all_examples(optimizer):
    assert_an_epoch_is_its_steps(
        *pixels(60_000, n_x=20), [20, 5, 10], optimizer, 60_000, np.uint8, 1
    )


@pytest.mark.parametrize("m", [10, 11, 12, 3])
@pytest.mark.parametrize("compiled", [False, True])
def test_each_example_is_seen_once_in_order_and_the_mean_is_over_examples(m, compiled):
    mini_batch_size, order = 3, shuffled_order(m, seed=1)
    values = np.arange(m, dtype=np.float32) ** 2
    seen, n_seen, n_steps = tf.Variable(tf.fill([m], -1.0)), tf.Variable(0), tf.Variable(0)
    sizes = []  # once a trace when compiled, once a step when not

    def step(rows, others):
        size = rows.shape[0]
        sizes.append(size)
        where = (n_seen + tf.range(size))[:, tf.newaxis]
        seen.assign(tf.tensor_scatter_nd_update(seen, where, rows))
        n_seen.assign_add(size)
        n_steps.assign_add(1)
        return tf.stack([tf.reduce_mean(rows), tf.reduce_mean(others)])

    def epoch(order):
        return epochs.for_each_mini_batch(
            step, order, mini_batch_size, tf.constant(values), tf.constant(-values), cost_shape=(2,)
        )

    run = tf.function(epoch, jit_compile=True) if compiled else epoch
    cost = run(tf.constant(order, tf.int32))
    assert seen.numpy().tolist() == values[order].tolist()
    assert (int(n_seen), int(n_steps)) == (m, -(-m // mini_batch_size))
    if not compiled:
        assert sizes == [3] * (m // 3) + [m % 3] * (m % 3 > 0)
    np.testing.assert_allclose(cost, [values.mean(), -values.mean()], rtol=1e-6)


def test_an_epoch_takes_another_order_each_time():
    X, Y = pixels(20, n_x=4, n_y=2)
    parameters = mlp.initialize_parameters([4, 2])
    variables = epochs.make_variables(parameters, 8)
    epoch = training.compile_epoch(
        variables, training.make_optimizer("gd", 1.0), X.T, Y.T, 8, "relu", "softmax"
    )
    trained = []
    for seed in (0, 1, 0):
        for name, value in parameters.items():
            variables[name].assign(value)
        epoch(shuffled_order(20, seed))
        trained.append(epochs.read_parameters(variables)["W1"])
    assert np.array_equal(trained[0], trained[2])
    assert not np.array_equal(trained[0], trained[1])


# Pixels as bytes


def test_every_byte_in_any_place_comes_back():
    for shift in (0, 1, 100):
        images = np.stack([np.roll(EVERY_BYTE, shift + row) for row in range(256)])
        X = normalize(images)
        X.setflags(write=False)
        for got, wanted in [(X, images), (X.T, images.T), (X[:1], images[:1])]:
            found = epochs.as_bytes(got)
            assert found.dtype == np.uint8
            assert np.array_equal(found, wanted)
    many = np.random.default_rng(0).integers(256, size=(5_003, 3), dtype=np.uint8)
    assert np.array_equal(epochs.as_bytes(normalize(many)), many)
    assert epochs.as_bytes(np.empty((0, 3), np.float32)).shape == (0, 3)


def test_bytes_are_scaled_back_bit_for_bit():
    X = normalize(EVERY_BYTE.reshape(16, 16))
    rows = tf.constant(epochs.as_bytes(X))
    assert rows.dtype == tf.uint8
    back = epochs.from_bytes(rows)
    assert back.dtype == tf.float32
    assert back.numpy().tobytes() == X.tobytes()
    floats = tf.constant(X)
    assert epochs.from_bytes(floats) is floats


def test_bytes_are_scaled_back_in_a_compiled_graph_to_an_ulp():
    X = normalize(EVERY_BYTE.reshape(16, 16))
    back = tf.function(epochs.from_bytes, jit_compile=True)(tf.constant(epochs.as_bytes(X)))
    np.testing.assert_array_max_ulp(back.numpy(), X, maxulp=1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "wrong",
    [0.3, 0.5, -1 / 255, -1e-30, 1.0000001, 256 / 255, 2, 1e30, 3e38, np.nan, np.inf, -np.inf],
)
def test_one_number_that_is_no_pixel_leaves_all_as_they_are(wrong):
    rows = normalize(np.random.default_rng(0).integers(256, size=(5_000, 3), dtype=np.uint8))
    rows[-1, -1] = wrong
    before = rows.tobytes()
    assert epochs.as_bytes(rows) is rows
    assert rows.tobytes() == before


@pytest.mark.parametrize("towards", [-np.inf, np.inf])
def test_a_number_next_to_a_pixel_is_none(towards):
    for pixel in normalize(EVERY_BYTE):
        rows = np.nextafter(np.full((1, 1), pixel), np.float32(towards))
        assert rows.dtype == np.float32
        assert epochs.as_bytes(rows) is rows, pixel


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.uint8, np.int64])
def test_numbers_of_another_type_are_left_as_they_are(dtype):
    rows = np.array([[0, 1], [1, 0]], dtype)
    assert epochs.as_bytes(rows) is rows
    doubles = EVERY_BYTE.reshape(16, 16) / 255
    assert doubles.dtype == np.float64
    assert epochs.as_bytes(doubles) is doubles


def test_finding_the_bytes_makes_no_second_array_of_floats():
    rows = normalize(np.random.default_rng(0).integers(256, size=(20_000, 784), dtype=np.uint8))
    tracemalloc.start()
    try:
        found = epochs.as_bytes(rows)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.dtype == np.uint8
    assert peak < 1.5 * found.nbytes


# Blocks of columns


def matrix_of(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("n_blocks", [1, 4])
@pytest.mark.parametrize("shape", [(5, 8), (5, 785), (1, 4), (3, 5, 8), (2, 5, 786), (1, 3, 7)])
def test_the_product_in_blocks_is_the_whole_product(shape, n_blocks):
    matrix, A = matrix_of(*shape), matrix_of(shape[-1], 6, seed=1)
    blocks = ColumnBlocks(matrix, n_blocks)
    wanted = matrix.astype(np.float64) @ A.astype(np.float64)
    product = blocks @ tf.constant(A)
    assert product.shape == wanted.shape
    np.testing.assert_allclose(product, wanted, rtol=0, atol=1e-6 * shape[-1])
    widths = [block.shape[-1] for block in blocks.blocks]
    assert len(widths) == n_blocks
    assert max(widths) - min(widths) <= 1
    assert np.array_equal(epochs.read_parameters({"W1": blocks})["W1"], matrix)


def test_the_gradient_of_the_blocks_is_that_of_the_matrix():
    matrix, A = matrix_of(2, 5, 9), tf.constant(matrix_of(9, 6, seed=1))
    blocks, whole = ColumnBlocks(matrix, 4), tf.Variable(matrix)
    with tf.GradientTape(persistent=True) as tape:
        in_blocks = tf.reduce_sum(tf.sin(blocks @ A))
        at_once = tf.reduce_sum(tf.sin(whole @ A))
    pieces = tape.gradient(in_blocks, blocks.blocks)
    np.testing.assert_allclose(tf.concat(pieces, -1), tape.gradient(at_once, whole), atol=1e-5)


@pytest.mark.parametrize(
    ("n_out", "n_in", "mini_batch_size", "n_blocks"),
    [
        (32, 256, 4, 4),
        (32, 256, 64, 4),
        (200, 785, 30, 4),
        (31, 256, 64, 1),
        (32, 255, 64, 1),
        (32, 256, 3, 1),
        (32, 256, 65, 1),
        (32, 256, 1, 1),
    ],
)
@pytest.mark.parametrize("n_networks", [None, 1, 3])
def test_a_wide_first_layer_is_in_blocks_for_small_mini_batches(
    n_out, n_in, mini_batch_size, n_blocks, n_networks
):
    layer_dims = [n_in, n_out, 300, 40, 2]  # W3 is wide too, and not in blocks
    parameters = mlp.initialize_parameters(layer_dims, seed=2)
    if n_networks:
        parameters = {name: tf.stack([v] * n_networks) for name, v in parameters.items()}
    variables = epochs.make_variables(parameters, mini_batch_size)
    names = ["W1", "b1", "W2", "b2", "W3", "b3", "W4", "b4"]
    assert list(variables) == names
    assert isinstance(variables["W1"], ColumnBlocks) == (n_blocks > 1 or n_networks is not None)
    for name in names[1:]:
        assert isinstance(variables[name], tf.Variable)
        assert variables[name].name.startswith(name)

    first = getattr(variables["W1"], "blocks", [variables["W1"]])
    assert len(first) == n_blocks
    flat = epochs.flat_variables(variables)
    wanted = [*first, *(variables[name] for name in names[1:])]
    assert len(flat) == len(wanted)
    assert all(got is variable for got, variable in zip(flat, wanted, strict=True))

    read = epochs.read_parameters(variables)
    assert list(read) == names
    for variable in flat:
        variable.assign_add(tf.ones_like(variable))
    for name, value in read.items():
        assert value.dtype == np.float32
        assert np.array_equal(value, parameters[name]), "a copy, which training does not change"
