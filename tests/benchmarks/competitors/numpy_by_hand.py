"""NumPy in float32, with the backward pass and Adam written by hand."""

from itertools import pairwise

import numpy as np

from ..problem import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Problem, Train

Layers = list[tuple[np.ndarray, np.ndarray]]


def _views(flat: np.ndarray, layer_dims: tuple[int, ...]) -> Layers:
    """Weights (n_in, n_out) and biases (n_out,) of each layer, one after the other in `flat`."""
    layers, start = [], 0
    for n_in, n_out in pairwise(layer_dims):
        middle, end = start + n_in * n_out, start + n_in * n_out + n_out
        layers.append((flat[start:middle].reshape(n_in, n_out), flat[middle:end]))
        start = end
    return layers


def _gradient_step(x: np.ndarray, y: np.ndarray, layers: Layers, gradients: Layers) -> float:
    """Fill `gradients`; return the cost summed over the mini-batch."""
    activations = [x]
    for W, b in layers[:-1]:
        activations.append(np.maximum(activations[-1] @ W + b, 0))
    W, b = layers[-1]
    logits = activations[-1] @ W + b
    logits -= logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits)
    sums = exponentials.sum(axis=1, keepdims=True)
    cost = np.log(sums).sum() - (logits * y).sum()
    dZ = (exponentials / sums - y) / np.float32(len(x))
    for layer in reversed(range(len(layers))):
        dW, db = gradients[layer]
        A = activations[layer]
        np.matmul(A.T, dZ, out=dW)
        np.sum(dZ, axis=0, out=db)
        if layer:
            dZ = (dZ @ layers[layer][0].T) * (A > 0)
    return float(cost)


class _Adam:
    """Changes all parameters at once, as one vector."""

    def __init__(self, parameters: np.ndarray, gradient: np.ndarray):
        self.parameters, self.gradient, self.t = parameters, gradient, 0
        self.mean, self.square = np.zeros_like(gradient), np.zeros_like(gradient)

    def step(self) -> None:
        self.t += 1
        rate = LEARNING_RATE * (1 - BETA_2**self.t) ** 0.5 / (1 - BETA_1**self.t)
        self.mean += (1 - BETA_1) * (self.gradient - self.mean)
        self.square += (1 - BETA_2) * (self.gradient * self.gradient - self.square)
        self.parameters -= rate * self.mean / (np.sqrt(self.square) + EPSILON)


def prepare(problem: Problem) -> Train:
    parameters = np.concatenate([array.ravel() for layer in problem.layers for array in layer])
    gradient = np.empty_like(parameters)
    layers, gradients = (_views(flat, problem.layer_dims) for flat in (parameters, gradient))
    adam = _Adam(parameters, gradient)

    def train(seed: int) -> float:
        total = 0.0
        for batch in problem.batches(seed):
            total += _gradient_step(problem.rows[batch], problem.targets[batch], layers, gradients)
            adam.step()
        return total / problem.m

    return train
