"""Training: optimisers, the compiled training loop, its history, evaluation.

An epoch is one compiled call: a graph that gathers each mini-batch, computes the cost and its
gradients and applies the optimiser, step after step, without coming back to Python in between.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from nn_helpers import mlp
from nn_helpers._progress import progress_bar
from nn_helpers._tensorflow import keras, tf
from nn_helpers.preprocessing import shuffled_order
from nn_helpers.validation import (
    HIDDEN_ACTIVATIONS,
    OPTIMIZERS,
    OUTPUT_ACTIVATIONS,
    check_choice,
    check_integer,
    check_positive,
)

EVALUATION_BATCH = 10_000


@dataclass(frozen=True)
class TrainingResult:
    """What `train_mlp` returns.

    Attributes
    ----------
    parameters : dict of ndarray, float32
        ``W1`` (n_h1, n_x), ``b1`` (n_h1, 1), …
    history : DataFrame
        A row an epoch: ``epoch`` (from 1), ``cost`` (mean over the epoch's examples, each taken
        before its own step) and, with validation data, ``validation_cost`` and
        ``validation_accuracy`` (or ``validation_r2``).
    scores : dict of float
        ``train_cost``, ``train_accuracy``, ``test_cost``, ``test_accuracy`` after the last step;
        ``…_r2`` in place of ``…_accuracy`` for a regression.
    interrupted : bool
        Whether the user stopped the training before its last epoch.
    """

    parameters: dict[str, np.ndarray]
    history: pd.DataFrame
    scores: dict[str, float]
    interrupted: bool = False


def make_optimizer(optimizer: str, learning_rate: float) -> keras.optimizers.Optimizer:
    """Return one of Keras' optimisers.

    Parameters
    ----------
    optimizer : {"gd", "momentum", "rms", "adam"}
        Gradient descent; with a momentum of 0.9 (Polyak 1964); RMSProp (Tieleman and Hinton 2012,
        *Neural Networks for Machine Learning*, lecture 6.5); Adam (Kingma and Ba 2015,
        arXiv 1412.6980).
    learning_rate : float
        The step size, positive.

    Raises
    ------
    ValueError
        If the optimiser is not one of those named or the learning rate is not positive.
    """
    check_choice("optimizer", optimizer, OPTIMIZERS)
    learning_rate = check_positive("learning_rate", learning_rate)
    if optimizer == "gd":
        return keras.optimizers.SGD(learning_rate)
    if optimizer == "momentum":
        return keras.optimizers.SGD(learning_rate, momentum=0.9)
    if optimizer == "rms":
        return keras.optimizers.RMSprop(learning_rate)
    return keras.optimizers.Adam(learning_rate)


def gradient_step(
    X: tf.Tensor,
    Y: tf.Tensor,
    variables: dict[str, tf.Variable],
    optimizer: keras.optimizers.Optimizer,
    hidden_activation: str = "relu",
    output_activation: str = "softmax",
) -> tf.Tensor:
    """Take one step of the optimiser on one mini-batch; return the cost before the step.

    Parameters
    ----------
    X, Y : Tensor of float32, shapes (n_x, m) and (n_y, m)
    variables : dict of Variable
        The parameters; they are changed in place.
    optimizer : keras Optimizer, built on these variables
    hidden_activation, output_activation : str
    """
    with tf.GradientTape() as tape:
        Y_h = mlp.forward_propagation(X, variables, hidden_activation, output_activation)
        cost = mlp.compute_cost(Y_h, Y, output_activation)
    trained = list(variables.values())
    optimizer.apply(tape.gradient(cost, trained), trained)
    return cost


def compile_epoch(
    variables: dict[str, tf.Variable],
    optimizer: keras.optimizers.Optimizer,
    rows: tf.Tensor,
    targets: tf.Tensor,
    mini_batch_size: int = 64,
    hidden_activation: str = "relu",
    output_activation: str = "softmax",
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Compile a function that trains for one epoch.

    Parameters
    ----------
    variables, optimizer, hidden_activation, output_activation
        As for `gradient_step`.
    rows, targets : Tensor of float32, shapes (m, n_x) and (m, n_y)
        The training data, an example a row.
    mini_batch_size : int
        Examples in a step; the last step takes what is left.

    Returns
    -------
    callable
        ``epoch(order)`` with the order (m,) int32 in which to take the examples. It gives the mean
        cost over them.
    """
    m = rows.shape[0]
    n_full = m // mini_batch_size
    optimizer.build(list(variables.values()))

    def summed_cost(rows, targets, batch):
        X, Y = tf.transpose(tf.gather(rows, batch)), tf.transpose(tf.gather(targets, batch))
        cost = gradient_step(X, Y, variables, optimizer, hidden_activation, output_activation)
        return cost * batch.shape[0]

    @tf.function(jit_compile=True)
    def epoch(rows, targets, order):
        total = tf.zeros(())
        for step in tf.range(n_full):
            batch = tf.slice(order, [step * mini_batch_size], [mini_batch_size])
            total += summed_cost(rows, targets, batch)
        if m % mini_batch_size:
            total += summed_cost(rows, targets, order[n_full * mini_batch_size :])
        return total / m

    # Traced once, here: TensorFlow warns of a function that it has to trace in call after call.
    compiled = epoch.get_concrete_function(rows, targets, tf.TensorSpec((m,), tf.int32))
    return lambda order: compiled(rows, targets, tf.constant(order, tf.int32))


def score_name(output_activation: str) -> str:
    """Return "accuracy" for a network that tells classes, "r2" for a regression."""
    return "r2" if output_activation == "none" else "accuracy"


def evaluate(
    X: np.ndarray,
    Y: np.ndarray,
    parameters: mlp.Parameters,
    hidden_activation: str = "relu",
    output_activation: str = "softmax",
) -> tuple[float, float]:
    """Return cost and score of a network on some data.

    Parameters
    ----------
    X, Y : array, shapes (n_x, m) and (n_y, m)
    parameters : dict of Tensor or ndarray
    hidden_activation, output_activation : str

    Returns
    -------
    cost, score : float
        The score is the share of examples whose largest output is their class (for a single
        sigmoid: whose probability is on the side of 0.5 that `Y` is), or the coefficient of
        determination R², averaged over the outputs, for a regression. It is NaN when the cost is
        not finite.
    """
    # Rows, because columns of a transposed view would be copied one number at a time.
    rows, targets = (np.asarray(array, np.float32).T for array in (X, Y))
    m = rows.shape[0]
    total, outputs = 0.0, []
    for start in range(0, m, EVALUATION_BATCH):
        batch = slice(start, start + EVALUATION_BATCH)
        x, y = tf.transpose(rows[batch]), tf.transpose(targets[batch])
        Y_h = mlp.forward_propagation(x, parameters, hidden_activation, output_activation)
        total += float(mlp.compute_cost(Y_h, y, output_activation)) * x.shape[1]
        outputs.append(Y_h.numpy())
    Y_h = np.concatenate(outputs, axis=1)
    if not math.isfinite(total):
        return total / m, math.nan
    if output_activation == "sigmoid" and targets.shape[1] == 1:
        return total / m, float(np.mean((Y_h[0] > 0) == (targets[:, 0] > 0.5)))
    if score_name(output_activation) == "accuracy":
        return total / m, float(np.mean(Y_h.argmax(axis=0) == np.argmax(Y, axis=0)))
    from sklearn.metrics import r2_score

    return total / m, float(r2_score(np.transpose(Y), Y_h.T))


Examples = tuple[np.ndarray, np.ndarray]


def _check_examples(
    name: str, X: np.ndarray | None, Y: np.ndarray | None, layer_dims: list[int]
) -> Examples | None:
    """Return X and Y as float32 if their shapes fit the network and each other."""
    if X is None and Y is None:
        return None
    if X is None or Y is None:
        raise ValueError(f"X_{name} and Y_{name} go together: give both or neither")
    X, Y = np.asarray(X), np.asarray(Y)
    for variable, array, rows in [("X", X, layer_dims[0]), ("Y", Y, layer_dims[-1])]:
        if array.ndim != 2 or array.shape[0] != rows:
            raise ValueError(f"{variable}_{name} must have shape ({rows}, m), got {array.shape}")
        if not np.issubdtype(array.dtype, np.floating):
            raise TypeError(
                f"{variable}_{name} must hold floats, prepared by normalize and one_hot, "
                f"got dtype {array.dtype}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{variable}_{name} must hold finite numbers, got NaN or infinity")
    if X.shape[1] != Y.shape[1] or X.shape[1] == 0:
        raise ValueError(
            f"X_{name} and Y_{name} must hold the same number of examples, at least one, "
            f"got {X.shape[1]} and {Y.shape[1]}"
        )
    return X.astype(np.float32, copy=False), Y.astype(np.float32, copy=False)


def _check_finite(cost: float, when: str, learning_rate: float) -> None:
    if not math.isfinite(cost):
        raise FloatingPointError(
            f"the cost became {cost} {when}: lower learning_rate, now {learning_rate:g}"
        )


def _run_epochs(
    step_through: Callable[[int], float],
    measure: Callable[[], dict[str, float]],
    n_epochs: int,
    learning_rate: float,
    print_cost: bool,
) -> tuple[pd.DataFrame, bool]:
    """Train epoch by epoch; return the history and whether the user interrupted."""
    records, interrupted = [], False
    bar = progress_bar(n_epochs, "Training", unit="epoch")
    try:
        for epoch in range(1, n_epochs + 1):
            cost = step_through(epoch)
            _check_finite(cost, f"in epoch {epoch}", learning_rate)
            records.append({"epoch": epoch, "cost": cost, **measure()})
            bar.set_postfix_str(f"cost {cost:.4f}")
            bar.update()
            if print_cost and (epoch == 1 or epoch % 10 == 0):
                print(f"Cost after epoch {epoch}: {cost:.4f}")
    except KeyboardInterrupt:
        interrupted = True
    finally:
        bar.close()
    history = pd.DataFrame(records) if records else pd.DataFrame(columns=["epoch", "cost"])
    return history, interrupted


def _show_cost(history: pd.DataFrame) -> None:
    from IPython.display import display

    from nn_helpers.plotting import plot_cost

    display(plot_cost(history))


def train_mlp(
    X_train: np.ndarray,
    Y_train: np.ndarray,
    X_test: np.ndarray | None,
    Y_test: np.ndarray | None,
    layer_dims: list[int],
    hidden_activation: str = "relu",
    output_activation: str = "softmax",
    optimizer: str = "adam",
    learning_rate: float = 0.01,
    n_epochs: int = 20,
    mini_batch_size: int = 64,
    print_cost: bool = False,
    plot_cost: bool = False,
    *,
    X_validation: np.ndarray | None = None,
    Y_validation: np.ndarray | None = None,
    seed: int = 1,
) -> TrainingResult:
    """Train an MLP by mini-batch gradient descent and measure it.

    In epoch e the mini-batches are those of ``random_mini_batches(…, seed=seed + e)``.

    Parameters
    ----------
    X_train, Y_train : array of float, shapes (n_x, m) and (n_y, m)
    X_test, Y_test : array of float, shapes (n_x, k) and (n_y, k), or None
        Looked at once, after the last step; ``None`` leaves the test scores out.
    layer_dims : list of int
        [n_x, n_h1, …, n_y].
    hidden_activation : {"relu", "sigmoid", "tanh", "none"}
    output_activation : {"softmax", "sigmoid", "none"}
        "none" trains a regression, on the mean squared error.
    optimizer : {"gd", "momentum", "rms", "adam"}
    learning_rate : float
        Step size of the optimiser, positive.
    n_epochs : int
        Passes over the training data.
    mini_batch_size : int
        Examples in a step, from 1 to m.
    print_cost : bool
        Print the cost after the first and every tenth epoch.
    plot_cost : bool
        Show the cost curve.
    X_validation, Y_validation : array of float, optional
        Measured after every epoch.
    seed : int
        The same seed gives the same parameters and mini-batches.

    Returns
    -------
    TrainingResult
        If the user interrupts, what has been trained until then.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong; the message names it.
    FloatingPointError
        If the cost becomes NaN or infinite.
    """
    layer_dims = mlp.check_layer_dims(X_train, Y_train, layer_dims)
    activations = (
        check_choice("hidden_activation", hidden_activation, HIDDEN_ACTIVATIONS),
        check_choice("output_activation", output_activation, OUTPUT_ACTIVATIONS),
    )
    seed = check_integer("seed", seed, minimum=0)
    n_epochs = check_integer("n_epochs", n_epochs, minimum=1)
    train = _check_examples("train", X_train, Y_train, layer_dims)
    test = _check_examples("test", X_test, Y_test, layer_dims)
    validation = _check_examples("validation", X_validation, Y_validation, layer_dims)
    m = train[0].shape[1]
    mini_batch_size = check_integer("mini_batch_size", mini_batch_size, minimum=1, maximum=m)

    keras_optimizer = make_optimizer(optimizer, learning_rate)
    initial = mlp.initialize_parameters(layer_dims, seed)
    variables = {name: tf.Variable(value, name=name) for name, value in initial.items()}
    rows, targets = (tf.constant(array.T) for array in train)
    train_epoch = compile_epoch(
        variables, keras_optimizer, rows, targets, mini_batch_size, *activations
    )

    def measure(name: str, examples: Examples | None) -> dict[str, float]:
        if examples is None:
            return {}
        cost, score = evaluate(*examples, variables, *activations)
        _check_finite(cost, f"on the {name} data", learning_rate)
        return {f"{name}_cost": cost, f"{name}_{score_name(output_activation)}": score}

    history, interrupted = _run_epochs(
        lambda epoch: float(train_epoch(shuffled_order(m, seed + epoch))),
        lambda: measure("validation", validation),
        n_epochs,
        learning_rate,
        print_cost,
    )
    if plot_cost and len(history):
        _show_cost(history)
    return TrainingResult(
        parameters={name: variable.numpy() for name, variable in variables.items()},
        history=history,
        scores=measure("train", train) | measure("test", test),
        interrupted=interrupted,
    )
