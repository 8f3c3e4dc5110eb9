"""What tests share: property tests that repeat themselves, and a watch over trainings."""

import logging
import signal

import pytest
from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("repeatable")

# A shell starts its background jobs with SIGINT ignored, which the programs of the tests inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Work in an empty folder, where runs go, too."""
    monkeypatch.setenv("NN_HELPERS_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def nothing_logged():
    """Fail where TensorFlow logs, as it does, twice a process, of a function traced anew."""
    from nn_helpers._tensorflow import tf

    records = []
    handler = logging.Handler()
    handler.emit = records.append
    tf.get_logger().addHandler(handler)
    yield
    tf.get_logger().removeHandler(handler)
    assert [record.getMessage() for record in records] == []


class Bar:
    """Stands in for the progress bar; calls `react` with the number of epochs done."""

    def __init__(self, react):
        self.react, self.done, self.closed, self.notes = react, 0, False, []

    def update(self):
        self.done += 1
        self.react(self.done)

    def set_postfix_str(self, note):
        self.notes.append(note)

    def close(self):
        self.closed = True


@pytest.fixture
def bar_that(monkeypatch):
    """Make the training's progress bar react to each finished epoch."""
    from nn_helpers import _training_loop

    def install(react):
        bar = Bar(react)
        monkeypatch.setattr(_training_loop, "progress_bar", lambda *_, **__: bar)
        return bar

    return install


@pytest.fixture
def interrupts():
    """Ctrl-C raises KeyboardInterrupt, as in a terminal and in a notebook."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
