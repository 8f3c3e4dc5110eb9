"""Fashion-MNIST: found on this machine or fetched, verified, loaded; and what notebook 01 measures.

The four files are in the IDX format: a magic number that tells type and rank, one big-endian
integer for each dimension, then the values. Mirrors compress them differently, so they are verified
by the SHA-256 of what they hold when decompressed.
"""

import hashlib
import math
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import platformdirs

from nn_helpers import _fetch
from nn_helpers.validation import check_integer

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")  # Debian's package puts the files here


class DatasetError(ValueError):
    """A file does not hold what it should."""


class _Content(NamedTuple):
    shape: tuple[int, ...]
    sha256: str

    @property
    def header_size(self) -> int:
        return 4 + 4 * len(self.shape)

    @property
    def size(self) -> int:
        return self.header_size + math.prod(self.shape)


_FILES = {
    "train-images-idx3-ubyte": _Content(
        (60_000, 28, 28), "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    "train-labels-idx1-ubyte": _Content(
        (60_000,), "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    "t10k-images-idx3-ubyte": _Content(
        (10_000, 28, 28), "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    "t10k-labels-idx1-ubyte": _Content(
        (10_000,), "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
}
_MAGIC_NUMBERS = {1: 0x00000801, 3: 0x00000803}  # unsigned bytes of rank 1 (labels), 3 (images)


@dataclass(frozen=True, eq=False, repr=False)
class FashionMNIST:
    """Images of clothing and their classes, in read-only arrays.

    Attributes
    ----------
    train_images, test_images : ndarray of uint8, (m, 28, 28)
        Grey levels, 0 (background) to 255.
    train_labels, test_labels : ndarray of uint8, (m,)
        Classes, 0 to 9.
    class_names : tuple of str
        The name of each class, by label.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...] = CLASS_NAMES

    def __repr__(self) -> str:
        return (
            f"FashionMNIST({len(self.train_labels):,} training and {len(self.test_labels):,} test "
            f"images in {len(self.class_names)} classes)"
        )

    def subset(self, n_train: int, n_test: int) -> "FashionMNIST":
        """The first `n_train` training and the first `n_test` test examples, as views.

        Raises
        ------
        TypeError
            If a count is not an integer.
        ValueError
            If it is less than 1 or more than there are.
        """
        n_train = check_integer("n_train", n_train, 1, len(self.train_labels))
        n_test = check_integer("n_test", n_test, 1, len(self.test_labels))
        return FashionMNIST(
            self.train_images[:n_train],
            self.train_labels[:n_train],
            self.test_images[:n_test],
            self.test_labels[:n_test],
            self.class_names,
        )


def load_fashion_mnist(data_dir: str | os.PathLike[str] | None = None) -> FashionMNIST:
    """Load Fashion-MNIST: 60,000 training and 10,000 test images of 28 × 28 pixels in 10 classes.

    The four files, each as it is or compressed (``.gz``), are looked for in `data_dir`; without it
    in ``$FASHION_MNIST_DIR``; without either in this project's cache, in Keras' cache and where
    Debian's package ``dataset-fashion-mnist`` installs them. Found nowhere, they are fetched into
    the project's cache. Every file is verified on every load.

    Parameters
    ----------
    data_dir : path, optional
        The folder to load from, and no other.

    Raises
    ------
    TypeError
        If `data_dir` is not a path.
    DatasetError
        If a file is damaged or is not the one that its name promises.
    OSError
        If a folder or file is missing, unreadable or cannot be written, or nothing can be fetched.
    """
    if data_dir is not None and not isinstance(data_dir, (str, os.PathLike)):
        raise TypeError(f"data_dir must be a path, got {data_dir!r} ({type(data_dir).__name__})")
    if data_dir is not None:
        return FashionMNIST(*_read_chosen("data_dir", data_dir))
    if chosen := os.environ.get("FASHION_MNIST_DIR"):
        return FashionMNIST(*_read_chosen("FASHION_MNIST_DIR", chosen))
    return FashionMNIST(*_find_or_fetch())


def _read_chosen(chooser: str, folder: str | os.PathLike[str]) -> tuple[np.ndarray, ...]:
    """Read the folder that the user asked for through `chooser`."""
    path = Path(folder).expanduser()
    unset = f"or leave {chooser} unset to have the data found or fetched"
    remedy = f"put the four Fashion-MNIST files there, {unset}"
    if not os.path.isdir(path):
        raise FileNotFoundError(f"{chooser} must be a folder, got {str(folder)!r}; {remedy}")
    if missing := _missing(path):
        raise FileNotFoundError(f"{chooser} {path} has no readable {missing[0]}[.gz]; {remedy}")
    return _read_or_explain(path, f"replace it by a good copy, {unset}")


def _find_or_fetch() -> tuple[np.ndarray, ...]:
    """Read the data from the first place that has them; fetch them where none has."""
    cache = platformdirs.user_cache_path("nn_helpers", appauthor=False) / "fashion-mnist"
    for folder in (cache, Path("~/.keras/datasets/fashion-mnist").expanduser()):
        try:
            return _read_folder(folder)
        except (OSError, DatasetError):
            continue
    if not _missing(SYSTEM_FOLDER):
        return _read_or_explain(
            SYSTEM_FOLDER, "repair it with `apt-get install --reinstall dataset-fashion-mnist`"
        )
    _fetch.fetch_into(cache, tuple(_FILES), _decode)
    return _read_or_explain(cache, "delete it and load again, and check the disk")


def _path(folder: Path, name: str) -> Path:
    """The decompressed file if there is one, otherwise the compressed one."""
    return folder / (name if os.path.isfile(folder / name) else f"{name}.gz")


def _missing(folder: Path) -> list[str]:
    return [name for name in _FILES if not os.path.isfile(_path(folder, name))]


def _read_or_explain(folder: Path, remedy: str) -> tuple[np.ndarray, ...]:
    try:
        return _read_folder(folder)
    except DatasetError as fault:
        raise DatasetError(f"{fault}; {remedy}") from None
    except OSError as error:
        message = f"{error.filename or folder} cannot be read ({error.strerror}); {remedy}"
        raise type(error)(message) from error


def _read_folder(folder: Path) -> tuple[np.ndarray, ...]:
    """The four arrays in the order of `_FILES`, read-only; decompressed and hashed in parallel."""

    def read(name: str) -> np.ndarray:
        path = _path(folder, name)
        content, expected = _decode(name, path.read_bytes(), path), _FILES[name]
        values = np.frombuffer(content, np.uint8, offset=expected.header_size)
        return values.reshape(expected.shape)

    if missing := _missing(folder):
        raise FileNotFoundError(f"{folder} has no {missing[0]}")
    with ThreadPoolExecutor(len(_FILES)) as pool:
        return tuple(pool.map(read, _FILES))


def _decode(name: str, raw: bytes, origin: str | os.PathLike[str]) -> bytes:
    """The verified, decompressed content of the file `name`, from what `origin` holds.

    Raises
    ------
    DatasetError
        With the fault, the most telling first: what the bytes are, the header, size, digest.
    """
    if not raw:
        raise DatasetError(f"{origin} is empty")
    if raw[:64].lstrip().startswith(b"<"):
        raise DatasetError(f"{origin} is an HTML page, not gzip data")
    expected = _FILES[name]
    if raw.startswith(b"\x1f\x8b"):
        raw = _decompress(raw, expected.size, origin)
    elif str(origin).endswith(".gz") and not raw.startswith(b"\0\0"):
        raise DatasetError(f"{origin} is not gzip data (it begins with {bytes(raw[:8])!r})")
    _check_header(raw, expected, origin)
    if len(raw) != expected.size:
        quantity = f"{len(raw):,}" if len(raw) < expected.size else "more"
        raise DatasetError(f"{origin} holds {quantity} bytes where {expected.size:,} are expected")
    digest = hashlib.sha256(raw).hexdigest()
    if digest != expected.sha256:
        raise DatasetError(
            f"{origin} holds other values than Fashion-MNIST's "
            f"(SHA-256 {digest[:12]}… where {expected.sha256[:12]}… is expected)"
        )
    return raw


def _decompress(raw: bytes, size: int, origin: str | os.PathLike[str]) -> bytes:
    """Decompress gzip data, to at most one byte more than `size`."""
    gunzip = zlib.decompressobj(wbits=31)
    try:
        content = gunzip.decompress(raw, size + 1)
    except zlib.error as error:
        raise DatasetError(f"{origin} is damaged gzip data ({error})") from None
    if not gunzip.eof and len(content) <= size:
        raise DatasetError(
            f"{origin} is truncated: only {len(content):,} of {size:,} bytes can be decompressed"
        )
    return content


def _check_header(content: bytes, expected: _Content, origin: str | os.PathLike[str]) -> None:
    """Refuse an IDX header other than that of the `expected` array."""
    if len(content) < expected.header_size:
        raise DatasetError(f"{origin} is truncated: {len(content)} bytes are less than its header")
    magic, wanted = int.from_bytes(content[:4], "big"), _MAGIC_NUMBERS[len(expected.shape)]
    if magic != wanted and magic in _MAGIC_NUMBERS.values():
        held, due = ("labels", "images") if len(expected.shape) == 3 else ("images", "labels")
        raise DatasetError(
            f"{origin} holds {held} where {due} belong: "
            f"the image and label files seem to be swapped"
        )
    if magic != wanted:
        raise DatasetError(
            f"{origin} has the wrong magic number 0x{magic:08x} where 0x{wanted:08x} is expected"
        )
    dimensions = content[4 : expected.header_size]
    shape = tuple(
        int.from_bytes(dimensions[i : i + 4], "big") for i in range(0, len(dimensions), 4)
    )
    if shape != expected.shape:
        raise DatasetError(
            f"{origin} has the wrong dimensions {shape} where {expected.shape} are expected"
        )


def content_digest() -> str:
    """Return one SHA-256 for all four files, in hexadecimal: that of their digests, joined.

    It tells which data a result comes from, since `load_fashion_mnist` accepts no others.
    """
    digests = "".join(content.sha256 for content in _FILES.values())
    return hashlib.sha256(digests.encode()).hexdigest()


def class_balance(data: FashionMNIST) -> pd.DataFrame:
    """Count the examples of each class.

    Returns
    -------
    DataFrame
        Indexed by class name, with the columns ``train`` and ``test``.
    """
    n_classes = len(data.class_names)
    return pd.DataFrame(
        {
            "train": np.bincount(data.train_labels, minlength=n_classes),
            "test": np.bincount(data.test_labels, minlength=n_classes),
        },
        index=pd.Index(data.class_names, name="class"),
    )


def class_means(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean image of each class.

    Parameters
    ----------
    images : ndarray of uint8, (m, height, width)
    labels : ndarray of uint8, (m,)

    Returns
    -------
    ndarray of float64, (10, height, width)
        NaN for a class without examples.

    Raises
    ------
    ValueError
        If there are not as many labels as images, or a label is none of the classes.
    """
    if len(images) != len(labels):
        raise ValueError(f"labels must be as many as the {len(images)} images, got {len(labels)}")
    means = np.full((len(CLASS_NAMES), *images.shape[1:]), np.nan)
    for label in np.unique(labels):
        check_integer("a label", label, 0, len(CLASS_NAMES) - 1)
        means[label] = images[labels == label].mean(axis=0, dtype=np.float64)
    return means


def nearest_images(
    queries: np.ndarray, images: np.ndarray, block: int = 512
) -> tuple[np.ndarray, np.ndarray]:
    """For each query find the nearest of `images`, by Euclidean distance over the pixels.

    With ``|q - x|² = |q|² - 2 (q·x - |x|²/2)`` the nearest image is the one of greatest
    ``q·x - |x|²/2``, one matrix product for a block of queries. Grey levels are shifted to
    -128 … 127 first: the products of up to 1,024 pixels then stay below 2²⁴, so that float32 holds
    them exactly and near-duplicates are told apart.

    Parameters
    ----------
    queries : ndarray of uint8, (n, height, width)
    images : ndarray of uint8, (m, height, width)
    block : int
        Queries at a time; memory grows by 4 · m bytes for each.

    Returns
    -------
    indices : ndarray of int64, (n,)
        Into `images`; the lowest where several are equally near.
    squared_distances : ndarray of int64, (n,)
        Exact, 0 for an identical image.

    Raises
    ------
    TypeError
        If an array is not uint8, or `block` not an integer.
    ValueError
        If the shapes do not fit, there are no images, or `block` is less than 1.
    """
    block = check_integer("block", block, 1)
    for name, array in (("queries", queries), ("images", images)):
        if array.dtype != np.uint8:
            raise TypeError(f"{name} must be uint8, got {array.dtype}")
    if queries.shape[1:] != images.shape[1:] or len(images) == 0:
        raise ValueError(
            f"images must be one or more of the queries' size {queries.shape[1:]}, "
            f"got shape {images.shape}"
        )
    pixels = _shifted(images)
    half_norms = np.einsum("ij,ij->i", pixels, pixels) / 2
    indices = np.empty(len(queries), dtype=np.int64)
    squared_distances = np.empty(len(queries), dtype=np.int64)
    for start in range(0, len(queries), block):
        rows = slice(start, start + block)
        scores = _shifted(queries[rows]) @ pixels.T
        scores -= half_norms
        indices[rows] = scores.argmax(axis=1)
        differences = queries[rows].astype(np.int64) - images[indices[rows]]
        squared_distances[rows] = (differences**2).reshape(len(differences), -1).sum(axis=1)
    return indices, squared_distances


def _shifted(images: np.ndarray) -> np.ndarray:
    """Images as rows of float32 grey levels from -128 to 127."""
    rows = images.reshape(len(images), math.prod(images.shape[1:])).astype(np.float32)
    rows -= 128
    return rows
