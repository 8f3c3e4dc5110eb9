"""The loop of the TensorFlow 1 days: placeholders, and a ``session.run`` a step."""

from nn_helpers import mlp
from nn_helpers._tensorflow import tf

from ..problem import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Problem, Train

v1 = tf.compat.v1


def prepare(problem: Problem) -> Train:
    initial = problem.parameters  # drawn here: in the graph they would be symbols
    with tf.Graph().as_default():
        X = v1.placeholder(tf.float32, (problem.layer_dims[0], None))
        Y = v1.placeholder(tf.float32, (problem.layer_dims[-1], None))
        parameters = {
            name: v1.get_variable(name, initializer=value) for name, value in initial.items()
        }
        cost = mlp.compute_cost(mlp.forward_propagation(X, parameters), Y)
        step = v1.train.AdamOptimizer(LEARNING_RATE, BETA_1, BETA_2, EPSILON).minimize(cost)
        session = v1.Session()
        session.run(v1.global_variables_initializer())

    def train(seed: int) -> float:
        order, total = problem.order(seed), 0.0
        X_shuffled, Y_shuffled = problem.rows.T[:, order], problem.targets.T[:, order]
        for start in range(0, problem.m, problem.mini_batch_size):
            batch = slice(start, start + problem.mini_batch_size)
            x, y = X_shuffled[:, batch], Y_shuffled[:, batch]
            _, batch_cost = session.run([step, cost], feed_dict={X: x, Y: y})
            total += batch_cost * x.shape[1]
        return float(total / problem.m)

    return train
