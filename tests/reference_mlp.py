"""The MLP and its optimisers once more, in NumPy float64, written from the formulas.

The tests of `mlp`, `training` and `keras_mlp` compare with it; it uses nothing of the package.
"""

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax

ACTIVATIONS = {
    "relu": lambda Z: np.maximum(Z, 0),
    "sigmoid": expit,
    "tanh": np.tanh,
    "softmax": lambda Z: softmax(Z, axis=0),
    "none": lambda Z: Z,
}
DERIVATIVES = {
    "relu": lambda Z: (Z > 0).astype(float),
    "sigmoid": lambda Z: expit(Z) * expit(-Z),
    "tanh": lambda Z: 1 - np.tanh(Z) ** 2,
    "none": np.ones_like,
}


def as_float64(parameters):
    return {name: np.array(value, np.float64) for name, value in parameters.items()}


def forward(X, parameters, hidden_activation):
    """Return the pre-activations Z of every layer; the last is the output."""
    A, pre_activations = np.asarray(X, np.float64), []
    for layer in range(1, len(parameters) // 2 + 1):
        Z = np.einsum("oi,im->om", parameters[f"W{layer}"], A) + parameters[f"b{layer}"]
        pre_activations.append(Z)
        A = ACTIVATIONS[hidden_activation](Z)
    return pre_activations


def cost(Y_h, Y, output_activation):
    Y_h, Y = np.asarray(Y_h, np.float64), np.asarray(Y, np.float64)
    if output_activation == "softmax":
        losses = -np.sum(Y * log_softmax(Y_h, axis=0), axis=0)
    elif output_activation == "sigmoid":
        losses = -np.mean(Y * log_expit(Y_h) + (1 - Y) * log_expit(-Y_h), axis=0)
    else:
        losses = np.mean((Y - Y_h) ** 2, axis=0)
    return losses.mean()


def network_cost(X, Y, parameters, hidden_activation, output_activation):
    return cost(forward(X, parameters, hidden_activation)[-1], Y, output_activation)


def finite_differences(X, Y, parameters, hidden_activation, output_activation, h=1e-6):
    """Return the gradient of the cost, each entry from the cost a little to both sides."""
    gradients = {name: np.empty_like(value) for name, value in parameters.items()}
    for name, value in parameters.items():
        for position in np.ndindex(value.shape):
            costs = []
            for shift in (h, -h):
                moved = dict(parameters, **{name: value.copy()})
                moved[name][position] += shift
                costs.append(network_cost(X, Y, moved, hidden_activation, output_activation))
            gradients[name][position] = (costs[0] - costs[1]) / (2 * h)
    return gradients


def backpropagation(X, Y, parameters, hidden_activation, output_activation):
    """Return cost and gradients by the chain rule; a test holds it against `finite_differences`."""
    X, Y = np.asarray(X, np.float64), np.asarray(Y, np.float64)
    Z = forward(X, parameters, hidden_activation)
    n_y, m = Y.shape
    dZ = {
        "softmax": lambda: (softmax(Z[-1], axis=0) - Y) / m,
        "sigmoid": lambda: (expit(Z[-1]) - Y) / (m * n_y),
        "none": lambda: 2 * (Z[-1] - Y) / (m * n_y),
    }[output_activation]()
    gradients = {}
    for layer in range(len(Z), 0, -1):
        A = X if layer == 1 else ACTIVATIONS[hidden_activation](Z[layer - 2])
        gradients[f"W{layer}"] = dZ @ A.T
        gradients[f"b{layer}"] = dZ.sum(axis=1, keepdims=True)
        if layer > 1:
            dA = parameters[f"W{layer}"].T @ dZ
            dZ = dA * DERIVATIVES[hidden_activation](Z[layer - 2])
    return cost(Z[-1], Y, output_activation), gradients


class Optimizer:
    """SGD, momentum 0.9, RMSProp and Adam as Keras documents them, with its default constants."""

    def __init__(self, name, learning_rate):
        self.name, self.learning_rate, self.t = name, learning_rate, 0
        self.m, self.v = {}, {}

    def apply(self, parameters, gradients):
        """Change `parameters` in place."""
        self.t += 1
        for key, g in gradients.items():
            parameters[key] -= getattr(self, self.name)(key, g)

    def gd(self, key, g):
        return self.learning_rate * g

    def momentum(self, key, g):
        self.m[key] = 0.9 * self.m.get(key, 0) + self.learning_rate * g
        return self.m[key]

    def rms(self, key, g):
        self.v[key] = 0.9 * self.v.get(key, 0) + 0.1 * g**2
        return self.learning_rate * g / np.sqrt(self.v[key] + 1e-7)

    def adam(self, key, g):
        self.m[key] = 0.9 * self.m.get(key, 0) + 0.1 * g
        self.v[key] = 0.999 * self.v.get(key, 0) + 0.001 * g**2
        rate = self.learning_rate * np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t)
        return rate * self.m[key] / (np.sqrt(self.v[key]) + 1e-7)


def train(batches, parameters, optimizer, hidden_activation, output_activation):
    """Take a step on each mini-batch; return the parameters and each step's cost."""
    parameters, costs = as_float64(parameters), []
    for X, Y in batches:
        step_cost, gradients = backpropagation(
            X, Y, parameters, hidden_activation, output_activation
        )
        optimizer.apply(parameters, gradients)
        costs.append(step_cost)
    return parameters, np.array(costs)
