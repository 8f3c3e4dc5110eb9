"""A wide multilayer perceptron in Keras that is kept from learning its training images by heart.

`Recipe` holds the means and how much of each; its defaults are the best that was found on
validation data. Only the dense layers hold weights, beside the scale and the shift of each batch
normalisation. As in `nn_helpers.keras_mlp`, an example is a row, (m, n_x).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nn_helpers import keras_mlp
from nn_helpers._tensorflow import keras, tf
from nn_helpers.validation import check_integer, check_positive, check_share, check_sizes

PREDICTED_AT_ONCE = 2_000  # examples, which bounds the memory
_IMAGES, _MIRROR = "images", "mirror"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a regularised network is made of, and how it is trained.

    Parameters
    ----------
    hidden_layers : sequence of int
        Nodes in each hidden layer; kept as a tuple.
    input_dropout, dropout : float
        Share of the pixels, and of the nodes of each hidden layer, that a step leaves out; 0 leaves
        out none.
    flips : bool
        Whether half of the images are mirrored in training, another half in each epoch, and
        predictions are averaged over an image and its mirror image.
    learning_rate : float
        The largest step size of AdamW.
    warmup_share : float
        Share of the steps over which the step size rises to the largest, in a straight line; then
        it falls to 0 along half a cosine.
    weight_decay : float
        Share of each weight, times the step size, that a step takes away; biases keep theirs.
    label_smoothing : float
        Share of a label that is spread evenly over all classes.
    n_epochs : int
    batch_size : int

    Raises
    ------
    TypeError, ValueError
        If a value has the wrong type or lies outside its range; the message names it.

    References
    ----------
    Dropout: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting",
    JMLR 15 (2014). AdamW: Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR
    2019. The cosine: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts",
    ICLR 2017, here without a restart. Label smoothing: Szegedy et al., "Rethinking the Inception
    architecture for computer vision", CVPR 2016.
    """

    hidden_layers: Sequence[int] = (1024, 1024)
    input_dropout: float = 0.1
    dropout: float = 0.2
    flips: bool = True
    learning_rate: float = 0.002
    warmup_share: float = 0.1
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    n_epochs: int = 45
    batch_size: int = 250

    def __post_init__(self) -> None:
        self._check("hidden_layers", check_sizes)
        for name in (
            "input_dropout", "dropout", "warmup_share", "weight_decay", "label_smoothing"
        ):  # fmt: skip
            self._check(name, check_share)
        self._check("learning_rate", check_positive)
        self._check("n_epochs", check_integer, 1)
        self._check("batch_size", check_integer, 1)
        if not isinstance(self.flips, bool):
            raise TypeError(
                f"flips must be True or False, got {self.flips!r} ({type(self.flips).__name__})"
            )

    def _check(self, name: str, check: Callable[..., Any], *limits: Any) -> None:
        """Replace a field by its checked value."""
        object.__setattr__(self, name, check(name, getattr(self, name), *limits))


class HashedDropout(keras.layers.Layer):
    """Dropout whose masks are hashes of the step, the row and the column.

    Compiled by XLA for a processor, the random numbers of Keras' own dropout take several times as
    long as all the rest of a step. A hash is a few operations on integers, which XLA merges with
    their neighbours: it costs next to nothing.

    Parameters
    ----------
    rate : float
        Share of the inputs that become 0; the others are divided by ``1 - rate``, so that their
        mean stays.
    seed : int
        The same seed gives the same masks, step for step.

    References
    ----------
    The hash is the last stage of Appleby's MurmurHash3.
    """

    def __init__(self, rate: float, seed: int, **options: Any):
        super().__init__(**options)
        self.rate = rate
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return `inputs`, shape (m, n), of which a training sets some to 0."""
        if not training:
            return inputs
        seed, step = tf.unstack(tf.cast(self.seed_generator.next(), tf.uint32))
        m, n = tf.unstack(tf.cast(tf.shape(inputs), tf.uint32))
        rows = _hash(_hash(_hash(seed) + step) + _count(m))
        hashes = _hash(rows[:, tf.newaxis] + _hash(_count(n)))
        kept = hashes >= tf.constant(round(self.rate * 2**32), tf.uint32)
        return tf.where(kept, inputs / (1 - self.rate), 0.0)


def _count(n: tf.Tensor) -> tf.Tensor:
    """Return the numbers 0 to n - 1, of uint32."""
    return tf.cast(tf.range(tf.cast(n, tf.int32)), tf.uint32)


def _hash(numbers: tf.Tensor) -> tf.Tensor:
    """Map each number of uint32 to another one, so that neighbours have nothing in common."""

    def fold(numbers: tf.Tensor, n_bits: int) -> tf.Tensor:
        shift = tf.constant(n_bits, tf.uint32)
        return tf.bitwise.bitwise_xor(numbers, tf.bitwise.right_shift(numbers, shift))

    numbers = fold(numbers, 16) * tf.constant(0x85EBCA6B, tf.uint32)
    numbers = fold(numbers, 13) * tf.constant(0xC2B2AE35, tf.uint32)
    return fold(numbers, 16)


def create_regularized_model(
    recipe: Recipe,
    *,
    image_shape: tuple[int, int] = (28, 28),
    n_y: int = 10,
    seed: int | None = None,
) -> keras.Sequential:
    """Build the network: dense layers, each but the last with batch normalisation and dropout.

    Parameters
    ----------
    recipe : Recipe
    image_shape : (height, width)
        Of an image, whose pixels are the features.
    n_y : int
        Classes.
    seed : int, optional
        Of the initial weights, the mirroring and the dropout; without one they differ from call to
        call.

    Returns
    -------
    keras.Sequential
        With a softmax output, not compiled yet. It takes features of shape (m, height * width).

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong; the message names it.

    References
    ----------
    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal
    covariate shift", ICML 2015. The initial weights are He's: He et al., "Delving deep into
    rectifiers", ICCV 2015.
    """
    height, width = check_sizes("image_shape", image_shape)
    n_y = check_integer("n_y", n_y, minimum=1)
    seed = None if seed is None else check_integer("seed", seed, minimum=0)
    layers, n_hidden = keras.layers, len(recipe.hidden_layers)
    seeds = iter(np.random.SeedSequence(seed).generate_state(2 * n_hidden + 3).tolist())
    model = keras.Sequential([keras.Input((height * width,), name="features")])
    if recipe.flips:
        model.add(layers.Reshape((height, width, 1), name=_IMAGES))
        model.add(layers.RandomFlip("horizontal", seed=next(seeds), name=_MIRROR))
        model.add(layers.Flatten(name="pixels"))
    if recipe.input_dropout:
        model.add(HashedDropout(recipe.input_dropout, next(seeds), name="input_dropout"))
    for layer, n_out in enumerate(recipe.hidden_layers, 1):
        initializer = keras.initializers.HeNormal(next(seeds))
        # Batch normalisation subtracts the mean, and with it any bias.
        model.add(
            layers.Dense(
                n_out, use_bias=False, kernel_initializer=initializer, name=f"layer_{layer}"
            )
        )
        model.add(layers.BatchNormalization(name=f"normalization_{layer}"))
        model.add(layers.Activation("relu", name=f"relu_{layer}"))
        if recipe.dropout:
            model.add(HashedDropout(recipe.dropout, next(seeds), name=f"dropout_{layer}"))
    initializer = keras.initializers.GlorotUniform(next(seeds))
    model.add(
        layers.Dense(n_y, "softmax", kernel_initializer=initializer, name=f"layer_{n_hidden + 1}")
    )
    return model


def make_schedule(recipe: Recipe, m: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Return the step size as a function of the step, for `m` training examples."""
    n_steps = math.ceil(m / recipe.batch_size) * recipe.n_epochs
    n_warmup = round(recipe.warmup_share * n_steps)
    if not n_warmup:
        return keras.optimizers.schedules.CosineDecay(recipe.learning_rate, n_steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0, n_steps - n_warmup, warmup_target=recipe.learning_rate, warmup_steps=n_warmup
    )


def train_regularized_model(
    model: keras.Model,
    recipe: Recipe,
    x: np.ndarray,
    y: np.ndarray,
    *,
    validation_data: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 1,
) -> pd.DataFrame:
    """Compile the model as the recipe says, and train it.

    Parameters
    ----------
    model : keras.Model
        From `create_regularized_model`, with the same recipe.
    recipe : Recipe
    x, y : ndarray of float32, shapes (m, n_x) and (m, n_y)
        Features and one-hot labels.
    validation_data : (x, y), optional
        Measured after every epoch, without mirror images.
    seed : int
        Of the mini-batches.

    Returns
    -------
    DataFrame
        As `keras_mlp.history_table` gives it; if the user interrupts, of the epochs until then.

    Raises
    ------
    TypeError, ValueError, FloatingPointError
        As `keras_mlp.fit` raises them.
    """
    optimizer = keras.optimizers.AdamW(
        make_schedule(recipe, len(x)), weight_decay=recipe.weight_decay
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
    )
    history = keras_mlp.fit(
        model,
        x,
        y,
        batch_size=recipe.batch_size,
        epochs=recipe.n_epochs,
        validation_data=validation_data,
        callbacks=[keras_mlp.LiveProgress()],
        seed=seed,
    )
    return keras_mlp.history_table(history)


def mirror(x: np.ndarray, image_shape: tuple[int, int] = (28, 28)) -> np.ndarray:
    """Swap left and right of each image, shape (m, height * width); its own inverse."""
    return x.reshape(-1, *image_shape)[:, :, ::-1].reshape(x.shape)


def predict_probabilities(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Compute the probability of each class.

    Parameters
    ----------
    model : keras.Model
        From `create_regularized_model`. If its recipe has flips, the probabilities are the mean of
        those of the image and of its mirror image.
    x : ndarray of float32, shape (m, n_x)

    Returns
    -------
    ndarray of float32, shape (m, n_y)
        Each row sums to 1.
    """
    if any(layer.name == _MIRROR for layer in model.layers):
        image_shape = model.get_layer(_IMAGES).target_shape[:2]
        views = [x, mirror(x, image_shape)]
    else:
        views = [x]
    return average_probabilities([_predict(model, view) for view in views])


def _predict(model: keras.Model, x: np.ndarray) -> np.ndarray:
    starts = range(0, len(x), PREDICTED_AT_ONCE)
    parts = [model(x[start : start + PREDICTED_AT_ONCE], training=False) for start in starts]
    return np.concatenate([part.numpy() for part in parts])


def average_probabilities(predictions: Sequence[np.ndarray]) -> np.ndarray:
    """Return what an ensemble predicts: the mean of its networks' probabilities.

    Parameters
    ----------
    predictions : sequence of ndarray, each of shape (m, n_y)
        Each network's probabilities, for the same examples in the same order.

    Returns
    -------
    ndarray, shape (m, n_y)

    Raises
    ------
    ValueError
        If there are none, or their shapes differ.

    References
    ----------
    Lakshminarayanan, Pritzel and Blundell, "Simple and scalable predictive uncertainty estimation
    using deep ensembles", NeurIPS 2017.
    """
    shapes = {np.shape(prediction) for prediction in predictions}
    if len(shapes) != 1:
        found = ", ".join(map(str, sorted(shapes))) or "none"
        raise ValueError(f"predictions must be one or more of the same shape, got {found}")
    return np.mean(predictions, axis=0)
