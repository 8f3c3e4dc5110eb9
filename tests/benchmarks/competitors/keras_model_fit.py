"""Keras' own training loop, with its defaults but for the mini-batches' size."""

import time

from nn_helpers import keras_mlp
from nn_helpers._tensorflow import keras

from ..problem import LEARNING_RATE, Epoch, Problem, Train


class EpochClock(keras.callbacks.Callback):
    """Times the epoch within a call of ``fit``, which prepares its data first."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.seconds = time.perf_counter() - self._start


def make_model(problem: Problem) -> keras.Model:
    """Return the problem's network with its first parameters, compiled for Adam."""
    n_x, width, *_, n_y = problem.layer_dims
    n_layers = len(problem.layer_dims)
    model = keras_mlp.create_model(LEARNING_RATE, n_layers, width, "relu", n_x=n_x, n_y=n_y)
    keras_mlp.set_parameters(model, problem.parameters)
    return model


def prepare(problem: Problem) -> Train:
    model = make_model(problem)

    def train(seed: int) -> Epoch:
        clock = EpochClock()
        history = model.fit(
            problem.rows,
            problem.targets,
            batch_size=problem.mini_batch_size,
            shuffle=problem.shuffled,
            callbacks=[clock],
            verbose=0,
        )
        return Epoch(history.history["loss"][0], clock.seconds)

    return train
