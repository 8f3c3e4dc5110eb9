"""The epoch that `nn_helpers.keras_mlp.fit` runs on an ordinary Keras model."""

from nn_helpers._keras_epochs import compile_keras_epoch

from ..problem import Problem, Train
from .keras_model_fit import make_model


def prepare(problem: Problem) -> Train:
    epoch = compile_keras_epoch(
        make_model(problem), problem.rows, problem.targets, problem.mini_batch_size
    )
    return lambda seed: epoch(problem.order(seed))["loss"]
