"""Recorded results: written whole, the same for the same, and silent about the machine's owner."""

import hashlib
import json
import math
import os
import platform
import re
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from nn_helpers import datasets, records

SETTINGS = {"n_epochs": 3, "hidden_layers": (4, 5), "decay": None}
RESULTS = {"test_accuracy": [0.5, 0.75], "flipped": True, "best": {"name": "wide", "n": 2}}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Let an empty folder be the project."""
    monkeypatch.setattr(records, "project_dir", lambda: tmp_path)
    return tmp_path


def saved(**changes):
    arguments = {"name": "small", "results": RESULTS, "settings": SETTINGS, "seconds": 72.04}
    return records.save_record(**arguments | changes)


def test_what_is_saved_is_loaded(project):
    path = saved()
    assert path == project / "assets" / "records" / "small.json"
    record = records.load_record("small")
    assert record["name"] == "small"
    assert record["settings"] == SETTINGS | {"hidden_layers": [4, 5]}
    assert record["results"] == RESULTS
    assert record["provenance"]["seconds"] == 72.0
    assert os.listdir(path.parent) == ["small.json"]


def test_numpy_is_recorded_as_the_numbers_it_holds(project):
    results = {
        "a": np.float64(0.1), "b": np.int64(3), "c": np.bool_(True), "d": np.arange(4).reshape(2, 2)
    }  # fmt: skip
    saved(results=results)
    loaded = records.load_record("small")["results"]
    assert loaded == {"a": 0.1, "b": 3, "c": True, "d": [[0, 1], [2, 3]]}
    assert loaded["c"] is True


def test_the_file_is_indented_sorted_and_ends_in_a_newline(project):
    text = saved().read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    backwards = dict(reversed(RESULTS.items())), dict(reversed(SETTINGS.items()))
    assert saved(results=backwards[0], settings=backwards[1]).read_text(encoding="utf-8") == text


def test_the_provenance_names_versions_processor_and_data(project):
    saved()
    provenance = records.load_record("small")["provenance"]
    assert provenance["versions"] == {
        "Python": platform.python_version(),
        "TensorFlow": version("tensorflow"),
        "Keras": version("keras"),
        "NumPy": np.__version__,
        "scikit-learn": version("scikit-learn"),
        "scikit-optimize": version("scikit-optimize"),
        "Optuna": version("optuna"),
    }
    assert provenance["cores"] == os.cpu_count()
    assert provenance["processor"] == records.processor_name() != ""


def test_the_datas_digest_is_that_of_the_four_digests(project):
    saved()
    files = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    data, shapes = datasets.load_fashion_mnist(), (60_000, 60_000, 10_000, 10_000)
    arrays = data.train_images, data.train_labels, data.test_images, data.test_labels
    digests = ""
    for file, array, m in zip(files, arrays, shapes, strict=True):
        header = bytes([0, 0, 8, int(file[-1])]) + m.to_bytes(4, "big")
        header += (28).to_bytes(4, "big") * 2 if "images" in file else b""
        digests += hashlib.sha256(header + array.tobytes()).hexdigest()
    wanted = hashlib.sha256(digests.encode()).hexdigest()
    assert records.load_record("small")["provenance"]["data_sha256"] == wanted


def test_a_record_holds_no_date_path_host_or_user(project):
    text = saved().read_text(encoding="utf-8")
    for told in (str(project), str(Path.home()), socket.gethostname(), sys.prefix):
        assert told not in text
    assert not re.search(r"\d{4}-\d\d-\d\d|\d\d:\d\d", text)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"results": {"a": [1.0, math.nan]}}, ValueError,
         r"results\['a'\]\[1\] must be finite to be recorded, got nan"),
        ({"results": {"a": {"b": np.float32("inf")}}}, ValueError,
         r"results\['a'\]\['b'\] must be finite to be recorded, got inf"),
        ({"settings": {"where": Path("x")}}, TypeError,
         r"settings\['where'\] must be a number, .*Path"),
        ({"settings": {1: 2}}, TypeError, "a key of settings must be a string, got 1"),
        ({"seconds": 0}, ValueError, "seconds must be positive, got 0"),
        ({"name": "../x"}, ValueError, "name must consist of small letters, .* got '../x'"),
        ({"name": None}, TypeError, "name must be a string, got None"),
    ],
)  # fmt: skip
def test_what_cannot_be_recorded_is_refused_and_changes_nothing(project, changes, error, message):
    path = saved()
    before = path.read_bytes()
    with pytest.raises(error, match=message):
        saved(**changes)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["small.json"]


def test_an_interrupted_write_leaves_the_old_record_alone(project, monkeypatch):
    path = saved()
    before = path.read_bytes()

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(records.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        saved(results={"test_accuracy": 1.0})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["small.json"]


def test_a_missing_record_is_named_with_the_remedy(project):
    with pytest.raises(FileNotFoundError, match=r"^the record small is missing .*`make record`$"):
        records.load_record("small")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"results": {}}'])
def test_a_damaged_record_is_refused(project, text):
    saved().write_text(text)
    with pytest.raises(ValueError, match=r"^the record small is damaged: run `make record`"):
        records.load_record("small")


def test_without_the_project_a_record_is_refused(monkeypatch):
    monkeypatch.setattr(records, "project_dir", lambda: None)
    with pytest.raises(FileNotFoundError, match="the record small lies in the project"):
        records.load_record("small")


def test_the_provenance_is_described_in_two_lines():
    provenance = {
        "cores": 2, "data_sha256": "0123456789abcdef", "processor": "Some Processor",
        "seconds": 750.0, "versions": {"Python": "3.11.7", "Keras": "3.15.1"},
    }  # fmt: skip
    assert records.describe_provenance({"provenance": provenance}) == (
        "Recorded on Some Processor, 2 cores, in 12.5 minutes, "
        "from Fashion-MNIST (SHA-256 0123456789ab…)\n"
        "with Python 3.11.7, Keras 3.15.1"
    )
    one_core = records.describe_provenance({"provenance": provenance | {"cores": 1}})
    assert "Processor, 1 core, in" in one_core


def test_importing_does_not_load_tensorflow():
    code = "import sys, nn_helpers.records; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
