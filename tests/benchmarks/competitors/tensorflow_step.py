"""One compiled step, a ``tf.function``, which Python calls for each mini-batch."""

from nn_helpers import mlp, training
from nn_helpers._tensorflow import tf

from ..problem import LEARNING_RATE, Problem, Train


def prepare(problem: Problem) -> Train:
    parameters = {name: tf.Variable(value) for name, value in problem.parameters.items()}
    variables = list(parameters.values())
    optimizer = training.make_optimizer("adam", LEARNING_RATE)
    optimizer.build(variables)
    rows, targets = tf.constant(problem.rows), tf.constant(problem.targets)

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int64)])
    def step(batch: tf.Tensor) -> tf.Tensor:
        X, Y = tf.transpose(tf.gather(rows, batch)), tf.transpose(tf.gather(targets, batch))
        with tf.GradientTape() as tape:
            cost = mlp.compute_cost(mlp.forward_propagation(X, parameters), Y)
        optimizer.apply(tape.gradient(cost, variables), variables)
        return cost

    def train(seed: int) -> float:
        total = 0.0
        for batch in problem.batches(seed):
            total += float(step(tf.constant(batch))) * len(batch)
        return total / problem.m

    return train
