"""The MLP from tensors, against NumPy in float64 and against finite differences."""

import numpy as np
import pytest
import reference_mlp
from hypothesis import given, settings
from hypothesis import strategies as st

from nn_helpers import mlp
from nn_helpers._tensorflow import tf
from nn_helpers.validation import HIDDEN_ACTIVATIONS, OUTPUT_ACTIVATIONS

HIDDEN = st.sampled_from(HIDDEN_ACTIVATIONS)
OUTPUT = st.sampled_from(OUTPUT_ACTIVATIONS)
LAYER_DIMS = st.lists(st.integers(1, 8), min_size=2, max_size=5)
SEEDS = st.integers(0, 2**32 - 1)


def random_parameters(layer_dims, rng):
    """Weights and biases of order one, rounded to float32 as the network has them."""
    parameters = {}
    for layer in range(1, len(layer_dims)):
        n_in, n_out = layer_dims[layer - 1 : layer + 1]
        parameters[f"W{layer}"] = rng.normal(size=(n_out, n_in)).astype(np.float32)
        parameters[f"b{layer}"] = rng.normal(size=(n_out, 1)).astype(np.float32)
    return parameters


def random_targets(n_y, m, output_activation, rng):
    if output_activation == "softmax":
        return np.eye(n_y, dtype=np.float32)[:, rng.integers(n_y, size=m)]
    if output_activation == "sigmoid":
        return rng.integers(2, size=(n_y, m)).astype(np.float32)
    return rng.normal(size=(n_y, m)).astype(np.float32)


def network(layer_dims, m, output_activation, seed):
    """Return X, Y and parameters, tensors of float32."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(layer_dims[0], m)).astype(np.float32)
    parameters = random_parameters(layer_dims, rng)
    Y = random_targets(layer_dims[-1], m, output_activation, rng)
    return tf.constant(X), tf.constant(Y), {k: tf.constant(v) for k, v in parameters.items()}


# Layer sizes


@pytest.fixture
def article_data():
    return np.zeros((784, 5), np.float32), np.zeros((10, 5), np.float32)


@pytest.mark.parametrize("layer_dims", [[784, 3, 2, 10], (784, 10), [np.int64(784), 10]])
def test_layer_sizes_that_fit_the_data_come_back_as_a_list(article_data, layer_dims):
    checked = mlp.check_layer_dims(*article_data, layer_dims)
    assert checked == list(layer_dims)
    assert [type(size) for size in checked] == [int] * len(layer_dims)


@pytest.mark.parametrize(
    ("layer_dims", "error", "message"),
    [
        ([783, 50, 10], ValueError, "layer_dims must start with 784, .* of X, got 783 in "),
        ([784, 50, 9], ValueError, "layer_dims must end with 10, .* of Y, got 9 in "),
        ([784], ValueError, r"layer_dims must name an input and an output layer, got \[784\]"),
        ([], ValueError, r"layer_dims must name at least one layer size, got \[\]"),
        ([784, 0, 10], ValueError, r"layer_dims\[1\] must be at least 1, got 0"),
        ([784, 50.0, 10], TypeError, r"layer_dims\[1\] must be an integer, got 50\.0"),
        ("784", TypeError, "layer_dims must be a list of integers, got '784'"),
    ],
)
def test_layer_sizes_that_do_not_fit_are_refused(article_data, layer_dims, error, message):
    with pytest.raises(error, match=message):
        mlp.check_layer_dims(*article_data, layer_dims)


@pytest.mark.parametrize("wrong", [None, np.zeros(784), np.zeros((5, 28, 28))])
def test_data_of_other_than_two_dimensions_are_refused(article_data, wrong):
    X, Y = article_data
    shape = str(np.shape(wrong)).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=f"X must have two dimensions.*got {shape}"):
        mlp.check_layer_dims(wrong, Y, [784, 10])
    with pytest.raises(ValueError, match=f"Y must have two dimensions.*got {shape}"):
        mlp.check_layer_dims(X, wrong, [784, 10])


def test_layers_are_described_a_line_each():
    assert mlp.describe_layers([784, 3, 2, 10]).splitlines() == [
        "784 nodes in the input layer",
        "3 nodes in hidden layer 1",
        "2 nodes in hidden layer 2",
        "10 nodes in the output layer",
    ]
    assert mlp.describe_layers([2, 1]) == "2 nodes in the input layer\n1 nodes in the output layer"


def test_input_specs_let_a_compiled_function_take_any_number_of_examples():
    specs = mlp.input_specs([3, 4, 2])
    assert [(spec.name, spec.dtype) for spec in specs] == [("X", tf.float32), ("Y", tf.float32)]
    parameters = mlp.initialize_parameters([3, 4, 2])

    @tf.function(input_signature=specs)
    def cost(X, Y):
        return mlp.compute_cost(mlp.forward_propagation(X, parameters), Y)

    for m in (1, 7):
        X, Y, _ = network([3, 2], m, "softmax", seed=m)
        eager = mlp.compute_cost(mlp.forward_propagation(X, parameters), Y)
        np.testing.assert_allclose(cost(X, Y), eager, rtol=1e-6)
    assert cost.experimental_get_tracing_count() == 1
    with pytest.raises(TypeError, match=r"TensorSpec.*shape=\(3, None\)"):
        cost(tf.zeros((4, 7)), tf.zeros((2, 7)))


def test_the_graph_names_its_layers_for_tensorboard():
    @tf.function(input_signature=mlp.input_specs([2, 3, 3, 2]))
    def cost(X, Y):
        parameters = mlp.initialize_parameters([2, 3, 3, 2])
        return mlp.compute_cost(mlp.forward_propagation(X, parameters), Y)

    scopes = {op.name.split("/")[0] for op in cost.get_concrete_function().graph.get_operations()}
    assert {"hidden_layer_1", "hidden_layer_2", "output_layer", "cost"} <= scopes
    assert "hidden_layer_3" not in scopes


# Initial parameters


@given(LAYER_DIMS, SEEDS)
def test_initial_parameters_have_glorot_limits_and_zero_biases(layer_dims, seed):
    parameters = mlp.initialize_parameters(layer_dims, seed)
    assert len(parameters) == 2 * (len(layer_dims) - 1)
    for layer in range(1, len(layer_dims)):
        n_in, n_out = layer_dims[layer - 1 : layer + 1]
        W, b = parameters[f"W{layer}"].numpy(), parameters[f"b{layer}"].numpy()
        assert (W.shape, b.shape) == ((n_out, n_in), (n_out, 1))
        assert W.dtype == b.dtype == np.float32
        assert (np.abs(W) <= np.sqrt(6 / (n_in + n_out)) * (1 + 1e-7)).all()
        assert (W != 0).any()
        assert not b.any()


def test_initial_weights_fill_their_interval_evenly():
    layer_dims = [784, 50, 10]
    parameters = mlp.initialize_parameters(layer_dims)
    for layer, within in [(1, 0.02), (2, 0.15)]:
        W = parameters[f"W{layer}"].numpy()
        limit = np.sqrt(6 / sum(layer_dims[layer - 1 : layer + 1]))
        assert abs(W.mean()) < within * limit
        assert W.std() == pytest.approx(limit / np.sqrt(3), rel=within)
        assert W.max() > (1 - within) * limit
        assert W.min() < -(1 - within) * limit


def test_each_seed_and_each_layer_has_a_stream_of_its_own():
    drawn = [
        weights.numpy()
        for seed in (0, 1, 2)
        for name, weights in mlp.initialize_parameters([6, 6, 6, 6], seed).items()
        if name.startswith("W")
    ]
    for position, weights in enumerate(drawn):
        for other in drawn[:position]:
            assert not np.isin(weights, other).any()


@given(LAYER_DIMS, SEEDS)
def test_the_same_seed_gives_the_same_parameters(layer_dims, seed):
    first, second = (mlp.initialize_parameters(layer_dims, seed) for _ in range(2))
    assert list(first) == list(second)
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name])


def test_the_seed_is_1_unless_told():
    np.testing.assert_array_equal(
        mlp.initialize_parameters([4, 3])["W1"], mlp.initialize_parameters([4, 3], seed=1)["W1"]
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([3, -1],), ValueError, r"layer_dims\[1\] must be at least 1, got -1"),
        (([3, 2], -1), ValueError, "seed must be at least 0, got -1"),
        (([3, 2], 1.5), TypeError, r"seed must be an integer, got 1\.5"),
    ],
)
def test_initial_parameters_refuse_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        mlp.initialize_parameters(*arguments)


@pytest.mark.parametrize(
    ("layer_dims", "count"),
    [([784, 50, 10], 39_760), ([784, 100, 100, 10], 89_610), ([1, 1], 2)],
)
def test_parameters_are_counted(layer_dims, count):
    assert mlp.count_parameters(mlp.initialize_parameters(layer_dims)) == count


# Forward propagation, cost, prediction


@given(LAYER_DIMS, st.integers(1, 6), HIDDEN, OUTPUT, SEEDS)
def test_forward_propagation_cost_and_prediction_agree_with_numpy(
    layer_dims, m, hidden_activation, output_activation, seed
):
    X, Y, parameters = network(layer_dims, m, output_activation, seed)
    exact = reference_mlp.as_float64(parameters)
    activations = hidden_activation, output_activation
    logits = mlp.forward_propagation(X, parameters, *activations)
    cost = mlp.compute_cost(logits, Y, output_activation)
    outputs = mlp.predict(X, parameters, *activations)
    assert logits.dtype == cost.dtype == outputs.dtype == tf.float32
    assert cost.shape == ()

    wanted = reference_mlp.forward(X, exact, hidden_activation)[-1]
    # float32 adds up to 2**-24 of the largest term of a sum; sums cancel.
    scale = max(1, np.abs(wanted).max())
    np.testing.assert_allclose(logits, wanted, rtol=1e-5, atol=1e-5 * scale)
    wanted_cost = reference_mlp.cost(wanted, Y, output_activation)
    np.testing.assert_allclose(cost, wanted_cost, rtol=1e-4, atol=1e-5 * scale)
    activate = reference_mlp.ACTIVATIONS[output_activation]
    np.testing.assert_allclose(outputs, activate(wanted), rtol=1e-5, atol=1e-5 * scale)


def test_activations_are_relu_and_softmax_unless_told():
    X, Y, parameters = network([3, 5, 4, 2], 6, "softmax", seed=0)
    logits = mlp.forward_propagation(X, parameters)
    np.testing.assert_array_equal(logits, mlp.forward_propagation(X, parameters, "relu", "softmax"))
    np.testing.assert_array_equal(
        mlp.compute_cost(logits, Y), mlp.compute_cost(logits, Y, "softmax")
    )
    np.testing.assert_array_equal(
        mlp.predict(X, parameters), mlp.predict(X, parameters, "relu", "softmax")
    )


def test_a_worked_example_by_hand():
    parameters = {"W1": [[1.0, -1.0]], "b1": [[0.5]], "W2": [[2.0], [0.0]], "b2": [[-1.0], [0.0]]}
    parameters = {name: tf.constant(value) for name, value in parameters.items()}
    X = tf.constant([[1.0, 0.0], [0.0, 2.0]])  # hidden layer: 1.5 and relu(-1.5) = 0
    logits = mlp.forward_propagation(X, parameters)
    np.testing.assert_allclose(logits, [[2, -1], [0, 0]])
    Y = tf.constant([[1.0, 0.0], [0.0, 1.0]])
    softmax_cost = (np.log(1 + np.exp(-2)) + np.log(1 + np.exp(-1))) / 2
    np.testing.assert_allclose(mlp.compute_cost(logits, Y), softmax_cost, rtol=1e-6)
    np.testing.assert_allclose(mlp.compute_cost(logits, Y, "none"), (1 + 1 + 0 + 1) / 4)
    sigmoid_cost = (np.log(1 + np.exp(-2)) + np.log(1 + np.exp(-1)) + 2 * np.log(2)) / 4
    np.testing.assert_allclose(mlp.compute_cost(logits, Y, "sigmoid"), sigmoid_cost, rtol=1e-6)


@given(LAYER_DIMS, st.integers(1, 6), HIDDEN, SEEDS)
def test_predictions_are_probabilities(layer_dims, m, hidden_activation, seed):
    X, _, parameters = network(layer_dims, m, "none", seed)
    logits = mlp.forward_propagation(X, parameters, hidden_activation).numpy()
    softmax = mlp.predict(X, parameters, hidden_activation, "softmax").numpy()
    np.testing.assert_allclose(softmax.sum(axis=0), 1, rtol=1e-5)
    sigmoid = mlp.predict(X, parameters, hidden_activation, "sigmoid").numpy()
    for outputs in (softmax, sigmoid):
        assert outputs.shape == (layer_dims[-1], m)
        assert ((outputs >= 0) & (outputs <= 1)).all()
    assert ((sigmoid > 0.5) == (logits > 0)).all()
    values = mlp.predict(X, parameters, hidden_activation, "none").numpy()
    np.testing.assert_array_equal(values, logits)


@pytest.mark.parametrize("output_activation", ["softmax", "sigmoid"])
def test_extreme_logits_give_finite_costs_and_gradients(output_activation):
    Y_h = tf.constant([[1e3, -1e3, 0, 1e3, -1e3], [-1e3, 1e3, 0, 1e3, -1e3]], tf.float32)
    for Y in ([[1.0, 1, 1, 1, 1], [0, 0, 0, 0, 0]], [[0.0, 0, 0, 0, 0], [1, 1, 1, 1, 1]]):
        with tf.GradientTape() as tape:
            tape.watch(Y_h)
            cost = mlp.compute_cost(Y_h, tf.constant(Y), output_activation)
        wanted = reference_mlp.cost(Y_h, np.array(Y), output_activation)
        assert wanted > 100
        np.testing.assert_allclose(cost, wanted, rtol=1e-6)
        assert np.isfinite(tape.gradient(cost, Y_h)).all()
    assert np.isfinite(mlp.activate(Y_h, output_activation)).all()


def test_the_smallest_and_largest_costs_are_exact():
    certain = tf.constant([[1e3], [-1e3]], tf.float32)
    for output_activation, wrong in [("softmax", 2e3), ("sigmoid", 1e3)]:
        right_cost = mlp.compute_cost(certain, tf.constant([[1.0], [0.0]]), output_activation)
        wrong_cost = mlp.compute_cost(certain, tf.constant([[0.0], [1.0]]), output_activation)
        assert (float(right_cost), float(wrong_cost)) == (0, wrong)


@pytest.mark.parametrize("output_activation", OUTPUT_ACTIVATIONS)
@pytest.mark.parametrize("shape", [(3, 1), (1, 4), (4, 3), (4,), (3, 5)])
def test_cost_refuses_targets_of_another_shape(output_activation, shape):
    with pytest.raises(ValueError, match=r"Y must have the shape of Y_h, \(3, 4\)") as caught:
        mlp.compute_cost(tf.zeros((3, 4)), tf.zeros(shape), output_activation)
    assert str(caught.value).endswith(f"got {shape}")


def test_unknown_activations_are_refused_by_name():
    X, Y, parameters = network([2, 3, 2], 4, "softmax", seed=0)
    hidden = "hidden_activation must be one of relu, sigmoid, tanh, none, got "
    output = "output_activation must be one of softmax, sigmoid, none, got "
    for function in (mlp.forward_propagation, mlp.predict):
        with pytest.raises(ValueError, match=f"{hidden}'softmax'"):
            function(X, parameters, "softmax", "softmax")
        with pytest.raises(ValueError, match=f"{output}'relu'"):
            function(X, parameters, "relu", "relu")
        with pytest.raises(TypeError, match="hidden_activation must be a string, got None"):
            function(X, parameters, None)
    with pytest.raises(ValueError, match=f"{output}'Softmax'"):
        mlp.compute_cost(Y, Y, "Softmax")
    with pytest.raises(ValueError, match=r"activation must be one of .*, got 'gelu'"):
        mlp.activate(X, "gelu")


# Gradients


def gradients_of_cost(X, Y, parameters, hidden_activation, output_activation):
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        Y_h = mlp.forward_propagation(X, parameters, hidden_activation, output_activation)
        cost = mlp.compute_cost(Y_h, Y, output_activation)
    return tape.gradient(cost, parameters)


@pytest.mark.parametrize("output_activation", OUTPUT_ACTIVATIONS)
@pytest.mark.parametrize("hidden_activation", HIDDEN_ACTIVATIONS)
def test_gradients_agree_with_finite_differences(hidden_activation, output_activation):
    activations = hidden_activation, output_activation
    X, Y, parameters = network([4, 5, 3, 2], 6, output_activation, seed=2)
    exact = reference_mlp.as_float64(parameters)
    if hidden_activation == "relu":
        for Z in reference_mlp.forward(X, exact, "relu")[:-1]:
            assert np.abs(Z).min() > 1e-3, "every pre-activation stays away from the kink"
    wanted = reference_mlp.finite_differences(X, Y, exact, *activations)
    assert all(np.abs(gradient).max() > 1e-3 for gradient in wanted.values())

    gradients = gradients_of_cost(X, Y, parameters, *activations)
    _, by_chain_rule = reference_mlp.backpropagation(X, Y, exact, *activations)
    for name, gradient in gradients.items():
        # float32 against central differences in float64: seven digits and eight.
        np.testing.assert_allclose(gradient, wanted[name], rtol=1e-4, atol=2e-6, err_msg=name)
        # What the tests of training compare with rests on the same.
        np.testing.assert_allclose(
            by_chain_rule[name], wanted[name], rtol=1e-6, atol=1e-8, err_msg=name
        )


@settings(max_examples=10)
@given(HIDDEN, OUTPUT, SEEDS)
def test_a_small_step_against_the_gradient_lowers_the_cost(
    hidden_activation, output_activation, seed
):
    X, Y, parameters = network([3, 6, 2], 20, output_activation, seed)
    activations = hidden_activation, output_activation
    exact = reference_mlp.as_float64(parameters)
    gradients = gradients_of_cost(X, Y, parameters, *activations)
    norm = sum(float(tf.reduce_sum(g**2)) for g in gradients.values())
    moved = {name: exact[name] - 1e-4 * gradients[name].numpy() for name in exact}
    before, after = (reference_mlp.network_cost(X, Y, p, *activations) for p in (exact, moved))
    assert before - after == pytest.approx(1e-4 * norm, rel=0.05)
