"""C with OpenBLAS in one thread: the program ``limit.c``, compiled here and told epoch by epoch."""

import os
import shutil
import subprocess
import tempfile
import weakref
from pathlib import Path

import numpy as np

from nn_helpers.preprocessing import denormalize

from ..problem import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Problem, Train
from . import MissingError

SOURCE = Path(__file__).resolve().parents[1] / "limit.c"
INSTALL = "apt-get install gcc libopenblas-dev"


def _compile(program: Path) -> None:
    if shutil.which("cc") is None:
        raise MissingError(INSTALL)
    options = ["-O3", "-march=native", "-ffast-math", "-o", program]
    command = ["cc", *options, SOURCE, "-lopenblas", "-lm"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        if "openblas" not in answer.stderr and "cblas.h" not in answer.stderr:
            raise RuntimeError(f"{SOURCE.name} does not compile: {answer.stderr.strip()}")
        raise MissingError(INSTALL)


def _write_data(problem: Problem, folder: Path) -> None:
    denormalize(problem.rows).tofile(folder / "pixels.u8")
    problem.targets.argmax(axis=1).astype(np.uint8).tofile(folder / "labels.u8")
    parameters = [array.ravel() for layer in problem.layers for array in layer]
    np.concatenate(parameters).tofile(folder / "parameters.f32")


def _start(problem: Problem, folder: Path) -> subprocess.Popen:
    """Start the program and wait until it has read its files."""
    sizes = [problem.m, *problem.layer_dims, problem.mini_batch_size]
    constants = [LEARNING_RATE, BETA_1, BETA_2, EPSILON]
    process = subprocess.Popen(
        [folder / "limit", folder, *map(str, [*sizes, *constants])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    if not process.stdout.readline():
        raise OSError("the program of limit.c ended before it had read its files")
    return process


def _stop(process: subprocess.Popen) -> None:
    process.stdin.close()
    process.wait()
    process.stdout.close()


def prepare(problem: Problem) -> Train:
    if len(problem.layer_dims) != 3:
        raise ValueError(f"limit.c has one hidden layer, got layer_dims {problem.layer_dims}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _compile(folder / "limit")
        _write_data(problem, folder)
        process = _start(problem, folder)

    def train(seed: int) -> float:
        process.stdin.write(problem.order(seed).astype(np.int32).tobytes())
        process.stdin.flush()
        return float(process.stdout.readline())

    weakref.finalize(train, _stop, process)
    return train
