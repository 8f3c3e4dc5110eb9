"""The loops that are compared, a module each.

``prepare(problem)`` of a module returns a `Train`: a function that trains one epoch. It starts from
the problem's first parameters and, called again, goes on where it stopped.
"""

from collections.abc import Iterable
from importlib import import_module

from ..problem import Problem, Train

OURS = "nn_helpers: train_mlp"
PYTORCH = "PyTorch, eager"
COMPETITORS = {  # name in the tables: module
    OURS: "train_mlp",
    "nn_helpers: keras_mlp.fit": "keras_mlp_fit",
    "Keras: Model.fit": "keras_model_fit",
    "TensorFlow 1: session.run a step": "tensorflow_1",
    "NumPy, by hand": "numpy_by_hand",
    "TensorFlow: tf.function a step": "tensorflow_step",
    "TensorFlow: Core guide, eager": "tensorflow_guide",
    PYTORCH: "pytorch_eager",
    "JAX: lax.scan an epoch": "jax_scan",
    "C with OpenBLAS, one thread": "c_openblas",
}
PEERS = {"jax", "torch"}  # packages of the group `bench`


class MissingError(Exception):
    """A loop cannot run here; the message says what to install."""


def prepare(
    problem: Problem, names: Iterable[str] = COMPETITORS
) -> tuple[dict[str, Train], dict[str, str]]:
    """Make the loops ready.

    Parameters
    ----------
    problem : Problem
    names : iterable of str
        Of `COMPETITORS`; all by default.

    Returns
    -------
    trains : dict of Train
        Those that can run here, by name.
    skipped : dict of str
        What to install for each of the others.
    """
    trains, skipped = {}, {}
    for name in names:
        try:
            module = import_module(f".{COMPETITORS[name]}", __name__)
            trains[name] = module.prepare(problem)
        except ModuleNotFoundError as error:
            if error.name not in PEERS:
                raise
            skipped[name] = "make bench BENCH_PEERS=1"
        except MissingError as error:
            skipped[name] = str(error)
    return trains, skipped
