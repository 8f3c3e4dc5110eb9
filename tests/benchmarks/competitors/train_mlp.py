"""The epoch of `nn_helpers.training.train_mlp`, built as that function builds it."""

from nn_helpers import training

from ..problem import LEARNING_RATE, Problem, Train


def prepare(problem: Problem) -> Train:
    epoch = training.compile_epoch(
        training.make_variables(problem.parameters, problem.mini_batch_size),
        training.make_optimizer("adam", LEARNING_RATE),
        training.as_bytes(problem.rows),
        problem.targets,
        problem.mini_batch_size,
    )
    return lambda seed: float(epoch(problem.order(seed)))
