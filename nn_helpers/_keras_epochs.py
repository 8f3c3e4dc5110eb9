"""An epoch of a Keras model in one compiled graph."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import numpy as np

from nn_helpers._tensorflow import keras, tf
from nn_helpers.epochs import (
    EVALUATION_BATCH,
    as_bytes,
    compile_loops,
    count_blocks,
    for_each_mini_batch,
    from_bytes,
    multiply_blocks,
)

ELEMENTWISE_ACTIVATIONS = (
    keras.activations.linear,
    keras.activations.relu,
    keras.activations.tanh,
)
MARK = "nn_helpers_transposed"  # in a copy's name, and so in those of the optimiser's state for it
ELEMENTWISE_OPTIMIZERS = (keras.optimizers.SGD, keras.optimizers.RMSprop, keras.optimizers.Adam)


def compile_keras_epoch(
    model: keras.Model, x: np.ndarray, y: np.ndarray, batch_size: int
) -> Callable[[np.ndarray], dict[str, float]]:
    """Compile a function that trains a compiled model for one epoch.

    Parameters
    ----------
    model : keras.Model
    x, y : array, shapes (m, …)
    batch_size : int
        Examples in a step; the last step takes what is left.

    Returns
    -------
    callable
        ``epoch(order)`` with the order (m,) of integers in which to take the examples. It gives
        ``loss``, the mean cost over them, and the model's metrics.
    """
    _build(model, x[:1], y[:1])
    step = _make_step(model, batch_size)
    pixels = as_bytes(x)
    scale = tf.identity if pixels is x else from_bytes

    def scaled_step(x, y):
        return step(scale(x), y)

    with step.traced():
        compiled = compile_loops([(scaled_step, ())], pixels, y, batch_size)

    def epoch(order: np.ndarray) -> dict[str, float]:
        model.reset_metrics()
        step.load()
        cost = compiled(order)[0]
        step.store()
        return {name: float(value) for name, value in step.logs(cost).items()}

    return epoch


def _build(model: keras.Model, x: np.ndarray, y: np.ndarray) -> None:
    """Create all variables, which a graph must not do: of layers, cost, metrics, optimiser."""
    x, y = tf.constant(x), tf.constant(y)
    outputs = model(x, training=False)
    model.compute_loss(x, y, outputs)
    model.compute_metrics(x, y, outputs)
    model.optimizer.build(model.trainable_variables)


def compile_keras_evaluation(
    model: keras.Model, x: np.ndarray, y: np.ndarray
) -> Callable[[], dict[str, float]]:
    """Compile a function that gives what ``model.evaluate`` gives, on data that stay the same."""

    def step(x, y):
        model.test_step((x, y))
        return tf.zeros(())  # the model keeps the mean cost itself

    @tf.function
    def run(x, y):
        return for_each_mini_batch(step, tf.range(len(x)), min(len(x), EVALUATION_BATCH), x, y)

    x, y = tf.constant(x), tf.constant(y)
    compiled = run.get_concrete_function(x, y)

    def evaluate() -> dict[str, float]:
        model.reset_metrics()
        compiled(x, y)
        return {name: float(value) for name, value in model.get_metrics_result().items()}

    return evaluate


def _make_step(model: keras.Model, batch_size: int) -> "_OwnStep | _TransposedStep":
    layers = _transposable_layers(model)
    if not layers:
        return _OwnStep(model)
    step = _TransposedStep(model, layers, batch_size)
    # They differ if a layer has been frozen since the optimiser was built.
    alike = len(step.optimizer.variables) == len(model.optimizer.variables)
    return step if alike else _OwnStep(model)


class _OwnStep:
    """The step that the model itself defines, as ``model.fit`` takes it."""

    def __init__(self, model: keras.Model):
        self.model = model

    def __call__(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        self.model.train_step((x, y))
        return tf.zeros(())  # the model keeps the mean cost itself

    def traced(self) -> AbstractContextManager:
        return nullcontext()

    def load(self) -> None: ...

    def store(self) -> None: ...

    def logs(self, cost: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.model.get_metrics_result()


class _TransposedStep:
    """A step in which the dense layers use a transposed copy of their kernel, (n_out, n_in).

    Transposed, as in `nn_helpers.mlp`, the products, the gradients and the optimiser run along the
    long side of the matrix, which saves about a fifth of the time. Copies of the kernels and of the
    optimiser's state are loaded before an epoch and stored after it, so that between epochs the
    model is the ordinary one.
    """

    def __init__(self, model: keras.Model, layers: list[keras.layers.Dense], batch_size: int):
        self.model, self.layers = model, layers
        self.copies = {
            id(layer.kernel): tf.Variable(tf.transpose(layer.kernel), name=MARK) for layer in layers
        }
        self.trained = [self.copies.get(id(v), v) for v in model.trainable_variables]
        self.batch_size = batch_size
        optimizer = model.optimizer
        self.optimizer = type(optimizer).from_config(optimizer.get_config())
        self.optimizer.build(self.trained)

    def _twins(self) -> Iterator[tuple[keras.Variable, tf.Variable, bool]]:
        """Give each variable of the model, its copy, and whether that is transposed."""
        for layer in self.layers:
            yield layer.kernel, self.copies[id(layer.kernel)], True
        copies = self.optimizer.variables
        for own, copy in zip(self.model.optimizer.variables, copies, strict=True):
            yield own, copy, MARK in copy.path

    def __call__(self, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = self.model(x, training=True)
            cost = self.model.compute_loss(x, y, outputs)
        self.optimizer.apply(tape.gradient(cost, self.trained), self.trained)
        self.model.compute_metrics(x, y, outputs)
        return cost

    @contextmanager
    def traced(self) -> Iterator[None]:
        """Let the layers compute with the copies while a graph is made."""
        for layer in self.layers:
            layer.call = partial(self._call, layer)
        try:
            yield
        finally:
            for layer in self.layers:
                del layer.call

    def _call(
        self, layer: keras.layers.Dense, inputs: tf.Tensor, training: bool = False
    ) -> tf.Tensor:
        """Stand in for ``Dense.call``."""
        Z = self._product(self.copies[id(layer.kernel)], tf.transpose(inputs))
        if layer.use_bias:
            Z += layer.bias[:, tf.newaxis]
        # Transposed back only after the activation: XLA undoes what stands beside a product.
        if layer.activation in ELEMENTWISE_ACTIVATIONS:
            return tf.transpose(layer.activation(Z))
        return layer.activation(tf.transpose(Z))

    def _product(self, W: tf.Tensor, A: tf.Tensor) -> tf.Tensor:
        n_blocks = count_blocks(*W.shape, self.batch_size)
        if n_blocks == 1:
            return W @ A
        sizes = [len(part) for part in np.array_split(np.arange(W.shape[1]), n_blocks)]
        return multiply_blocks(tf.split(W, sizes, axis=1), A)

    def load(self) -> None:
        """Copy from the model."""
        for own, copy, transposed in self._twins():
            copy.assign(tf.transpose(own) if transposed else own)

    def store(self) -> None:
        """Copy back to the model."""
        for own, copy, transposed in self._twins():
            own.assign(tf.transpose(copy) if transposed else copy)

    def logs(self, cost: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.model.get_metrics_result() | {"loss": cost}


def _transposable_layers(model: keras.Model) -> list[keras.layers.Dense]:
    """Return the ordinary dense layers; none if the model trains in a way of its own."""
    optimizer = model.optimizer
    ordinary = (
        type(model).__name__ in ("Sequential", "Functional")
        and type(model).train_step is keras.Model.train_step
        and type(optimizer) in ELEMENTWISE_OPTIMIZERS
        and not optimizer.use_ema
        and not optimizer.weight_decay
        and optimizer.loss_scale_factor is None
    )
    return [layer for layer in model.layers if _is_transposable(layer)] if ordinary else []


def _is_transposable(layer: keras.layers.Layer) -> bool:
    return (
        type(layer) is keras.layers.Dense
        and layer.trainable
        and layer.compute_dtype == layer.variable_dtype == "float32"
        and layer.input.ndim == 2
        and layer.kernel_regularizer is None
        and layer.kernel_constraint is None
        and layer.quantization_mode is None
        and not layer.lora_enabled
    )
