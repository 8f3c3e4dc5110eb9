"""Fashion-MNIST is found, fetched, verified; whatever goes wrong, never a wrong array."""

import gzip
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import FrozenInstanceError
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nn_helpers import _fetch, datasets
from nn_helpers.datasets import DatasetError, load_fashion_mnist

ROOT = Path(__file__).parents[1]
SYSTEM_PATH = os.environ["PATH"]
ARRAYS = {
    "train-images-idx3-ubyte": "train_images",
    "train-labels-idx1-ubyte": "train_labels",
    "t10k-images-idx3-ubyte": "test_images",
    "t10k-labels-idx1-ubyte": "test_labels",
}
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = ARRAYS
PAGE = b"<!DOCTYPE html>\n<html><body>Please log in to the network.</body></html>"


# The real data, places of our own, and a mirror


@pytest.fixture(scope="session")
def data():
    return load_fashion_mnist()


@pytest.fixture(scope="session")
def contents(data):
    """The decompressed content of each file."""
    return {name: idx(getattr(data, array)) for name, array in ARRAYS.items()}


@pytest.fixture(scope="session")
def packed(contents):
    """Each file as a mirror serves it."""
    return {name: gzip.compress(content, 1, mtime=0) for name, content in contents.items()}


@pytest.fixture(scope="session")
def good(tmp_path_factory, contents, packed):
    """Folders with the four files: decompressed and compressed."""
    plain, compressed = (tmp_path_factory.mktemp(name) for name in ("plain", "compressed"))
    for name in ARRAYS:
        (plain / name).write_bytes(contents[name])
        (compressed / f"{name}.gz").write_bytes(packed[name])
    yield {"plain": plain, "compressed": compressed}
    shutil.rmtree(plain)
    shutil.rmtree(compressed)


@pytest.fixture(autouse=True)
def home(data, tmp_path, monkeypatch):
    """Nothing of the user's, no mirror, no apt-get, unless a test provides it."""
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("PATH", str(home / "bin"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("FASHION_MNIST_DIR", raising=False)
    monkeypatch.setattr(datasets, "SYSTEM_FOLDER", home / "system")
    monkeypatch.setattr(_fetch, "MIRRORS", ())
    monkeypatch.setattr(_fetch, "RETRY_SECONDS", 0.01)
    yield home
    shutil.rmtree(home)


@pytest.fixture
def cache():
    """The cache folder; on Linux, where XDG_CACHE_HOME rules."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the cache folder can only be moved on Linux")
    return Path(os.environ["XDG_CACHE_HOME"]) / "nn_helpers/fashion-mnist"


class Mirror(ThreadingHTTPServer):
    """Serves the files; `plans` says, for a file, how to answer each request, the last for good."""

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files, self.plans, self.requests = files, {}, []
        self.stopping, self.lock = threading.Event(), threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request, client_address):
        """A client that gives up is part of the tests."""

    def plan_for(self, name, bytes_range):
        with self.lock:
            self.requests.append((name, bytes_range))
            plans = self.plans.get(name, [send])
            return plans.pop(0) if len(plans) > 1 else plans[0]


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.removeprefix("/").removesuffix(".gz")
        bytes_range = self.headers.get("Range")
        plan = self.server.plan_for(name, bytes_range)
        start = int(bytes_range.removeprefix("bytes=").removesuffix("-")) if bytes_range else 0
        plan(self, self.server.files[name], start)

    def begin(self, size, start=0):
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(size - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()

    def log_message(self, *_): ...


def send(answer, payload, start):
    answer.begin(len(payload), start)
    answer.wfile.write(payload[start:])


def send_all(answer, payload, start):
    """A server that cannot resume."""
    send(answer, payload, 0)


def send_instead(body):
    return lambda answer, payload, start: send(answer, body, 0)


def refuse(status):
    return lambda answer, payload, start: answer.send_error(status)


def cut(answer, payload, start):
    answer.begin(len(payload), start)
    answer.wfile.write(payload[start : start + (len(payload) - start) // 2])


def hang_up(answer, payload, start):
    answer.connection.shutdown(socket.SHUT_RDWR)


def stall_at_once(answer, payload, start):
    answer.server.stopping.wait(20)


def stall_midway(answer, payload, start):
    cut(answer, payload, start)
    answer.server.stopping.wait(20)


def trickle(answer, payload, start):
    answer.begin(len(payload))
    for index in range(len(payload)):
        answer.wfile.write(payload[index : index + 1])
        if answer.server.stopping.wait(0.05):
            return


@pytest.fixture
def start_mirror(packed, monkeypatch):
    mirrors = []

    def start():
        mirror = Mirror(packed)
        threading.Thread(target=mirror.serve_forever, args=(0.02,), daemon=True).start()
        mirrors.append(mirror)
        monkeypatch.setattr(_fetch, "MIRRORS", (*_fetch.MIRRORS, mirror.url))
        return mirror

    yield start
    for mirror in mirrors:
        mirror.stopping.set()
        mirror.shutdown()
        mirror.server_close()


def idx(values):
    """The IDX file of an array of bytes."""
    dimensions = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + dimensions + values.tobytes()


def fill(folder, source):
    """Link the files of `source` in `folder`, so that a test may replace some."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        (folder / path.name).symlink_to(path)


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def flip(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def assert_right(loaded, data):
    for array in ARRAYS.values():
        assert np.array_equal(getattr(loaded, array), getattr(data, array)), array


def assert_one_sentence(error):
    message = str(error.value)
    assert "\n" not in message
    assert not message.endswith(".")
    assert not re.search(r"\. [A-Z]", message)


# What is loaded


@pytest.mark.parametrize("form", ["plain", "compressed"])
def test_loads_the_folder_it_is_given(good, form, data):
    loaded = load_fashion_mnist(good[form])
    assert_right(loaded, data)
    assert loaded.train_images.shape == (60_000, 28, 28)
    assert loaded.train_labels.shape == (60_000,)
    assert loaded.test_images.shape == (10_000, 28, 28)
    assert loaded.test_labels.shape == (10_000,)
    assert all(getattr(loaded, array).dtype == np.uint8 for array in ARRAYS.values())


def test_accepts_text_and_a_home_folder(good, home, data):
    (home / "clothes").symlink_to(good["plain"])
    assert_right(load_fashion_mnist("~/clothes"), data)


def test_first_examples_are_those_of_the_article(data):
    assert [data.class_names[label] for label in data.train_labels[:3]] == [
        "Ankle boot",
        "T-shirt/top",
        "T-shirt/top",
    ]
    assert len(data.class_names) == 10
    assert repr(data) == "FashionMNIST(60,000 training and 10,000 test images in 10 classes)"


@pytest.mark.parametrize("array", ARRAYS.values())
def test_arrays_are_read_only(data, array):
    values = getattr(data, array)
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        values.setflags(write=True)
    with pytest.raises(FrozenInstanceError):
        setattr(data, array, values)


def test_subset_is_a_view_of_the_first_examples(data):
    subset = data.subset(500, 100)
    assert subset.train_images.shape == (500, 28, 28)
    assert subset.test_labels.shape == (100,)
    for array in ARRAYS.values():
        values = getattr(subset, array)
        assert np.shares_memory(values, getattr(data, array))
        assert not values.flags.writeable
        np.testing.assert_array_equal(values, getattr(data, array)[: len(values)])
    assert subset.class_names == data.class_names


@pytest.mark.parametrize(
    ("counts", "error", "message"),
    [
        ((70_000, 1), ValueError, "n_train must be from 1 to 60000, got 70000"),
        ((0, 1), ValueError, "n_train must be from 1 to 60000, got 0"),
        ((1, 10_001), ValueError, "n_test must be from 1 to 10000, got 10001"),
        ((1, -1), ValueError, "n_test must be from 1 to 10000, got -1"),
        ((1.5, 1), TypeError, "n_train must be an integer, got 1.5"),
        ((1, "10"), TypeError, "n_test must be an integer, got '10'"),
    ],
)
def test_subset_refuses_counts_it_cannot_give(data, counts, error, message):
    with pytest.raises(error, match=message):
        data.subset(*counts)


# Where it is looked for


def test_search_order(home, cache, good, data, monkeypatch):
    keras = home / ".keras/datasets/fashion-mnist"
    places = [home / "given", home / "variable", cache, keras, datasets.SYSTEM_FOLDER]
    for place in places:
        fill(place, good["plain"])
    read, used = datasets._read_folder, []

    def spy(folder):
        arrays = read(folder)
        used.append(folder)
        return arrays

    monkeypatch.setattr(datasets, "_read_folder", spy)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(places[1]))
    load_fashion_mnist(places[0])
    load_fashion_mnist()
    monkeypatch.setenv("FASHION_MNIST_DIR", "")
    for place in places[2:]:
        load_fashion_mnist()
        shutil.rmtree(place)
    assert used == places
    with pytest.raises(ConnectionError, match=r"cannot be fetched: apt-get \(not on this system\)"):
        load_fashion_mnist()


def test_folder_without_all_four_files_is_passed_by(cache, good, data):
    fill(cache, good["compressed"])
    (cache / f"{TEST_LABELS}.gz").unlink()
    fill(datasets.SYSTEM_FOLDER, good["plain"])
    assert_right(load_fashion_mnist(), data)


@pytest.mark.parametrize("chooser", ["data_dir", "FASHION_MNIST_DIR"])
def test_chosen_folder_that_is_missing_or_incomplete_is_an_error(
    chooser, home, good, cache, monkeypatch
):
    fill(cache, good["plain"])
    folder = home / "chosen"
    if chooser == "FASHION_MNIST_DIR":
        monkeypatch.setenv(chooser, str(folder))
    argument = folder if chooser == "data_dir" else None
    with pytest.raises(FileNotFoundError, match=f"^{chooser} must be a folder, got .*chosen") as e:
        load_fashion_mnist(argument)
    assert_one_sentence(e)
    fill(folder, good["plain"])
    (folder / TRAIN_LABELS).unlink()
    with pytest.raises(FileNotFoundError, match=f"^{chooser} .*chosen has no.*{TRAIN_LABELS}") as e:
        load_fashion_mnist(argument)
    assert_one_sentence(e)
    assert "put the four Fashion-MNIST files there, or leave" in str(e.value)


@pytest.mark.parametrize("data_dir", [3, True, b"/usr", ["a"]])
def test_data_dir_of_another_type_is_refused(data_dir):
    with pytest.raises(TypeError, match="data_dir must be a path, got"):
        load_fashion_mnist(data_dir)


# Damaged files

FAULTS = {
    "truncated": (lambda raw, files: raw[: len(raw) // 2], "is truncated: only .* of 10,008 bytes"),
    "flipped bit": (
        lambda raw, files: flip(raw, 4 * len(raw)),
        "is damaged gzip data|other values",
    ),
    "web page": (lambda raw, files: PAGE, "is an HTML page, not gzip data"),
    "not gzip": (lambda raw, files: b"PK\3\4 and so on", "is not gzip data .it begins with b'PK"),
    "empty": (lambda raw, files: b"", "is empty"),
    "wrong magic number": (
        lambda raw, files: gzip.compress(b"\0\0\x0d\1" + files[TEST_LABELS][4:]),
        "has the wrong magic number 0x00000d01 where 0x00000801 is expected",
    ),
    "wrong dimensions": (
        lambda raw, files: gzip.compress(files[TRAIN_LABELS], 1),
        r"has the wrong dimensions \(60000,\) where \(10000,\) are expected",
    ),
    "swapped": (
        lambda raw, files: gzip.compress(files[TEST_IMAGES], 1),
        "holds images where labels belong: the image and label files seem to be swapped",
    ),
    "other values": (
        lambda raw, files: gzip.compress(flip(files[TEST_LABELS], 800)),
        "holds other values than Fashion-MNIST's .SHA-256",
    ),
    "no header": (
        lambda raw, files: gzip.compress(b"\0\0\x08"),
        "truncated: 3 bytes are less than its h",
    ),
    "too short": (
        lambda raw, files: gzip.compress(files[TEST_LABELS][:-5]),
        "holds 10,003 bytes where 10,008 are expected",
    ),
    "too long": (
        lambda raw, files: gzip.compress(files[TEST_LABELS] + b"more"),
        "holds more bytes where 10,008 are expected",
    ),
}


@pytest.fixture(params=FAULTS)
def fault(request, packed, contents):
    """What stands in place of the test labels, and the words for it."""
    make, words = FAULTS[request.param]
    return make(packed[TEST_LABELS], contents), words


def test_damaged_file_in_a_chosen_folder_is_an_error(fault, good, home, monkeypatch):
    content, words = fault
    fill(home / "chosen", good["plain"])
    (home / "chosen" / TEST_LABELS).unlink()
    put(home / "chosen" / f"{TEST_LABELS}.gz", content)
    message = f"chosen/{TEST_LABELS}.gz .*{words}"
    with pytest.raises(DatasetError, match=message) as error:
        load_fashion_mnist(home / "chosen")
    assert_one_sentence(error)
    assert "replace it by a good copy, or leave data_dir unset" in str(error.value)
    monkeypatch.setenv("FASHION_MNIST_DIR", str(home / "chosen"))
    with pytest.raises(DatasetError, match=f"{message}.*or leave FASHION_MNIST_DIR unset"):
        load_fashion_mnist()


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (TRAIN_IMAGES, lambda files: files[TRAIN_LABELS], "holds labels where images belong"),
        (TRAIN_IMAGES, lambda files: files[TEST_IMAGES], r"dimensions \(10000, 28, 28\) where"),
        (TRAIN_IMAGES, lambda files: flip(files[TRAIN_IMAGES], 10**8), "holds other values"),
        (TRAIN_IMAGES, lambda files: files[TRAIN_IMAGES][:-1], "holds 47,040,015 bytes where"),
        (TEST_IMAGES, lambda files: b"\0\0\0\0" + files[TEST_IMAGES][4:], "magic number 0x0000000"),
        (TEST_IMAGES, lambda files: files[TEST_IMAGES][:6], "truncated: 6 bytes"),
        (TRAIN_LABELS, lambda files: b"", "is empty"),
        (TRAIN_LABELS, lambda files: PAGE, "is an HTML page"),
    ],
)
def test_damaged_decompressed_file_is_an_error(name, change, words, contents, good, home):
    fill(home / "chosen", good["plain"])
    put(home / "chosen" / name, change(contents))
    with pytest.raises(DatasetError, match=f"chosen/{name} .*{words}") as error:
        load_fashion_mnist(home / "chosen")
    assert_one_sentence(error)


def test_damaged_train_images_are_an_error(packed, good, home):
    fill(home / "chosen", good["compressed"])
    for change in (packed[TRAIN_IMAGES][:-1000], flip(packed[TRAIN_IMAGES], 10**8)):
        put(home / "chosen" / f"{TRAIN_IMAGES}.gz", change)
        with pytest.raises(DatasetError, match=f"{TRAIN_IMAGES}.gz is (truncated|damaged)|other"):
            load_fashion_mnist(home / "chosen")


def test_no_flipped_bit_and_no_truncation_gives_wrong_content(packed, contents):
    raw, content = packed[TEST_LABELS], contents[TEST_LABELS]
    for bit in (*range(160), *range(160, 8 * len(raw) - 64, 97), *range(8 * len(raw) - 64, 8)):
        try:
            decoded = datasets._decode(TEST_LABELS, flip(raw, bit), "labels.gz")
        except DatasetError:
            continue
        assert decoded == content
    for size in (*range(40), *range(40, len(raw), 41), len(raw) - 1):
        with pytest.raises(DatasetError):
            datasets._decode(TEST_LABELS, raw[:size], "labels.gz")


def test_damaged_system_file_is_an_error_that_names_the_package(good, home):
    fill(datasets.SYSTEM_FOLDER, good["compressed"])
    put(datasets.SYSTEM_FOLDER / f"{TEST_LABELS}.gz", PAGE)
    message = f"system/{TEST_LABELS}.gz is an HTML.*; .*install --reinstall dataset-fashion-mnist"
    with pytest.raises(DatasetError, match=message) as error:
        load_fashion_mnist()
    assert_one_sentence(error)


@pytest.mark.parametrize("content", [PAGE, b"", b"\x1f\x8b\x08 and no more"])
def test_damaged_file_of_keras_is_passed_by_and_kept(content, good, home, cache, data):
    keras = home / ".keras/datasets/fashion-mnist"
    fill(keras, good["compressed"])
    put(keras / f"{TEST_LABELS}.gz", content)
    fill(datasets.SYSTEM_FOLDER, good["plain"])
    assert_right(load_fashion_mnist(), data)
    assert (keras / f"{TEST_LABELS}.gz").read_bytes() == content
    assert not cache.exists()


def test_damaged_file_in_the_cache_is_fetched_again(fault, good, cache, data, start_mirror):
    mirror = start_mirror()
    fill(cache, good["plain"])
    put(cache / TEST_LABELS, fault[0])
    assert_right(load_fashion_mnist(), data)
    assert mirror.requests == [(TEST_LABELS, None)]


# Fetching


def test_fetches_once_into_the_cache(cache, contents, data, start_mirror):
    mirror = start_mirror()
    assert_right(load_fashion_mnist(), data)
    assert mirror.requests == [(name, None) for name in ARRAYS]
    assert sorted(path.name for path in cache.iterdir()) == sorted([".lock", *ARRAYS])
    assert all((cache / name).read_bytes() == contents[name] for name in ARRAYS)
    assert_right(load_fashion_mnist(), data)
    assert len(mirror.requests) == 4


def test_served_fault_names_the_file_or_is_made_good_by_the_next_mirror(
    fault, good, cache, data, start_mirror
):
    content, words = fault
    fill(cache, good["plain"])
    (cache / TEST_LABELS).unlink()
    first = start_mirror()
    first.plans[TEST_LABELS] = [send_instead(content)]
    with pytest.raises(ConnectionError, match=f"{first.url}{TEST_LABELS}.gz .*{words}") as error:
        load_fashion_mnist()
    assert_one_sentence(error)
    assert "apt-get install dataset-fashion-mnist" in str(error.value)
    assert sorted(path.name for path in cache.iterdir()) == sorted([".lock", *ARRAYS][:-1])
    second = start_mirror()
    assert_right(load_fashion_mnist(), data)
    assert second.requests == [(TEST_LABELS, None)]


BROKEN = {
    "404": ([refuse(404)], 1, "HTTP status 404"),
    "403": ([refuse(403)], 1, "HTTP status 403"),
    "500": ([refuse(500)], 3, "HTTP status 500"),
    "hang up": ([hang_up], 1, "RemoteDisconnected|closed|reset"),
    "stall at once": ([stall_at_once], 1, "no answer"),
    "stall midway": ([stall_midway], 3, "stalled"),
    "trickle": ([trickle], 3, "stalled"),
    "cut": ([cut], 3, "cut off [0-9,]+ bytes before the end"),
}


@pytest.mark.parametrize("failure", BROKEN)
def test_broken_connection_is_named_or_made_good_by_the_next_mirror(
    failure, good, cache, data, start_mirror, monkeypatch
):
    plans, attempts, words = BROKEN[failure]
    if failure.startswith(("stall", "trickle")):
        monkeypatch.setattr(_fetch, "ANSWER_SECONDS", 0.4)
        monkeypatch.setattr(_fetch, "STALL_SECONDS", 0.4)
    fill(cache, good["plain"])
    (cache / TEST_LABELS).unlink()
    first = start_mirror()
    first.plans[TEST_LABELS] = plans
    started = time.monotonic()
    with pytest.raises(ConnectionError, match=f"{TEST_LABELS}.gz [(].*({words})") as error:
        load_fashion_mnist()
    assert time.monotonic() - started < 10
    assert_one_sentence(error)
    assert len(first.requests) == attempts
    assert not (cache / TEST_LABELS).exists()
    monkeypatch.setattr(_fetch, "ANSWER_SECONDS", 10)
    start_mirror()
    assert_right(load_fashion_mnist(), data)


def test_cut_transfer_is_resumed(cache, packed, data, start_mirror):
    mirror = start_mirror()
    mirror.plans[TRAIN_IMAGES] = [cut, cut, send]
    assert_right(load_fashion_mnist(), data)
    starts = [range_ for name, range_ in mirror.requests if name == TRAIN_IMAGES]
    half = len(packed[TRAIN_IMAGES]) // 2
    three_quarters = half + (len(packed[TRAIN_IMAGES]) - half) // 2
    assert starts == [None, f"bytes={half}-", f"bytes={three_quarters}-"]


def test_cut_transfer_starts_again_where_the_server_cannot_resume(cache, data, start_mirror):
    mirror = start_mirror()
    mirror.plans[TRAIN_LABELS] = [cut, send_all]
    assert_right(load_fashion_mnist(), data)
    assert len(mirror.requests) == 5


def test_overloaded_server_is_asked_again(cache, data, start_mirror):
    mirror = start_mirror()
    mirror.plans[TRAIN_LABELS] = [refuse(503), refuse(500), send]
    assert_right(load_fashion_mnist(), data)
    assert len(mirror.requests) == 6


def test_endless_answer_is_given_up(good, cache, start_mirror, monkeypatch):
    monkeypatch.setattr(_fetch, "MAX_BYTES", 1000)
    fill(cache, good["plain"])
    (cache / TEST_LABELS).unlink()
    start_mirror()
    with pytest.raises(ConnectionError, match="far more bytes than the file holds"):
        load_fashion_mnist()


def test_mirror_may_decompress(contents, cache, data, start_mirror):
    mirror = start_mirror()
    mirror.plans = {name: [send_instead(contents[name])] for name in ARRAYS}
    assert_right(load_fashion_mnist(), data)


def test_all_that_was_tried_is_named(home, start_mirror, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        monkeypatch.setattr(_fetch, "MIRRORS", (closed,))
        mirror = start_mirror()
        mirror.plans[TRAIN_IMAGES] = [refuse(404)]
        with pytest.raises(ConnectionError) as error:
            load_fashion_mnist()
    assert_one_sentence(error)
    assert str(error.value) == (
        f"Fashion-MNIST's {TRAIN_IMAGES} cannot be fetched: "
        f"{closed}{TRAIN_IMAGES}.gz (Connection refused), "
        f"{mirror.url}{TRAIN_IMAGES}.gz (HTTP status 404), apt-get (not on this system); "
        "check the network, or install the data (on Debian with "
        "`apt-get install dataset-fashion-mnist`), or put the four files in a folder and pass it "
        "as data_dir"
    )


# Debian's package


def fake_commands(home, **scripts):
    for name, script in scripts.items():
        path = home / "bin" / name
        path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        path.chmod(0o755)


UNPACK = "mkdir -p $3/usr/share/datasets && cp -r {} $3/usr/share/datasets/fashion-mnist"


def test_package_is_fetched_though_a_repository_fails(home, good, cache, data):
    """A failing `apt-get update` need not matter."""
    script = 'case "$*" in *update) echo "E: hook failed"; exit 100;; *) touch x.deb;; esac'
    fake_commands(home, **{"apt-get": script, "dpkg": UNPACK.format(good["compressed"])})
    assert_right(load_fashion_mnist(), data)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ('echo "E: Failed to fetch http://deb.example"; exit 100', "E: Failed to fetch http"),
        ("exit 3", "apt-get failed"),
        ("exec sleep 20", r"apt-get \(stalled\)"),
    ],
)
def test_failing_apt_get_is_named(script, words, home, cache, monkeypatch):
    monkeypatch.setattr(_fetch, "APT_STALL_SECONDS", 0.3)
    fake_commands(home, **{"apt-get": script, "dpkg": "exit 0"})
    with pytest.raises(ConnectionError, match=words) as error:
        load_fashion_mnist()
    assert_one_sentence(error)


def test_damaged_package_is_refused(home, good, cache, tmp_path):
    fill(tmp_path / "package", good["compressed"])
    put(tmp_path / "package" / f"{TRAIN_LABELS}.gz", PAGE)
    fake_commands(home, **{"apt-get": "touch x.deb", "dpkg": UNPACK.format(tmp_path / "package")})
    with pytest.raises(ConnectionError, match=f"mnist's {TRAIN_LABELS}.gz is an HTML page"):
        load_fashion_mnist()


def test_package_is_fetched_from_debian(cache, data, monkeypatch):
    monkeypatch.setenv("PATH", SYSTEM_PATH)
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        pytest.skip("apt-get is not on this system")
    try:
        loaded = load_fashion_mnist()
    except ConnectionError as error:
        if re.search("resolv|onnect|imed out|stalled|Unable to locate package", str(error)):
            pytest.skip(f"Debian's packages cannot be reached: {error}")
        raise
    assert_right(loaded, data)


# The cache folder and its disk

CHILD = """
import os, resource, sys
from pathlib import Path
from nn_helpers import _fetch, datasets

datasets.SYSTEM_FOLDER = Path("/nonexistent")
_fetch.MIRRORS = (sys.argv[1],)
exec(sys.argv[2])
try:
    data = datasets.load_fashion_mnist()
except OSError as error:
    sys.exit(f"{type(error).__name__}: {error}")
import hashlib
arrays = (data.train_images, data.train_labels, data.test_images, data.test_labels)
print(hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest())
assert "tensorflow" not in sys.modules
"""


def start_child(mirror, before="pass", cache_home=None):
    """Load in another process, after the statements `before`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    if cache_home is not None:
        environment["XDG_CACHE_HOME"] = str(cache_home)
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, mirror.url, before],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def digest_of(data):
    arrays = (getattr(data, array).tobytes() for array in ARRAYS.values())
    return hashlib.sha256(b"".join(arrays)).hexdigest()


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    """A file system of 20 MB, for the cache, and a function that remounts it with options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        return subprocess.run(
            ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", folder],
            env={"PATH": SYSTEM_PATH},
            capture_output=True,
        ).returncode

    if os.geteuid() != 0 or mount("size=20m") != 0:
        pytest.skip("mounting a small file system needs root's privileges")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    yield lambda *options: mount("remount", *options)
    subprocess.run(["umount", folder], env={"PATH": SYSTEM_PATH}, check=True)


def test_eight_processes_fetch_each_file_once(cache, data, start_mirror):
    mirror = start_mirror()
    children = [start_child(mirror) for _ in range(8)]
    results = [child.communicate(timeout=60) for child in children]
    assert {
        (*result, child.returncode) for result, child in zip(results, children, strict=True)
    } == {(f"{digest_of(data)}\n", "", 0)}
    assert sorted(mirror.requests) == sorted((name, None) for name in ARRAYS)
    assert sorted(path.name for path in cache.iterdir()) == sorted([".lock", *ARRAYS])


def test_killed_process_leaves_nothing_in_the_way(cache, data, start_mirror):
    mirror = start_mirror()
    mirror.plans[TRAIN_LABELS] = [stall_midway, send]
    child = start_child(mirror)
    while (TRAIN_LABELS, None) not in mirror.requests:
        assert child.poll() is None
        time.sleep(0.02)
    child.kill()
    child.communicate()
    put(cache / f".{TRAIN_LABELS}.part", b"half of it")
    assert_right(load_fashion_mnist(), data)
    assert mirror.requests.count((TRAIN_IMAGES, None)) == 1
    assert sorted(path.name for path in cache.iterdir()) == sorted([".lock", *ARRAYS])


def test_waits_for_another_writer_only_so_long(cache, start_mirror, monkeypatch):
    monkeypatch.setattr(_fetch, "LOCK_SECONDS", 0.1)
    start_mirror()
    with _fetch._only_writer(cache), pytest.raises(TimeoutError, match="another process") as error:
        load_fashion_mnist()
    assert_one_sentence(error)
    assert str(cache) in str(error.value)


def test_full_disk(small_disk, cache, packed, contents, data, start_mirror):
    mirror = start_mirror()
    mirror.plans[TRAIN_LABELS] = [refuse(404)]
    put(cache / TRAIN_LABELS, contents[TRAIN_LABELS])
    put(cache / TRAIN_IMAGES, b"damaged, but whole")
    with pytest.raises(OSError, match=f"{cache} cannot be written .No space left") as error:
        load_fashion_mnist()
    assert_one_sentence(error)
    assert "60 MB of space, or" in str(error.value)
    assert (cache / TRAIN_LABELS).read_bytes() == contents[TRAIN_LABELS]
    assert (cache / TRAIN_IMAGES).read_bytes() == b"damaged, but whole"
    assert sorted(path.name for path in cache.iterdir()) == sorted(
        [".lock", TRAIN_IMAGES, TRAIN_LABELS]
    )
    small_disk("size=100m")
    assert_right(load_fashion_mnist(), data)


def test_full_quota(cache, contents, start_mirror):
    """A limit on the size of files breaks a write in the middle, without root's privileges."""
    mirror = start_mirror()
    put(cache / TRAIN_LABELS, contents[TRAIN_LABELS])
    child = start_child(mirror, "resource.setrlimit(resource.RLIMIT_FSIZE, (10**7, 10**7))")
    _, errors = child.communicate(timeout=30)
    assert child.returncode == 1
    assert re.fullmatch(f"OSError: the cache folder {cache} cannot be written .*\n", errors)
    assert sorted(path.name for path in cache.iterdir()) == [".lock", TRAIN_LABELS]
    assert (cache / TRAIN_LABELS).read_bytes() == contents[TRAIN_LABELS]


def test_read_only_disk(small_disk, cache, good, data, start_mirror):
    small_disk("size=100m")
    mirror = start_mirror()
    cache.mkdir(parents=True)
    small_disk("ro")
    with pytest.raises(OSError, match=f"{cache} cannot be written .Read-only file") as error:
        load_fashion_mnist()
    assert_one_sentence(error)
    assert "FASHION_MNIST_DIR" in str(error.value)
    assert "permission" in str(error.value)
    assert mirror.requests == []
    small_disk("rw")
    load_fashion_mnist()
    (cache / ".lock").unlink()
    small_disk("ro")
    assert_right(load_fashion_mnist(), data)


def test_read_only_cache(good, data, start_mirror):
    """Root may write everywhere, so its child becomes nobody first."""
    mirror = start_mirror()
    become = "os.setgroups([]); os.setgid(65534); os.setuid(65534)" if os.geteuid() == 0 else "pass"
    cache_home = Path(tempfile.mkdtemp())
    cache = cache_home / "nn_helpers/fashion-mnist"
    cache.mkdir(parents=True)
    try:
        for folder, mode in ((cache_home, 0o755), (cache, 0o555)):
            folder.chmod(mode)
        child = start_child(mirror, become, cache_home)
        _, errors = child.communicate(timeout=30)
        assert re.fullmatch(
            f"PermissionError: the cache folder {cache} cannot be written .Permission denied.; "
            ".*write permission.*FASHION_MNIST_DIR\n",
            errors,
        )
        assert mirror.requests == []
        cache.chmod(0o755)
        for name in ARRAYS:
            shutil.copy(good["plain"] / name, cache)
        cache.chmod(0o555)
        output, errors = start_child(mirror, become, cache_home).communicate(timeout=30)
        assert (output, errors) == (f"{digest_of(data)}\n", "")
    finally:
        cache.chmod(0o755)
        shutil.rmtree(cache_home)


def test_unreadable_cache_is_passed_by(cache, good, data):
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"cache folder .* cannot be written"):
        load_fashion_mnist()
    fill(datasets.SYSTEM_FOLDER, good["plain"])
    assert_right(load_fashion_mnist(), data)


# What notebook 01 measures


def test_class_balance(data):
    subset = data.subset(1000, 100)
    balance = datasets.class_balance(subset)
    assert list(balance.index) == list(datasets.CLASS_NAMES)
    assert balance.index.name == "class"
    for label, name in enumerate(datasets.CLASS_NAMES):
        assert balance.loc[name, "train"] == np.count_nonzero(subset.train_labels == label)
        assert balance.loc[name, "test"] == np.count_nonzero(subset.test_labels == label)
    full = datasets.class_balance(data)
    expected = pd.DataFrame({"train": 6000, "test": 1000}, index=full.index)
    pd.testing.assert_frame_equal(full, expected)


def test_class_means():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 28, 28), dtype=np.uint8)
    labels = rng.permutation(np.repeat(np.arange(10, dtype=np.uint8), 5))
    means = datasets.class_means(images, labels)
    assert means.shape == (10, 28, 28)
    assert means.dtype == np.float64
    for label in range(10):
        own = [
            image.astype(float) for image, own in zip(images, labels, strict=True) if own == label
        ]
        np.testing.assert_allclose(means[label], sum(own) / 5, rtol=1e-14)


def test_mean_of_a_class_without_examples_is_nan():
    means = datasets.class_means(np.full((2, 28, 28), 7, np.uint8), np.array([3, 3], np.uint8))
    assert np.all(means[3] == 7)
    assert np.isnan(means[[0, 1, 2, 4, 5, 6, 7, 8, 9]]).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [([1], "labels must be as many as the 2 images, got 1"), ([1, 10], "from 0 to 9, got 10")],
)
def test_class_means_refuses_labels_that_do_not_fit(labels, message):
    with pytest.raises(ValueError, match=message):
        datasets.class_means(np.zeros((2, 28, 28), np.uint8), np.array(labels, np.uint8))


def brute_force(queries, images):
    flat = images.reshape(len(images), -1).astype(np.int64)
    distances = [((flat - query.reshape(-1)) ** 2).sum(axis=1) for query in queries]
    return [int(row.argmin()) for row in distances], [int(row.min()) for row in distances]


@pytest.mark.parametrize("block", [1, 7, 512])
def test_nearest_images_against_brute_force(block):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (60, 28, 28), dtype=np.uint8)
    queries = rng.integers(0, 256, (20, 28, 28), dtype=np.uint8)
    indices, squared_distances = datasets.nearest_images(queries, images, block)
    expected = brute_force(queries, images)
    assert (indices.tolist(), squared_distances.tolist()) == expected
    assert indices.dtype == squared_distances.dtype == np.int64


def test_nearest_images_of_the_real_data(data):
    queries, images = data.test_images[:5], data.train_images[:5000]
    indices, squared_distances = datasets.nearest_images(queries, images)
    assert (indices.tolist(), squared_distances.tolist()) == brute_force(queries, images)


@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
def test_near_duplicates_are_told_apart_exactly(level):
    """One grey level in one pixel, beside the largest norms, where rounding would hide it."""
    images = np.full((5, 28, 28), level, np.uint8)
    for index in range(4):
        images[index, 14, index] ^= 1
    indices, squared_distances = datasets.nearest_images(images, images)
    assert indices.tolist() == [0, 1, 2, 3, 4]
    assert squared_distances.tolist() == [0, 0, 0, 0, 0]
    indices, squared_distances = datasets.nearest_images(images[:1], images[1:])
    assert (indices.tolist(), squared_distances.tolist()) == ([3], [1])


def test_identical_images_are_found(data):
    queries = data.train_images[::500]
    indices, squared_distances = datasets.nearest_images(queries, data.train_images)
    assert (squared_distances == 0).all()
    np.testing.assert_array_equal(data.train_images[indices], queries)


BYTES, FLOATS = np.zeros((2, 3, 3), np.uint8), np.zeros((2, 3, 3))


@pytest.mark.parametrize(
    ("queries", "images", "block", "error", "message"),
    [
        (FLOATS, BYTES, 8, TypeError, "queries must be uint8, got float64"),
        (BYTES, FLOATS, 8, TypeError, "images must be uint8, got float64"),
        (BYTES, BYTES[:0], 8, ValueError, "images must be one or more of the queries' size"),
        (BYTES, BYTES.reshape(2, 9), 8, ValueError, r"size \(3, 3\), got shape \(2, 9\)"),
        (BYTES, BYTES, 0, ValueError, "block must be at least 1, got 0"),
        (BYTES, BYTES, 1.5, TypeError, "block must be an integer, got 1.5"),
    ],
)
def test_nearest_images_refuses_what_does_not_fit(queries, images, block, error, message):
    with pytest.raises(error, match=message):
        datasets.nearest_images(queries, images, block)
