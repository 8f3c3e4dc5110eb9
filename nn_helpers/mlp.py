"""A multilayer perceptron (MLP) from tensors: parameters, forward propagation, cost, prediction.

Examples are columns: features `X` (n_x, m), targets `Y` (n_y, m). Layer l computes
``Z = W @ A + b`` from the activation `A` of the layer before, with `W` of shape (n_l, n_{l-1}) and
`b` of shape (n_l, 1); see Goodfellow, Bengio and Courville, *Deep Learning* (2016), chapter 6.
"""

import numpy as np

from nn_helpers._tensorflow import tf
from nn_helpers.validation import (
    HIDDEN_ACTIVATIONS,
    OUTPUT_ACTIVATIONS,
    check_choice,
    check_integer,
    check_sizes,
)

Parameters = dict[str, tf.Tensor]


def check_layer_dims(X: np.ndarray, Y: np.ndarray, layer_dims: list[int]) -> list[int]:
    """Return `layer_dims` if its ends fit the data.

    Parameters
    ----------
    X : array, shape (n_x, m)
    Y : array, shape (n_y, m)
    layer_dims : list of int
        [n_x, n_h1, …, n_y], the number of nodes in each layer.

    Raises
    ------
    ValueError
        If the first size is not n_x, the last is not n_y, there are fewer than two layers, or
        `X` or `Y` has other than two dimensions.
    """
    sizes = list(check_sizes("layer_dims", layer_dims))
    if len(sizes) < 2:
        raise ValueError(f"layer_dims must name an input and an output layer, got {layer_dims}")
    for where, size, name, data in [("start", sizes[0], "X", X), ("end", sizes[-1], "Y", Y)]:
        shape = tuple(np.shape(data))
        if len(shape) != 2:
            raise ValueError(f"{name} must have two dimensions, a column an example, got {shape}")
        if size != shape[0]:
            raise ValueError(
                f"layer_dims must {where} with {shape[0]}, the number of rows of {name}, "
                f"got {size} in {layer_dims}"
            )
    return sizes


def describe_layers(layer_dims: list[int]) -> str:
    """Say in words how many nodes each layer has, a line a layer."""
    last = len(layer_dims) - 1
    hidden = (f"hidden layer {layer}" for layer in range(1, last))
    names = ["the input layer", *hidden, "the output layer"]
    lines = [f"{size} nodes in {name}" for size, name in zip(layer_dims, names, strict=True)]
    return "\n".join(lines)


def input_specs(layer_dims: list[int]) -> tuple[tf.TensorSpec, tf.TensorSpec]:
    """Describe the features and targets that a compiled function takes.

    Returns
    -------
    X, Y : TensorSpec of float32, shapes (n_x, None) and (n_y, None)
        ``None`` stands for any number of examples. They stand where TensorFlow 1 had placeholders.
    """
    X = tf.TensorSpec((layer_dims[0], None), tf.float32, name="X")
    Y = tf.TensorSpec((layer_dims[-1], None), tf.float32, name="Y")
    return X, Y


def initialize_parameters(layer_dims: list[int], seed: int = 1) -> Parameters:
    """Draw the weights from Glorot's uniform distribution and set the biases to zero.

    Weights of layer l lie within ±sqrt(6 / (n_{l-1} + n_l)), from a random stream of its own.

    Parameters
    ----------
    layer_dims : list of int
        [n_x, n_h1, …, n_y].
    seed : int
        The same seed gives the same parameters, on every machine.

    Returns
    -------
    dict of Tensor, float32
        ``W1`` (n_h1, n_x), ``b1`` (n_h1, 1), … up to the output layer.

    References
    ----------
    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
    AISTATS 2010, equation 16.
    """
    layer_dims = check_sizes("layer_dims", layer_dims)
    seed = check_integer("seed", seed, minimum=0)
    parameters = {}
    for layer in range(1, len(layer_dims)):
        n_in, n_out = layer_dims[layer - 1], layer_dims[layer]
        limit = np.sqrt(6 / (n_in + n_out))
        weights = np.random.default_rng([seed, layer]).uniform(-limit, limit, (n_out, n_in))
        parameters[f"W{layer}"] = tf.constant(weights, tf.float32)
        parameters[f"b{layer}"] = tf.zeros((n_out, 1))
    return parameters


def count_parameters(parameters: Parameters) -> int:
    """Return how many numbers a network learns: all its weights and biases."""
    return sum(int(np.prod(value.shape)) for value in parameters.values())


def activate(Z: tf.Tensor, activation: str) -> tf.Tensor:
    """Apply an activation function to `Z`, shape (n, m); softmax goes down each column."""
    functions = {
        "relu": tf.nn.relu,
        "sigmoid": tf.nn.sigmoid,
        "tanh": tf.nn.tanh,
        "softmax": lambda z: tf.nn.softmax(z, axis=0),
        "none": tf.identity,
    }
    return functions[check_choice("activation", activation, tuple(functions))](Z)


def forward_propagation(
    X: tf.Tensor,
    parameters: Parameters,
    hidden_activation: str = "relu",
    output_activation: str = "softmax",
) -> tf.Tensor:
    """Compute the output layer's pre-activation from the features.

    Parameters
    ----------
    X : Tensor of float32, shape (n_x, m)
    parameters : dict of Tensor
        As `initialize_parameters` gives them.
    hidden_activation : {"relu", "sigmoid", "tanh", "none"}
    output_activation : {"softmax", "sigmoid", "none"}
        What `predict` makes of the result. Here it is only checked: logits stay logits, because
        the cost is computed from them without overflow.

    Returns
    -------
    Tensor of float32, shape (n_y, m)
        The logits; for ``output_activation="none"`` the output itself.

    Raises
    ------
    ValueError
        If an activation is not one of those named.
    """
    check_choice("hidden_activation", hidden_activation, HIDDEN_ACTIVATIONS)
    check_choice("output_activation", output_activation, OUTPUT_ACTIVATIONS)
    n_layers = len(parameters) // 2
    A = X
    for layer in range(1, n_layers):
        with tf.name_scope(f"hidden_layer_{layer}"):
            Z = parameters[f"W{layer}"] @ A + parameters[f"b{layer}"]
            A = activate(Z, hidden_activation)
    with tf.name_scope("output_layer"):
        return parameters[f"W{n_layers}"] @ A + parameters[f"b{n_layers}"]


def compute_cost(Y_h: tf.Tensor, Y: tf.Tensor, output_activation: str = "softmax") -> tf.Tensor:
    """Average the loss over the examples.

    Parameters
    ----------
    Y_h : Tensor of float32, shape (n_y, m)
        The result of `forward_propagation`.
    Y : Tensor of float32, shape (n_y, m)
        One-hot labels, or the targets of a regression.
    output_activation : {"softmax", "sigmoid", "none"}
        The loss of an example: cross-entropy of a softmax; binary cross-entropy of sigmoids,
        averaged over the outputs; squared error, averaged over the outputs.

    Returns
    -------
    Tensor of float32, scalar

    Raises
    ------
    ValueError
        If the shapes differ: broadcasting would give a number all the same.

    References
    ----------
    Goodfellow, Bengio and Courville, *Deep Learning* (2016), section 6.2.2.
    """
    check_choice("output_activation", output_activation, OUTPUT_ACTIVATIONS)
    if not tf.TensorShape(Y.shape).is_compatible_with(Y_h.shape):
        raise ValueError(f"Y must have the shape of Y_h, {tuple(Y_h.shape)}, got {tuple(Y.shape)}")
    with tf.name_scope("cost"):
        if output_activation == "softmax":
            loss = tf.nn.softmax_cross_entropy_with_logits(labels=Y, logits=Y_h, axis=0)
        elif output_activation == "sigmoid":
            loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=Y, logits=Y_h)
        else:
            loss = tf.square(Y - Y_h)
        return tf.reduce_mean(loss)


def predict(
    X: tf.Tensor,
    parameters: Parameters,
    hidden_activation: str = "relu",
    output_activation: str = "softmax",
) -> tf.Tensor:
    """Return the network's output, shape (n_y, m): probabilities, or the values of a regression."""
    logits = forward_propagation(X, parameters, hidden_activation, output_activation)
    return activate(logits, output_activation)
