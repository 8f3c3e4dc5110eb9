"""Draw two pictures of the README into assets/.

overview.png shows images, the network 784-50-10 and its cost curve, network.png a smaller network.
"""

from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from nn_helpers import datasets, plotting, preprocessing, training
from nn_helpers.plotting._style import STYLE

LAYER_DIMS = [784, 50, 10]
SMALL_LAYER_DIMS = [784, 3, 2, 10]
ASSETS = Path(__file__).resolve().parents[1] / "assets"


def montage(images: np.ndarray, n_rows: int, n_columns: int) -> np.ndarray:
    """Put the first images side by side, with a white margin around each."""
    framed = np.pad(images[: n_rows * n_columns], ((0, 0), (3, 3), (3, 3)))
    size = framed.shape[1]
    rows = framed.reshape(n_rows, n_columns, size, size).swapaxes(1, 2)
    return rows.reshape(n_rows * size, n_columns * size)


def drawn_network() -> np.ndarray:
    """The network's diagram without its title, as pixels."""
    figure = plotting.plot_network(LAYER_DIMS)
    figure.suptitle("")
    for ax in figure.axes:
        ax.set_title("", loc="left")
    buffer = BytesIO()
    figure.savefig(buffer, dpi=200, format="png")
    buffer.seek(0)
    return plt.imread(buffer)


def main() -> None:
    data = datasets.load_fashion_mnist()
    X, Y = (
        preprocessing.flatten(preprocessing.normalize(data.train_images)),
        preprocessing.one_hot(data.train_labels),
    )
    history = training.train_mlp(X, Y, None, None, LAYER_DIMS).history
    with plt.style.context(STYLE):
        figure = plt.figure(figsize=(11, 2.9), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=[1.0, 1.25, 1.25])
        left.imshow(montage(data.train_images, 5, 6), cmap="gray_r")
        middle.imshow(drawn_network())
        plotting.plot_cost(history, ax=right)
        right.set_box_aspect(0.62)
    titles = {
        left: "70,000 images of ten kinds of garment",
        middle: "a multilayer perceptron, built from tensors",
        right: "trained in one compiled graph an epoch",
    }
    for ax, title in titles.items():
        ax.set_title(title, loc="left", fontsize=10.5)
        ax.set_anchor("N")
        if ax is not right:
            ax.set_axis_off()
    ASSETS.mkdir(exist_ok=True)
    figure.savefig(ASSETS / "overview.png", dpi=130, metadata={"Software": None})
    network = plotting.plot_network(SMALL_LAYER_DIMS)
    network.savefig(ASSETS / "network.png", dpi=130, metadata={"Software": None})


if __name__ == "__main__":
    main()
