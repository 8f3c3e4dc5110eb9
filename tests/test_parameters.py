"""Parameters are read as papermill reads them, and checked as the notebook checks them."""

import math
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, assume, given, settings
from tiny_notebooks import write_notebook

from nn_helpers import config, parameters, runs
from nn_helpers.parameters import parse_value

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.01", 0.01),
        ("1e-3", 0.001),
        ("-3", -3),
        ("20", 20),
        ("True", True),
        ("None", None),
        ("relu", "relu"),
        ("none", "none"),
        ("[100, 50]", [100, 50]),
        ("[1e-3, 'a']", [0.001, "a"]),
        ("[100, 50", "[100, 50"),
        ("{'a': 1}", "{'a': 1}"),
        ("/data/fashion", "/data/fashion"),
        ("", ""),
    ],
)
def test_values_are_read_as_papermill_reads_them(text, value):
    read = parse_value(text)
    assert read == value
    assert type(read) is type(value)


# ---------------------------------------------------------------- where they come from


def test_of_files_texts_and_pairs_the_later_counts(tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text("a: 1\nb: [1, 2]\nday: 2020-01-01\n")
    found = parameters.collect([str(file)], ["a: 2\nc: x", ""], [("c", "None"), ("d", "1e-3")])
    assert found == {"a": 2, "b": [1, 2], "day": "2020-01-01", "c": None, "d": 0.001}


@pytest.mark.parametrize("text", ["3", "[1, 2]", "1: 2", "a: [", "a: b: c"])
def test_yaml_that_gives_no_names_is_refused(text):
    with pytest.raises(ValueError, match=r"^the YAML text .* must .*such as n_epochs: 2"):
        parameters.collect(yaml_texts=[text])


# ---------------------------------------------------------------- what a notebook declares


def test_effective_values_are_the_defaults_and_what_is_given():
    [path] = [path for path in NOTEBOOKS if path.stem == "03_tensorflow_mlp"]
    values = parameters.check(path, {"n_epochs": 2, "hidden_layers": [30, 20]})
    assert values == {
        **vars(config.TensorFlowMLPConfig()),
        "hidden_layers": [30, 20],
        "n_epochs": 2,
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_of_the_book_declares_what_its_configuration_takes(path):
    declaration = parameters.Declaration(path)
    configuration = declaration.configure(declaration.defaults)
    assert declaration.defaults.keys() == vars(configuration).keys()


@pytest.mark.parametrize(
    ("declared", "value", "message"),
    [
        ("rate: float = 0.5", "fast", "rate must be of type float, got 'fast' (str)"),
        ("rate: float = 0.5", True, "rate must be of type float, got True (bool)"),
        ("n: int = 1", 1.5, "n must be of type int, got 1.5 (float)"),
        ("sizes: list[int] = [1]", 3, "sizes must be of type list[int], got 3 (int)"),
    ],
)
def test_a_notebook_without_a_configuration_is_checked_by_its_annotations(
    tmp_path, declared, value, message
):
    path = write_notebook(tmp_path / "a.ipynb", declared)
    name = declared.partition(":")[0]
    with pytest.raises(TypeError) as refusal:
        parameters.check(path, {name: value})
    assert str(refusal.value) == message


def test_what_says_nothing_of_its_type_is_taken(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", "a = 1\nb: float = 2\nc: int = None", "%%time\n1")
    given = {"a": "x", "b": 3, "c": None}
    assert parameters.check(path, given) == given


def test_a_notebook_that_declares_nothing_says_so(tmp_path):
    path = write_notebook(tmp_path / "a.ipynb", "print(1)")
    with pytest.raises(ValueError, match=r"^n is not a parameter of a.ipynb; none is declared"):
        parameters.check(path, {"n": 1})


def test_a_path_is_looked_for_where_the_notebook_works(tmp_path, monkeypatch):
    path = write_notebook(
        tmp_path / "book" / "a.ipynb",
        "data_dir: str = None",
        "config = DataExplorationConfig(data_dir=data_dir)",
    )
    (tmp_path / "book" / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    parameters.check(path, {"data_dir": "data"})
    with pytest.raises(ValueError, match=r"^data_dir must be an existing folder, got 'book/data'"):
        parameters.check(path, {"data_dir": "book/data"})


# ---------------------------------------------------------------- every wrong set is refused

INTEGERS = {  # what each integer may be at least, and at most where there is a limit of its own
    "n_train": (100, 60_000),
    "n_test": (100, 10_000),
    "n_epochs": (1, None),
    "n_trials": (3, None),
    "mini_batch_size": (1, 60_000),
    "batch_size": (1, 54_000),
    "num_layers": (3, None),
    "num_nodes": (1, None),
    "seed": (0, 2**32 - 1),
}
NAMES = ("hidden_activation", "output_activation", "optimizer")
NUMBERS = ("learning_rate", "validation_fraction")


def wrong_values(name):
    """Values that a parameter of that name cannot have, from what the documentation says."""
    texts = st.text(max_size=8)
    if name in INTEGERS:
        low, high = INTEGERS[name]
        wrong = [st.integers(max_value=low - 1), st.floats(), texts, st.booleans(), st.none()]
        return st.one_of(*wrong, *([st.integers(min_value=high + 1)] if high else []))
    if name in NUMBERS:
        not_positive = st.floats(max_value=0) | st.sampled_from([math.nan, math.inf, -math.inf])
        return st.one_of(not_positive, texts, st.booleans(), st.none(), st.lists(st.integers()))
    if name in NAMES:
        known = {"relu", "sigmoid", "tanh", "none", "softmax", "gd", "momentum", "rms", "adam"}
        return st.one_of(texts.filter(lambda text: text not in known), st.integers(), st.none())
    if name == "hidden_layers":
        lists = st.lists(st.integers(max_value=0) | texts | st.floats(), max_size=3)
        return st.one_of(lists, texts, st.integers(), st.none())
    missing = texts.map(lambda text: f"/no-such-folder/{text}")
    return st.one_of(missing, st.integers(), st.booleans())


@st.composite
def wrong_sets(draw):
    """A notebook, one wrong value or misspelt name for it, and maybe right values beside it."""
    path = draw(st.sampled_from(NOTEBOOKS))
    defaults = DECLARATIONS[path].defaults
    right = draw(st.lists(st.sampled_from(sorted(defaults)), unique=True, max_size=3))
    beside = {name: defaults[name] for name in right}
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(defaults)))
        return path, name, {**beside, name: draw(wrong_values(name))}
    letters = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
    name = draw(letters | st.sampled_from(sorted(defaults)).map(lambda known: known[:-1]))
    assume(name not in defaults)
    return path, name, {**beside, name: draw(st.integers() | st.text(max_size=5))}


DECLARATIONS = {path: parameters.Declaration(path) for path in NOTEBOOKS}


@pytest.fixture(scope="module")
def no_kernel(tmp_path_factory):
    """Make starting a kernel, or leaving a run, a failure of the test."""
    folder = tmp_path_factory.mktemp("refused") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NN_HELPERS_RUNS", str(folder))
        patch.setattr(runs._execution, "execute_copy", lambda *_: pytest.fail("a kernel started"))
        yield
    assert not folder.exists()


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wrong=wrong_sets())
def test_every_wrong_set_is_refused_by_name_before_a_kernel_starts(no_kernel, wrong):
    path, name, values = wrong
    with pytest.raises((TypeError, ValueError)) as refusal:
        runs.run_notebooks(path, parameters=values)
    message = str(refusal.value)
    assert message.startswith(name)
    assert len(message.splitlines()) == 1
