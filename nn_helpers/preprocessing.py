"""From images and labels to what a network takes: features, one-hot labels, a split, mini-batches.

An example is a column: features `X` have shape (n_x, m), one-hot labels `Y` (n_y, m). Each step
that changes the numbers has an inverse that gives the original back exactly.
"""

import math

import numpy as np

from nn_helpers.validation import check_integer, check_positive

MAX_PIXEL = 255


def normalize(images: np.ndarray) -> np.ndarray:
    """Scale pixels from 0–255 to 0–1.

    Parameters
    ----------
    images : ndarray of uint8, any shape

    Returns
    -------
    ndarray of float32, the same shape

    Raises
    ------
    TypeError
        If `images` is not of dtype uint8; a second call would scale twice.
    """
    if images.dtype != np.uint8:
        raise TypeError(
            f"images must be of dtype uint8, not yet normalised, got dtype {images.dtype}"
        )
    return images.astype(np.float32) / np.float32(MAX_PIXEL)


def denormalize(images: np.ndarray) -> np.ndarray:
    """Scale pixels from 0–1 back to 0–255; the exact inverse of `normalize`.

    Parameters
    ----------
    images : ndarray of float, any shape
        Values from 0 to 1.

    Returns
    -------
    ndarray of uint8, the same shape

    Raises
    ------
    ValueError
        If a value lies outside 0 to 1 or is NaN.
    """
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(
            f"images must hold values from 0 to 1, got {images.min():g} to {images.max():g}"
        )
    return np.rint(images * MAX_PIXEL).astype(np.uint8)


def flatten(images: np.ndarray) -> np.ndarray:
    """Unroll each image into a column.

    Parameters
    ----------
    images : ndarray, shape (m, height, width)

    Returns
    -------
    ndarray, shape (height * width, m)
        A view: the transpose of the row-major array, so no pixel is copied.

    Raises
    ------
    ValueError
        If `images` has other than three dimensions.
    """
    if images.ndim != 3:
        raise ValueError(f"images must have shape (m, height, width), got {images.shape}")
    return images.reshape(images.shape[0], images.shape[1] * images.shape[2]).T


def unflatten(X: np.ndarray, image_shape: tuple[int, int] = (28, 28)) -> np.ndarray:
    """Fold columns back into images; the exact inverse of `flatten`.

    Parameters
    ----------
    X : ndarray, shape (height * width, m)
    image_shape : (height, width)

    Returns
    -------
    ndarray, shape (m, height, width)

    Raises
    ------
    ValueError
        If a column does not hold height * width values.
    """
    height, width = image_shape
    if X.ndim != 2 or X.shape[0] != height * width:
        raise ValueError(
            f"X must have shape ({height * width}, m) for images of {height} x {width} pixels, "
            f"got {X.shape}"
        )
    return X.T.reshape(-1, height, width)


def one_hot(labels: np.ndarray, n_classes: int = 10) -> np.ndarray:
    """Encode class numbers as columns with a single 1.

    Parameters
    ----------
    labels : ndarray of integers, shape (m,)
        From 0 to ``n_classes - 1``.
    n_classes : int

    Returns
    -------
    ndarray of float32, shape (n_classes, m)

    Raises
    ------
    TypeError
        If `labels` are not integers.
    ValueError
        If `labels` is not one-dimensional or holds a label outside the classes.
    """
    n_classes = check_integer("n_classes", n_classes, minimum=1)
    if labels.ndim != 1:
        raise ValueError(f"labels must have shape (m,), got {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"labels must be integers, got dtype {labels.dtype}")
    outside = labels[(labels < 0) | (labels >= n_classes)]
    if outside.size:
        raise ValueError(
            f"labels must be from 0 to {n_classes - 1} for {n_classes} classes, got {outside[0]}"
        )
    rows = np.zeros((labels.size, n_classes), dtype=np.float32)
    rows[np.arange(labels.size), labels] = 1
    return rows.T


def decode_one_hot(Y: np.ndarray) -> np.ndarray:
    """Give back the class numbers; the exact inverse of `one_hot`.

    Parameters
    ----------
    Y : ndarray, shape (n_y, m)
        Each column holds a single 1, and 0 elsewhere.

    Returns
    -------
    ndarray of uint8 (of int64 for more than 256 classes), shape (m,)

    Raises
    ------
    ValueError
        If a column is not one-hot.
    """
    if Y.ndim != 2:
        raise ValueError(f"Y must have shape (n_y, m), got {Y.shape}")
    is_one_hot = ((Y == 0) | (Y == 1)).all(axis=0) & (Y.sum(axis=0) == 1)
    if not is_one_hot.all():
        column = int(np.argmin(is_one_hot))
        raise ValueError(f"Y must be one-hot, but column {column} is {Y[:, column].tolist()}")
    return Y.argmax(axis=0).astype(np.uint8 if Y.shape[0] <= 256 else np.int64)


def train_validation_split(
    labels: np.ndarray, validation_fraction: float = 0.1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Choose which training examples become validation data, the same share of each class.

    Parameters
    ----------
    labels : ndarray, shape (m,)
        The class of each example.
    validation_fraction : float
        Share of the examples held out, greater than 0 and less than 1.
    seed : int
        The same seed gives the same split.

    Returns
    -------
    train_index, validation_index : ndarray of int64
        Positions of the examples, each ascending; together every example exactly once.

    Raises
    ------
    ValueError
        If a class has too few examples to appear on both sides.
    """
    from sklearn.model_selection import train_test_split

    validation_fraction = check_positive("validation_fraction", validation_fraction, below=1)
    seed = check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
    classes, counts = np.unique(labels, return_counts=True)
    n_validation = math.ceil(validation_fraction * labels.size)
    too_few = ValueError(
        f"labels must hold enough examples for each of {classes.size} classes on both sides, "
        f"got {labels.size} with validation_fraction = {validation_fraction:g}"
    )
    n_smaller_side = min(n_validation, labels.size - n_validation)
    if labels.size == 0 or counts.min() < 2 or n_smaller_side < classes.size:
        raise too_few
    train_index, validation_index = train_test_split(
        np.arange(labels.size), test_size=n_validation, stratify=labels, random_state=seed
    )
    for index in (train_index, validation_index):
        if np.unique(labels[index]).size < classes.size:
            raise too_few
    return np.sort(train_index), np.sort(validation_index)


def shuffled_order(m: int, seed: int = 0) -> np.ndarray:
    """Return the numbers 0 to m - 1 in a random order, the same for the same seed."""
    return np.random.default_rng(check_integer("seed", seed, minimum=0)).permutation(m)


def random_mini_batches(
    X: np.ndarray, Y: np.ndarray, mini_batch_size: int = 64, seed: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Shuffle the examples and deal them into mini-batches.

    Parameters
    ----------
    X : ndarray, shape (n_x, m)
    Y : ndarray, shape (n_y, m)
    mini_batch_size : int
        Examples in each mini-batch; the last one takes what is left.
    seed : int
        The same seed gives the same order, whatever the size of the mini-batches.

    Returns
    -------
    list of (X_batch, Y_batch)
        ``ceil(m / mini_batch_size)`` pairs; every example stands in exactly one of them.

    Raises
    ------
    ValueError
        If `X` and `Y` hold different numbers of examples, or `mini_batch_size` is not from 1 to m.
    """
    m = X.shape[1]
    if Y.shape[1] != m:
        raise ValueError(
            f"X and Y must hold the same number of examples, got {m} and {Y.shape[1]} columns"
        )
    mini_batch_size = check_integer("mini_batch_size", mini_batch_size, minimum=1, maximum=m)
    order = shuffled_order(m, seed)
    batches = [order[start : start + mini_batch_size] for start in range(0, m, mini_batch_size)]
    return [(X[:, batch], Y[:, batch]) for batch in batches]
