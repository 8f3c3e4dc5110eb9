"""The same multilayer perceptron, built from Keras' layers.

Keras takes an example as a row, (m, n_x), and stores a layer's weights as (n_in, n_out): both are
the transposes of what `nn_helpers.mlp` uses.
"""

import numpy as np
import pandas as pd

from nn_helpers._keras_epochs import compile_keras_epoch, compile_keras_evaluation
from nn_helpers._progress import progress_bar
from nn_helpers._tensorflow import keras
from nn_helpers.preprocessing import shuffled_order
from nn_helpers.validation import HIDDEN_ACTIVATIONS, check_choice, check_integer, check_positive

Callback = keras.callbacks.Callback
STEP_METHODS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")


def create_model(
    learning_rate: float,
    num_layers: int,
    num_nodes: int,
    hidden_activation: str,
    *,
    n_x: int = 784,
    n_y: int = 10,
    seed: int | None = None,
) -> keras.Sequential:
    """Build and compile an MLP whose hidden layers are all of one size.

    Parameters
    ----------
    learning_rate : float
        Step size of Adam, positive.
    num_layers : int
        Layers counting the input layer and the output layer: at least 3.
    num_nodes : int
        Nodes in each hidden layer.
    hidden_activation : {"relu", "sigmoid", "tanh", "none"}
    n_x, n_y : int
        Features of an example, and classes.
    seed : int, optional
        The same seed gives the same initial weights; without one they differ from call to call.

    Returns
    -------
    keras.Sequential
        With a softmax output, compiled for categorical cross-entropy and accuracy. It takes
        features of shape (m, n_x) and one-hot labels of shape (m, n_y).

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong; the message names it.
    """
    learning_rate = check_positive("learning_rate", learning_rate)
    num_layers = check_integer("num_layers", num_layers, minimum=3)
    num_nodes = check_integer("num_nodes", num_nodes, minimum=1)
    check_choice("hidden_activation", hidden_activation, HIDDEN_ACTIVATIONS)
    n_x, n_y = check_integer("n_x", n_x, minimum=1), check_integer("n_y", n_y, minimum=1)
    seed = None if seed is None else check_integer("seed", seed, minimum=0)
    layer_dims = [n_x, *[num_nodes] * (num_layers - 2), n_y]
    activations = [*[hidden_activation] * (num_layers - 2), "softmax"]
    model = keras.Sequential([keras.Input((n_x,), name="features")])
    for layer, (n_out, activation) in enumerate(zip(layer_dims[1:], activations, strict=True), 1):
        model.add(
            keras.layers.Dense(
                n_out,
                activation=None if activation == "none" else activation,
                kernel_initializer=keras.initializers.GlorotUniform(_layer_seed(seed, layer)),
                name=f"layer_{layer}",
            )
        )
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


class LiveProgress(Callback):
    """Show the progress of ``model.fit`` while it runs; call that with ``verbose=0``."""

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._bar = progress_bar(self.params["epochs"], "Training", unit="epoch")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._bar.set_postfix_str(f"cost {logs['loss']:.4f}")
        self._bar.update()

    def on_train_end(self, logs: dict | None = None) -> None:
        self._bar.close()


def fit(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    *,
    batch_size: int = 64,
    epochs: int = 1,
    validation_data: tuple[np.ndarray, np.ndarray] | None = None,
    callbacks: list[Callback] | None = None,
    seed: int = 1,
) -> keras.callbacks.History:
    """Train a compiled model as ``model.fit`` does, each epoch as one compiled call.

    In epoch e the mini-batches are those of ``random_mini_batches(…, seed=seed + e)``, as in
    `training.train_mlp`. Between epochs the model is up to date, its optimiser included.

    Parameters
    ----------
    model : keras.Model
        Any compiled model with one input and one output, whatever its layers.
    x, y : ndarray, shapes (m, …)
        Examples and what the model is to make of them, an example a row.
    batch_size : int
        Examples in a step, from 1 to m.
    epochs : int
        Passes over the data.
    validation_data : (x, y), optional
        Measured after every epoch.
    callbacks : list of keras.callbacks.Callback, optional
        Their methods for an epoch and for the whole training are called. There are no calls for
        a step, since no step comes back to Python.
    seed : int
        Of the mini-batches.

    Returns
    -------
    keras.callbacks.History
        If the user interrupts, of the epochs until then.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong or a callback waits for single steps; the message names it.
    FloatingPointError
        If the cost becomes NaN or infinite.
    """
    if not model.compiled:
        raise ValueError("model must be compiled before it is fitted: call model.compile first")
    x, y = np.asarray(x), np.asarray(y)
    if len(x) != len(y) or not len(x):
        raise ValueError(
            "x and y must hold the same number of examples, at least one, "
            f"got {len(x)} and {len(y)}"
        )
    batch_size = check_integer("batch_size", batch_size, minimum=1, maximum=len(x))
    epochs = check_integer("epochs", epochs, minimum=1)
    seed = check_integer("seed", seed, minimum=0)
    calls = keras.callbacks.CallbackList(
        _check_callbacks(callbacks or []), add_history=True, model=model, epochs=epochs, steps=1
    )
    run_epoch = compile_keras_epoch(model, x, y, batch_size)
    if validation_data is not None:
        validate = compile_keras_evaluation(model, *validation_data)
    model.stop_training = False
    calls.on_train_begin()
    logs = {}
    try:
        for epoch in range(epochs):
            calls.on_epoch_begin(epoch)
            logs = run_epoch(shuffled_order(len(x), seed + epoch + 1))
            _check_finite(logs.get("loss", 0.0), epoch + 1, model)
            if validation_data is not None:
                logs |= {f"val_{name}": value for name, value in validate().items()}
            calls.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
    except KeyboardInterrupt:
        pass  # what has been trained so far is the result, as in `training.train_mlp`
    finally:
        model.optimizer.finalize_variable_values(model.trainable_weights)
        calls.on_train_end(logs)
    return model.history


def _check_callbacks(callbacks: list[Callback]) -> list[Callback]:
    """Return the callbacks if none waits for single steps."""
    for callback in callbacks:
        from_keras = type(callback).__module__.startswith("keras.")
        by_step = any(
            getattr(callback, name, "epoch") != "epoch" for name in ("save_freq", "update_freq")
        )
        own = any(
            name in vars(callback)
            or (not from_keras and getattr(type(callback), name) is not getattr(Callback, name))
            for name in STEP_METHODS
        )
        if by_step or own:
            raise ValueError(
                f"callbacks must work on epochs, but {type(callback).__name__} waits for single "
                "steps: train with model.fit"
            )
    return callbacks


def _check_finite(cost: float, epoch: int, model: keras.Model) -> None:
    if not np.isfinite(cost):
        raise FloatingPointError(
            f"the cost became {cost} in epoch {epoch}: lower the learning rate, "
            f"now {float(model.optimizer.learning_rate):g}"
        )


def our_name(name: str) -> str:
    """Return the name that `nn_helpers.training` has for a name in Keras' logs."""
    return name.replace("val_", "validation_").replace("loss", "cost")


def history_table(history: keras.callbacks.History) -> pd.DataFrame:
    """Return what ``model.fit`` recorded, in the words of `nn_helpers.training`.

    Returns
    -------
    DataFrame
        A row an epoch: ``epoch`` (from 1), ``cost``, ``accuracy`` and, with validation data,
        ``validation_cost`` and ``validation_accuracy``. Keras takes an epoch's cost and accuracy
        while the weights change, those of the validation data at its end.
    """
    table = pd.DataFrame(history.history).rename(columns=our_name)
    table.insert(0, "epoch", np.arange(1, len(table) + 1))
    return table


def _layer_seed(seed: int | None, layer: int) -> int | None:
    """Return a seed of the layer's own, which no other seed and layer share."""
    if seed is None:
        return None
    return int(np.random.SeedSequence([seed, layer]).generate_state(1)[0])


def _dense_layers(model: keras.Model) -> list[keras.layers.Dense]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]


def set_parameters(model: keras.Model, parameters: dict[str, np.ndarray]) -> None:
    """Load the parameters of an `nn_helpers.mlp` network into the model's dense layers.

    Parameters
    ----------
    model : keras.Model
    parameters : dict of Tensor or ndarray
        ``W1`` (n_h1, n_x), ``b1`` (n_h1, 1), … one pair a dense layer.

    Raises
    ------
    ValueError
        If the number of layers, a name or a shape differs; the model is then unchanged.
    """
    layers = _dense_layers(model)
    if set(parameters) != {f"{kind}{n}" for kind in "Wb" for n in range(1, len(layers) + 1)}:
        raise ValueError(
            f"parameters must hold W and b for each of {len(layers)} dense layers, "
            f"got {', '.join(parameters)}"
        )
    weights = []
    for number, layer in enumerate(layers, 1):
        W, b = np.asarray(parameters[f"W{number}"]), np.asarray(parameters[f"b{number}"])
        wanted = tuple(layer.kernel.shape)[::-1]
        if W.shape != wanted or b.shape != (wanted[0], 1):
            raise ValueError(
                f"W{number} and b{number} must have shapes {wanted} and {(wanted[0], 1)} for "
                f"layer {layer.name}, got {W.shape} and {b.shape}"
            )
        weights.append([W.T, b[:, 0]])
    for layer, arrays in zip(layers, weights, strict=True):
        layer.set_weights(arrays)


def get_parameters(model: keras.Model) -> dict[str, np.ndarray]:
    """Return the dense layers' weights as the parameters of an `nn_helpers.mlp` network.

    Returns
    -------
    dict of ndarray, float32
        ``W1`` (n_h1, n_x), ``b1`` (n_h1, 1), … copies, which later training does not change.
    """
    parameters = {}
    for number, layer in enumerate(_dense_layers(model), 1):
        kernel, bias = layer.get_weights()
        parameters[f"W{number}"] = np.ascontiguousarray(kernel.T)
        parameters[f"b{number}"] = bias[:, np.newaxis]
    return parameters
