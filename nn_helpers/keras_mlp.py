"""The same multilayer perceptron, built from Keras' layers.

Keras takes an example as a row, (m, n_x), and stores a layer's weights as (n_in, n_out): both are
the transposes of what `nn_helpers.mlp` uses.
"""

import numpy as np
import pandas as pd

from nn_helpers._progress import progress_bar
from nn_helpers._tensorflow import keras
from nn_helpers.validation import HIDDEN_ACTIVATIONS, check_choice, check_integer, check_positive


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


class LiveProgress(keras.callbacks.Callback):
    """Show the progress of ``model.fit`` while it runs; call that with ``verbose=0``."""

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._bar = progress_bar(self.params["epochs"], "Training", unit="epoch")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self._bar.set_postfix_str(f"cost {logs['loss']:.4f}")
        self._bar.update()

    def on_train_end(self, logs: dict | None = None) -> None:
        self._bar.close()


def history_table(history: keras.callbacks.History) -> pd.DataFrame:
    """Return what ``model.fit`` recorded, in the words of `nn_helpers.training`.

    Returns
    -------
    DataFrame
        A row an epoch: ``epoch`` (from 1), ``cost``, ``accuracy`` and, with validation data,
        ``validation_cost`` and ``validation_accuracy``. Keras takes an epoch's cost and accuracy
        while the weights change, those of the validation data at its end.
    """
    table = pd.DataFrame(history.history).rename(
        columns=lambda name: name.replace("val_", "validation_").replace("loss", "cost")
    )
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
