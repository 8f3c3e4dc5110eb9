"""The way of TensorFlow's guide "Multilayer perceptrons for digit recognition with Core APIs".

A ``tf.data`` pipeline deals the mini-batches; the network is a ``tf.Module`` whose forward pass is
compiled; a Python loop takes the gradients from a tape and applies an Adam of its own.
"""

from nn_helpers._tensorflow import tf

from ..problem import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Problem, Train


class Network(tf.Module):
    """Dense layers with relu between them."""

    def __init__(self, problem: Problem):
        super().__init__()
        self.layers = [[tf.Variable(array) for array in layer] for layer in problem.layers]

    @tf.function
    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        for W, b in self.layers[:-1]:
            x = tf.nn.relu(x @ W + b)
        W, b = self.layers[-1]
        return x @ W + b


class Adam:
    """Adam with its moments in variables, applied to one variable after the other."""

    def __init__(self, variables: list[tf.Variable]):
        self.t = 0
        self.slots = [
            (variable, *(tf.Variable(tf.zeros_like(variable)) for _ in range(2)))
            for variable in variables
        ]

    def apply(self, gradients: list[tf.Tensor]) -> None:
        self.t += 1
        for gradient, (variable, mean, square) in zip(gradients, self.slots, strict=True):
            mean.assign(BETA_1 * mean + (1 - BETA_1) * gradient)
            square.assign(BETA_2 * square + (1 - BETA_2) * tf.square(gradient))
            unbiased_mean = mean / (1 - BETA_1**self.t)
            unbiased_square = square / (1 - BETA_2**self.t)
            step = unbiased_mean / (tf.sqrt(unbiased_square) + EPSILON)
            variable.assign_sub(LEARNING_RATE * step)


def prepare(problem: Problem) -> Train:
    network = Network(problem)
    variables = list(network.trainable_variables)
    adam = Adam(variables)
    data = tf.data.Dataset.from_tensor_slices((problem.rows, problem.targets.argmax(axis=1)))
    if problem.shuffled:
        data = data.shuffle(problem.m)
    data = data.batch(problem.mini_batch_size)

    def train(seed: int) -> float:
        total = 0.0
        for x, labels in data:
            with tf.GradientTape() as tape:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, network(x))
                cost = tf.reduce_mean(losses)
            adam.apply(tape.gradient(cost, variables))
            total += float(cost) * len(labels)
        return total / problem.m

    return train
