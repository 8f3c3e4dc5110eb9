"""Every figure against a stored image, and what all figures have in common.

The stored images are in ``figures/``, drawn from the data below. After a change that is meant, look
at the new ones before you keep them:
``pytest tests/test_plotting.py -k test_figure --mpl-generate-path=tests/figures``.
"""

import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook
from skopt import gp_minimize
from skopt.plots import partial_dependence
from skopt.space import Categorical, Integer, Real, Space

from nn_helpers import plotting
from nn_helpers.articles import JekyllExporter
from nn_helpers.plotting import search
from nn_helpers.plotting._accuracy import accuracy_floor

FIGURES = Path(__file__).parent / "figures"
TOLERANCE = 1.0  # root mean square of the differences of pixel values, which go from 0 to 255
DPI = 50

random = np.random.default_rng(0)
NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
         "Bag", "Ankle boot")  # fmt: skip
IMAGES = random.integers(0, 256, (12, 8, 8)).astype(np.uint8)
IMAGES[:, :, :3] = 0
LABELS = np.array([9, 0, 0, 3, 1, 2, 7, 2, 5, 5, 6, 8], dtype=np.uint8)
COUNTS = pd.DataFrame({"train": 90, "validation": 30, "test": 20}, index=list(NAMES))
COUNTS.iloc[3] = 87, 29, 24
BASELINES = pd.DataFrame(
    {"accuracy": [0.1, 0.842, 0.676], "source": ["ours", "published", "ours"]},
    index=["most frequent class", "logistic regression", "nearest centroid"],
)
EPOCHS = np.arange(1, 13)
HISTORY = pd.DataFrame(
    {
        "epoch": EPOCHS,
        "cost": 0.25 + 0.3 / EPOCHS,
        "accuracy": 0.91 - 0.1 / EPOCHS,
        "validation_cost": 0.33 + 0.2 / EPOCHS + 0.002 * EPOCHS,
        "validation_accuracy": 0.88 - 0.06 / EPOCHS - 0.001 * EPOCHS,
    }
)
CONFUSION = np.diag(np.arange(90, 100)) + random.integers(0, 3, (10, 10))
X = np.linspace(-3, 3, 40)
BATCHES = random.permutation(np.arange(60) // 16)
SECONDS = pd.Series({"step by step": 4.21, "compiled": 0.64})
SPACE = Space(
    [
        Real(1e-4, 1e-1, prior="log-uniform", transform="normalize", name="learning_rate"),
        Integer(16, 256, prior="log-uniform", transform="normalize", name="num_nodes"),
        Integer(3, 6, transform="normalize", name="num_layers"),
        Categorical(["relu", "tanh", "sigmoid"], name="hidden_activation"),
    ]
)


def make_trials() -> pd.DataFrame:
    points = SPACE.rvs(36, random_state=1)
    trials = pd.DataFrame(points, columns=SPACE.dimension_names)
    trials["strategy"] = np.repeat(["random", "Gaussian process"], 18)
    trials["seed"] = np.tile(np.repeat([0, 1, 2], 6), 2)
    trials["trial"] = np.tile(np.arange(1, 7), 6)
    trials["validation_accuracy"] = 0.88 - 0.02 * (np.log10(trials["learning_rate"]) + 2.5) ** 2
    trials.loc[[18, 22], "validation_accuracy"] = 0.41, 0.1  # failed: the first of seed 0, and one
    return trials


TRIALS = make_trials()


def make_searches() -> pd.DataFrame:
    """Three strategies with five seeds each; the last one prunes."""
    trials = pd.DataFrame(SPACE.rvs(225, random_state=3), columns=SPACE.dimension_names)
    trials["strategy"] = np.repeat(["random search", "Gaussian process", "TPE with pruning"], 75)
    trials["seed"] = np.tile(np.repeat([1, 2, 3, 4, 5], 15), 3)
    trials["trial"] = np.tile(np.arange(1, 16), 15)
    distance = np.log10(trials["learning_rate"]) + 2.5
    trials["validation_accuracy"] = (
        0.87 - 0.02 * distance**2 + 0.01 * np.log2(trials["num_nodes"] / 64) / 2
    )
    hopeless = (trials["validation_accuracy"] < 0.86) & (trials["trial"] > 6)
    trials["pruned"] = hopeless & (trials["strategy"] == "TPE with pruning")
    trials["epochs"] = np.where(trials["pruned"], 2, 5)
    trials["seconds"] = 0.8 + trials["epochs"] * (0.2 + trials["num_nodes"] / 1000)
    return trials


SEARCHES = make_searches()


def make_result() -> SimpleNamespace:
    """What ``gp_minimize`` returns, with a model whose expectations are known."""
    points = SPACE.rvs(12, random_state=2)
    costs = -0.88 + 0.02 * (np.log10([point[0] for point in points]) + 2.5) ** 2
    costs[[0, 9]] = -0.1, -0.41  # failed: one from the random start, one that the model chose
    model = SimpleNamespace(predict=lambda x: -0.85 + 0.1 * (x[:, 0] - 0.5) ** 2 - 0.01 * x[:, 3])
    best = points[int(np.argmin(costs))]
    return SimpleNamespace(space=SPACE, x_iters=points, func_vals=costs, models=[model] * 5, x=best)


RESULT = make_result()
CALLS = {
    "image": lambda: plotting.plot_image(IMAGES[0], "A random image"),
    "image_grid": lambda: plotting.plot_image_grid(IMAGES, LABELS, NAMES, 2, 5),
    "class_balance": lambda: plotting.plot_class_balance(COUNTS),
    "pixel_histogram": lambda: plotting.plot_pixel_histogram(np.where(IMAGES > 240, 255, IMAGES)),
    "class_means": lambda: plotting.plot_class_means(IMAGES[:10].astype(float), NAMES),
    "image_pairs": lambda: plotting.plot_image_pairs(
        IMAGES[:3], IMAGES[:3] // 8 * 8, ["distance 1", "distance 2", "distance 3"]
    ),
    "baselines": lambda: plotting.plot_baselines(BASELINES),
    "before_after": lambda: plotting.plot_before_after(IMAGES, (IMAGES / 255).astype(np.float32)),
    "flatten": lambda: plotting.plot_flatten(IMAGES[0] / 255, IMAGES[0].reshape(-1, 1) / 255),
    "one_hot": lambda: plotting.plot_one_hot(np.eye(10)[:, LABELS], LABELS, NAMES),
    "split": lambda: plotting.plot_split(COUNTS),
    "mini_batches": lambda: plotting.plot_mini_batches(BATCHES, 16),
    "network": lambda: plotting.plot_network([784, 3, 2, 10]),
    "network_deep": lambda: plotting.plot_network([784, 128, 64, 32, 16, 10]),
    "activations": plotting.plot_activations,
    "first_layer_weights": lambda: plotting.plot_first_layer_weights(
        np.linspace(-1, 2, 7 * 64).reshape(7, 64), (8, 8), n_columns=5, max_nodes=6
    ),
    "cost": lambda: plotting.plot_cost(HISTORY[["epoch", "cost"]]),
    "learning_curves": lambda: plotting.plot_learning_curves(HISTORY),
    "learning_curves_of_one_epoch": lambda: plotting.plot_learning_curves(HISTORY[:1]),
    "confusion_matrix": lambda: plotting.plot_confusion_matrix(CONFUSION, NAMES),
    "mistakes": lambda: plotting.plot_mistakes(
        IMAGES[:6], LABELS[:6], LABELS[6:], 1 - 10.0 ** np.arange(-6, 0), NAMES
    ),
    "regression": lambda: plotting.plot_regression(X, np.sin(X) + 0.1 * np.cos(40 * X), np.sin(X)),
    "epoch_times": lambda: plotting.plot_epoch_times(SECONDS),
    "best_so_far": lambda: plotting.plot_best_so_far(TRIALS),
    "best_so_far_of_one_seed": lambda: plotting.plot_best_so_far(
        TRIALS[TRIALS["seed"] == 0].drop(columns="seed")
    ),
    "best_so_far_of_fifteen_searches": lambda: plotting.plot_best_so_far(SEARCHES),
    "trials": lambda: plotting.plot_trials(TRIALS),
    "trials_of_which_some_were_pruned": lambda: plotting.plot_trials(SEARCHES),
    "importance": lambda: plotting.plot_importance(SEARCHES),
    "wall_time": lambda: plotting.plot_wall_time(SEARCHES),
    "gp_convergence": lambda: plotting.plot_gp_convergence(RESULT),
    "partial_dependence": lambda: plotting.plot_partial_dependence(RESULT),
    "evaluations": lambda: plotting.plot_evaluations(RESULT),
}


def test_every_figure_function_is_drawn_here():
    drawn = {name.split("_of_")[0].removesuffix("_deep") for name in CALLS}
    assert {f"plot_{name}" for name in drawn} == set(plotting.__all__)


@pytest.mark.mpl_image_compare(
    baseline_dir="figures", tolerance=TOLERANCE, savefig_kwargs={"dpi": DPI}, style="default"
)
@pytest.mark.parametrize("name", CALLS)
def test_figure(name, monkeypatch):
    figure = CALLS[name]()
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == []
    titles = [figure.get_suptitle(), *(ax.get_title(loc="left") for ax in figure.axes)]
    assert any(titles)
    assert figure.get_figwidth() <= 7
    for ax in figure.axes:
        check_labels(ax)
    check_texts(figure, monkeypatch)
    return figure


def check_labels(ax):
    """An axis whose ticks carry values says what they are."""
    for axis in (ax.xaxis, ax.yaxis) if ax.axison else ():
        shown = axis.get_tick_params()
        sides = ("labelbottom", "labeltop", "labelleft", "labelright")
        if any(shown.get(side) for side in sides) and len(axis.get_majorticklocs()):
            assert axis.get_label_text(), axis


def check_texts(figure, monkeypatch):
    """No text leaves the figure, and no two level ones overlap."""
    drawn = {}

    def draw(text, renderer):
        if text.get_visible() and text.get_text().strip():
            drawn[text] = text.get_window_extent(renderer)

    with monkeypatch.context() as patch:
        patch.setattr(plt.Text, "draw", draw)
        figure.draw_without_rendering()
    for text, box in drawn.items():
        inside = box.min.min() >= 0 and (box.max <= figure.bbox.max).all()
        assert inside, text
    level = [(text, box.padded(-1)) for text, box in drawn.items() if text.get_rotation() == 0]
    for (text, box), (other, other_box) in combinations(level, 2):
        assert not box.overlaps(other_box), (text, other)


WRONG = {
    "image must have shape (height, width), got (12, 8, 8)": lambda: plotting.plot_image(
        IMAGES, "Many"
    ),
    "images must have shape (m, height, width), got (8, 8)": lambda: plotting.plot_pixel_histogram(
        IMAGES[0]
    ),
    "images must be uint8, as loaded, got float64 (12, 8, 8)": (
        lambda: plotting.plot_pixel_histogram(IMAGES / 255)
    ),
    "images must hold at least n_rows * n_columns = 25 images, got (12, 8, 8)": (
        lambda: plotting.plot_image_grid(IMAGES, LABELS, NAMES)
    ),
    "labels must have shape (12,), got (3,)": lambda: plotting.plot_image_grid(
        IMAGES, LABELS[:3], NAMES, 2, 2
    ),
    "labels must hold whole numbers from 0 to 4, one for each class name, got uint8 from 0 to 9": (
        lambda: plotting.plot_image_grid(IMAGES, LABELS, NAMES[:5], 2, 2)
    ),
    "table must have the column 'test', got train": lambda: plotting.plot_class_balance(
        COUNTS[["train"]]
    ),
    "table must have at least one row, got shape (0, 3)": lambda: plotting.plot_split(COUNTS[:0]),
    "right must have shape (2, 8, 8), got (3, 8, 8)": lambda: plotting.plot_image_pairs(
        IMAGES[:2], IMAGES[:3], ["a", "b"]
    ),
    "titles must have one entry for each pair: 2, got 1": lambda: plotting.plot_image_pairs(
        IMAGES[:2], IMAGES[:2], ["a"]
    ),
    "table's source must be ours or published, got 'mine'": lambda: plotting.plot_baselines(
        BASELINES.assign(source="mine")
    ),
    "after must have shape (12, 8, 8), got (64, 12)": lambda: plotting.plot_before_after(
        IMAGES, IMAGES.reshape(12, -1).T
    ),
    "x must have shape (64,), got (12,)": lambda: plotting.plot_flatten(IMAGES[0], np.zeros(12)),
    "row must be from 0 to 7, got 8": lambda: plotting.plot_flatten(IMAGES[0], np.zeros(64), 8),
    "batch_of_example must hold at most 400 examples, got (401,)": (
        lambda: plotting.plot_mini_batches(np.arange(401), 1)
    ),
    "batch_of_example must fill mini-batches of mini_batch_size 4, the last perhaps smaller, "
    "got sizes 3, 4": lambda: plotting.plot_mini_batches(np.arange(7) % 2 ^ 1, 4),
    "layer_dims must name an input and an output layer, got [784]": (
        lambda: plotting.plot_network([784])
    ),
    "W1 must have shape (n_h1, 784), got (784, 50)": lambda: plotting.plot_first_layer_weights(
        np.zeros((784, 50))
    ),
    "history must have the column 'cost', got epoch": lambda: plotting.plot_cost(
        HISTORY[["epoch"]]
    ),
    "history must have the column 'accuracy', got epoch, cost": (
        lambda: plotting.plot_learning_curves(HISTORY[["epoch", "cost"]])
    ),
    "matrix must have shape (10, 10), got (10, 9)": lambda: plotting.plot_confusion_matrix(
        CONFUSION[:, :9], NAMES
    ),
    "confidence must have shape (12,), got (1, 12)": lambda: plotting.plot_mistakes(
        IMAGES, LABELS, LABELS, np.ones((1, 12)), NAMES
    ),
    "y_hat must have shape (40,), got (2, 40)": lambda: plotting.plot_regression(
        X, X, np.stack([X, X])
    ),
    "table must have the column 'seconds', got time": lambda: plotting.plot_epoch_times(
        SECONDS.to_frame("time")
    ),
    "trials must have the column 'strategy', got trial": lambda: plotting.plot_best_so_far(
        TRIALS[["trial"]]
    ),
    "trials must have the column 'num_nodes', got ": lambda: plotting.plot_trials(
        TRIALS.drop(columns="num_nodes")
    ),
    "trials must come from at most 4 strategies, got 5": lambda: plotting.plot_best_so_far(
        TRIALS[:5].assign(strategy=list("abcde"))
    ),
    "trials must hold each trial of a strategy and seed once, got some twice": (
        lambda: plotting.plot_best_so_far(TRIALS.drop(columns="seed"))
    ),
    "trials must hold one that ran to its end, got pruned ones alone": (
        lambda: plotting.plot_best_so_far(SEARCHES[SEARCHES["pruned"]])
    ),
    "trials must have the column 'num_layers', got ": lambda: plotting.plot_importance(
        SEARCHES.drop(columns="num_layers")
    ),
    "trials must hold at least 10 that ran to their end, got 9": (
        lambda: plotting.plot_importance(
            pd.concat([SEARCHES[:9], SEARCHES[SEARCHES["pruned"]]], ignore_index=True)
        )
    ),
    "trials must differ in validation_accuracy, got 0.5 from all of them": (
        lambda: plotting.plot_importance(SEARCHES.assign(validation_accuracy=0.5))
    ),
    "trials must have the column 'epochs', got ": lambda: plotting.plot_wall_time(
        SEARCHES.drop(columns="epochs")
    ),
    "result must be what gp_minimize returns, got list without 'space'": (
        lambda: plotting.plot_evaluations([RESULT])
    ),
    "result must hold a fitted model, got none: run at least n_initial_points trials": (
        lambda: plotting.plot_partial_dependence(SimpleNamespace(**{**vars(RESULT), "models": []}))
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_data_are_named_in_one_sentence(message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as error:
        WRONG[message]()
    assert "\n" not in str(error.value)


def test_wrong_types_are_named_in_one_sentence():
    with pytest.raises(TypeError, match="history must be a pandas DataFrame, got dict"):
        plotting.plot_cost({"epoch": [1], "cost": [0.5]})
    with pytest.raises(TypeError, match="image must hold numbers, got list of <U1"):
        plotting.plot_image([["a"]], "Letters")


ON_AXES = {
    "image": lambda ax: plotting.plot_image(IMAGES[0], "A random image", ax=ax),
    "pixel_histogram": lambda ax: plotting.plot_pixel_histogram(IMAGES, ax=ax),
    "cost": lambda ax: plotting.plot_cost(HISTORY, ax=ax),
    "regression": lambda ax: plotting.plot_regression(X, X, X, ax=ax),
    "best_so_far": lambda ax: plotting.plot_best_so_far(TRIALS, ax=ax),
    "importance": lambda ax: plotting.plot_importance(SEARCHES, ax=ax),
    "wall_time": lambda ax: plotting.plot_wall_time(SEARCHES, ax=ax),
    "gp_convergence": lambda ax: plotting.plot_gp_convergence(RESULT, ax=ax),
}


@pytest.mark.parametrize("name", ON_AXES)
def test_draws_on_the_axes_it_is_given(name):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert ON_AXES[name](right) is figure
    assert right.get_title(loc="left")
    assert figure.get_suptitle() == left.get_title() == ""
    assert right.has_data()
    assert not left.has_data()


def test_the_look_is_its_own_and_the_session_keeps_its_own():
    with plt.style.context("dark_background"):
        before = dict(plt.rcParams)
        figure = CALLS["cost"]()
        assert dict(plt.rcParams) == before
    assert figure.get_facecolor() == (1, 1, 1, 1)
    assert figure.axes[0].xaxis.label.get_fontname() == "DejaVu Sans"


def test_cost_of_a_training_that_diverged():
    history = pd.DataFrame({"epoch": [1, 2, 3], "cost": [2.0, 900.0, np.nan]})
    assert "diverged" in plotting.plot_cost(history).get_suptitle()


FLOORS = {
    "one trial": ([0.41], 0.41),
    "one of two failed": ([0.41, 0.88], 0.41),
    "one of three failed": ([0.87, 0.0, 0.88], 0.84),
    "half of them failed": ([0.1, 0.87, 0.1, 0.88], 0.1),
    "none far from the others": ([0.83, 0.86, 0.87, 0.88], 0.83),
    "the others all equal": ([0.41, 0.88, 0.88, 0.88], 0.86),
}


@pytest.mark.parametrize("case", FLOORS)
def test_the_axis_leaves_out_failed_trials_alone(case):
    accuracy, floor = FLOORS[case]
    assert accuracy_floor(np.array(accuracy)) == pytest.approx(floor)


@pytest.mark.parametrize(
    ("nodes", "ticks"),
    [((16, 256), "16 32 64 128 256"), ((23, 243), "32 64 128"), ((70, 90), "70 90"), ((9, 9), "9")],
)
def test_nodes_are_counted_in_plain_numbers(nodes, ticks):
    figure = plotting.plot_trials(TRIALS[:2].assign(num_nodes=nodes))
    assert [tick.get_text() for tick in figure.axes[1].get_xticklabels()] == ticks.split()


def test_only_a_spike_at_255_is_labelled():
    figures = CALLS["pixel_histogram"](), plotting.plot_pixel_histogram(IMAGES)
    texts = [[text.get_text() for text in figure.axes[0].texts] for figure in figures]
    assert texts == [["0, mostly background", "255, the darkest"], ["0, mostly background"]]


def test_captions_tell_confidences_near_1_apart():
    confidence = np.array(
        [0.5, 0.99912, 0.999949, 0.99998, 0.999994, 0.999996, 1], dtype=np.float32
    )
    figure = plotting.plot_mistakes(
        IMAGES[:7], LABELS[:7], LABELS[:7], confidence, NAMES, what="output"
    )
    captions = [ax.get_xlabel().split("\n")[-1] for ax in figure.axes]
    assert captions == ["0.500", "0.99912", "0.99995", "0.99998", "0.99999", *["> 0.99999"] * 2]
    assert figure.get_suptitle().endswith("and its output")


def test_expected_accuracy_is_minus_the_partial_dependence_of_scikit_optimize():
    result = gp_minimize(
        lambda point: -0.8 - 0.01 * np.log10(point[0]) - 0.001 * point[2],
        SPACE.dimensions,
        n_calls=5,
        n_initial_points=4,
        random_state=0,
    )
    samples = SPACE.transform(SPACE.rvs(search.N_SAMPLES, random_state=0))
    model = result.models[-1]
    x, y = partial_dependence(result.space, model, 0, sample_points=samples, n_points=6)
    np.testing.assert_allclose(search.expected_accuracy(result, {0: x}), -np.array(y))
    x, y, z = partial_dependence(result.space, model, 3, 0, sample_points=samples, n_points=4)
    rates, names = np.tile(x, len(y)), np.repeat(SPACE.dimensions[3].categories, len(x))
    expected = search.expected_accuracy(result, {0: rates, 3: names.tolist()})
    np.testing.assert_allclose(expected.reshape(z.shape), -z)
    assert isinstance(plotting.plot_gp_convergence(result), Figure)


CHANGES = {
    "confusion_matrix": lambda: plotting.plot_confusion_matrix(
        CONFUSION + np.eye(10, dtype=int), NAMES
    ),
    "image": lambda: plotting.plot_image(IMAGES[0].T, "A random image"),
    "class_balance": lambda: plotting.plot_class_balance(COUNTS.rename({"Bag": "Bags"})),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_small_change_exceeds_the_tolerance(name, tmp_path):
    stored = FIGURES / f"test_figure_{name}.png"
    assert compare_images(stored, save(CALLS[name](), tmp_path), tol=TOLERANCE) is None
    assert compare_images(stored, save(CHANGES[name](), tmp_path), tol=TOLERANCE) is not None


def save(figure, directory):
    figure.draw_without_rendering()  # as in `test_figure`: the layout settles at the second drawing
    figure.savefig(directory / "drawn.png", dpi=DPI)
    return directory / "drawn.png"


def test_the_comparison_fails_for_a_changed_figure(tmp_path):
    """Pytest itself, on a test that draws something else under the name of a stored image."""
    (tmp_path / "test_changed.py").write_text(f"""
import pytest
from nn_helpers import plotting

@pytest.mark.mpl_image_compare(
    baseline_dir={str(FIGURES)!r}, filename="test_figure_epoch_times.png", tolerance={TOLERANCE},
    savefig_kwargs={{"dpi": {DPI}}}, style="default"
)
@pytest.mark.parametrize("seconds", [4.21, 4.4])
def test_times(seconds):
    import pandas as pd
    return plotting.plot_epoch_times(pd.Series({{"step by step": seconds, "compiled": 0.64}}))
""")
    command = [sys.executable, "-m", "pytest", "--mpl", "-q", "-p", "no:cacheprovider", tmp_path]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "1 failed, 1 passed" in run.stdout, run.stdout
    assert "RMS Value" in run.stdout


def test_images_are_being_compared(request):
    assert request.config.getoption("mpl"), "run pytest with --mpl, as pyproject.toml does"


def test_a_cell_shows_its_figure_once_and_nothing_else():
    """In a fresh kernel, and without TensorFlow or scikit-optimize."""
    cells = [
        "import sys\nimport numpy as np\nfrom nn_helpers import plotting\n"
        "print({'tensorflow', 'skopt'} & set(sys.modules))",
        "plotting.plot_image(np.eye(28), 'The identity')",
        "figure = plotting.plot_network([2, 3, 1])",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_name="python3").execute()
    imports, shown, silent = (cell.outputs for cell in notebook.cells)
    assert [output.text for output in imports] == ["set()\n"]
    assert [sorted(output.data) for output in shown] == [["image/png", "text/plain"]]
    assert silent == []


@pytest.mark.parametrize(
    ("trials_of_b", "ending"),
    [([0.7, 0.8], "a and b in trial 2"), ([0.8, 0.7], "a and b"), ([0.7, 0.6], "a in trial 2")],
)
def test_a_best_accuracy_is_of_all_who_found_it(trials_of_b, ending):
    trials = pd.DataFrame(
        {
            "strategy": list("aabb"),
            "trial": [1, 2, 1, 2],
            "validation_accuracy": [0.6, 0.8, *trials_of_b],
        }
    )
    title = plotting.plot_best_so_far(trials).get_suptitle()
    assert title.replace("\n", " ") == f"The best accuracy found: 0.800, by {ending}"


def test_a_pruned_trial_is_never_the_best():
    trials = pd.DataFrame(
        {
            "strategy": "a",
            "trial": [1, 2, 3, 4],
            "validation_accuracy": [0.6, 0.9, 0.7, 0.8],
            "pruned": [False, True, False, True],
        }
    )
    figure = plotting.plot_best_so_far(trials)
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.6, 0.6, 0.7, 0.7]
    assert figure.get_suptitle() == "The best accuracy found: 0.700, by a in trial 3"
    every = trials.assign(
        learning_rate=[0.1, 0.2, 0.3, 0.4], num_nodes=8, num_layers=3, hidden_activation="relu"
    )
    figure = plotting.plot_trials(every)
    assert figure.get_suptitle().startswith("Best trial, 0.700: learning_rate 0.3,")
    whole, pruned = figure.axes[0].lines
    assert whole.get_xdata().tolist() == [0.1, 0.3]
    assert pruned.get_xdata().tolist() == [0.2, 0.4]
    assert whole.get_marker() != pruned.get_marker()


def bars(figure):
    """The lengths of horizontal bars, by the label of their tick."""
    (ax,) = figure.axes
    names = [label.get_text() for label in ax.get_yticklabels()]
    return dict(zip(names, [bar.get_width() for bar in ax.patches], strict=True))


@pytest.mark.parametrize("name", ["learning_rate", "hidden_activation"])
def test_what_alone_decides_is_important_and_nothing_else_is(name):
    value = SEARCHES[name].rank() if name == "learning_rate" else SEARCHES[name].eq("tanh")
    trials = SEARCHES.assign(validation_accuracy=0.5 + 0.001 * value)
    lengths = bars(plotting.plot_importance(trials))
    assert set(lengths) == {"learning_rate", "num_nodes", "num_layers", "hidden_activation"}
    assert lengths.pop(name) > 0.9
    assert all(abs(length) < 0.05 for length in lengths.values())


def test_pruned_trials_have_no_part_in_the_importance():
    wrong = SEARCHES.assign(
        validation_accuracy=SEARCHES["validation_accuracy"].where(~SEARCHES["pruned"], 0.1)
    )
    figures = [plotting.plot_importance(trials) for trials in (SEARCHES, wrong)]
    assert bars(figures[0]) == bars(figures[1])


def test_the_time_of_a_search_is_that_of_all_its_trials():
    trials = pd.DataFrame(
        {
            "strategy": list("aaaabb"),
            "seed": [1, 1, 2, 2, 1, 1],
            "epochs": [5, 5, 5, 2, 5, 5],
            "seconds": [1.0, 2.0, 3.0, 4.0, 2.5, 2.0],
        }
    )
    figure = plotting.plot_wall_time(trials)
    marks = [line.get_xdata().tolist() for line in figure.axes[0].lines]
    assert marks == [[3, 7], [4.5]]
    assert bars(figure) == {"a\n7 to 10 epochs": 5, "b\n10 epochs": 4.5}
    assert figure.get_suptitle() == "b is done first: after 4 s at the median"
    alone = plotting.plot_wall_time(trials[:2].drop(columns="seed"))
    assert bars(alone) == {"a\n10 epochs": 3}


def test_a_figure_gives_its_title_to_a_notebook():
    title = "The hidden activations: sigmoid and tanh flatten out, relu does not"
    code = "from nn_helpers import plotting\nplotting.plot_activations()"
    notebook = new_notebook(cells=[new_code_cell(code)])
    NotebookClient(notebook, kernel_name="python3").execute()
    [output] = notebook.cells[0].outputs
    assert output.metadata["image/png"]["alt"] == title
    assert output.data["text/plain"].startswith("<Figure size ")
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
    [image] = BeautifulSoup(page, "html.parser").find_all("img")
    assert image["alt"] == title
    article, _ = JekyllExporter().from_notebook_node(notebook)
    assert f"![{title}](" in article


def test_a_figure_without_a_title_says_nothing_of_itself():
    figure = plotting.plot_activations()
    figure.suptitle("")
    assert figure._repr_mimebundle_() == ({}, {})
