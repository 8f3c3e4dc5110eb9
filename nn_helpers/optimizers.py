"""The optimisers that a training chooses from, made by Keras."""

from nn_helpers._tensorflow import keras
from nn_helpers.validation import OPTIMIZERS, check_choice, check_positive


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
    return choose_optimizer(optimizer, check_positive("learning_rate", learning_rate))


def choose_optimizer(
    optimizer: str, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
) -> keras.optimizers.Optimizer:
    """Return the optimiser of that name, with a learning rate that may be a schedule."""
    if optimizer == "gd":
        return keras.optimizers.SGD(learning_rate)
    if optimizer == "momentum":
        return keras.optimizers.SGD(learning_rate, momentum=0.9)
    if optimizer == "rms":
        return keras.optimizers.RMSprop(learning_rate)
    return keras.optimizers.Adam(learning_rate)
