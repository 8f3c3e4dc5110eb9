"""Record what the best dense network reaches: five of them, each alone and all as an ensemble.

The recipe was chosen on validation data alone: networks trained on 54,000 images, compared on the
other 6,000. The first network repeats that training, so that its validation accuracy is recorded
too. Then the recipe is final, and the five networks learn all 60,000 training images, whose
validation part would otherwise teach nothing. They differ by their seed, which draws the initial
weights, the mini-batches, the dropout and the mirroring. The test images are looked at after that.
"""

import dataclasses
import sys
from time import perf_counter

import numpy as np

from nn_helpers import datasets, preprocessing, records, regularized_mlp

NAME = "best_network"
RECIPE = regularized_mlp.Recipe()
SEEDS = (1, 2, 3, 4, 5)
SPLIT = {"validation_fraction": 0.1, "seed": 1}


def features_and_labels(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features and one-hot labels, an example a row."""
    x = preprocessing.flatten(preprocessing.normalize(images)).T
    return x, preprocessing.one_hot(labels).T


def train_and_predict(
    x: np.ndarray, y: np.ndarray, x_new: np.ndarray, seed: int
) -> tuple[np.ndarray, int, float]:
    """Train a network; return its probabilities for new images, its size, the seconds it took."""
    started = perf_counter()
    model = regularized_mlp.create_regularized_model(RECIPE, seed=seed)
    history = regularized_mlp.train_regularized_model(model, RECIPE, x, y, seed=seed)
    if len(history) < RECIPE.n_epochs:
        raise KeyboardInterrupt  # ends the record, not this training alone
    seconds = perf_counter() - started
    n_parameters = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    return regularized_mlp.predict_probabilities(model, x_new), n_parameters, seconds


def count_correct(probabilities: np.ndarray, y: np.ndarray) -> int:
    """Count the examples whose most probable class is the right one."""
    return int((probabilities.argmax(axis=1) == y.argmax(axis=1)).sum())


def measure() -> dict[str, object]:
    """Train all networks and return what came out."""
    data = datasets.load_fashion_mnist()
    x, y = features_and_labels(data.train_images, data.train_labels)
    x_test, y_test = features_and_labels(data.test_images, data.test_labels)
    train, validation = preprocessing.train_validation_split(data.train_labels, **SPLIT)
    predicted, n_parameters, seconds = train_and_predict(
        x[train], y[train], x[validation], SEEDS[0]
    )
    validated = {
        "seed": SEEDS[0],
        "n_train": len(train),
        "validation_accuracy": count_correct(predicted, y[validation]) / len(validation),
        "seconds": round(seconds, 1),
    }
    print(f"validation accuracy {validated['validation_accuracy']:.4f} ({seconds:.0f} s)")
    predictions, networks, n_correct = [], [], []
    for seed in SEEDS:
        predicted, n_parameters, seconds = train_and_predict(x, y, x_test, seed)
        predictions.append(predicted)
        n_correct.append(count_correct(predicted, y_test))
        test_accuracy = n_correct[-1] / len(y_test)
        networks.append(
            {"seed": seed, "test_accuracy": test_accuracy, "seconds": round(seconds, 1)}
        )
        print(f"seed {seed}: test accuracy {test_accuracy:.4f} ({seconds:.0f} s)", flush=True)
    test_accuracies = [network["test_accuracy"] for network in networks]
    together = regularized_mlp.average_probabilities(predictions)
    return {
        "n_parameters": n_parameters,
        "validated": validated,
        "networks": networks,
        "n_train": len(x),
        "mean_test_accuracy": sum(n_correct) / (len(SEEDS) * len(y_test)),  # the sum is exact
        "std_test_accuracy": np.std(test_accuracies, ddof=1),
        "ensemble_test_accuracy": count_correct(together, y_test) / len(y_test),
    }


def main() -> None:
    started = perf_counter()
    try:
        results = measure()
    except KeyboardInterrupt:
        sys.exit(f"interrupted: the record {NAME} stays as it was")
    settings = {"recipe": dataclasses.asdict(RECIPE), "seeds": SEEDS, "split": SPLIT}
    records.save_record(NAME, results, settings, perf_counter() - started)
    print(f"mean {results['mean_test_accuracy']:.4f}, ", end="")
    print(f"ensemble {results['ensemble_test_accuracy']:.4f}")


if __name__ == "__main__":
    main()
