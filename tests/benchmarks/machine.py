"""What the numbers depend on: the processor and the versions."""

import ctypes
import ctypes.util
import os
import platform
from importlib.metadata import PackageNotFoundError, version

from nn_helpers.records import processor_name

PACKAGES = ("TensorFlow", "Keras", "NumPy", "torch", "JAX")


def _openblas() -> list[str]:
    """The version of the system's OpenBLAS, if it has one."""
    path = ctypes.util.find_library("openblas")
    if path is None:
        return []
    try:
        get_config = ctypes.CDLL(path).openblas_get_config
    except (OSError, AttributeError):
        return []
    get_config.restype = ctypes.c_char_p
    return [" ".join(get_config().decode().split()[:2])]  # of OpenBLAS 0.3.29 DYNAMIC_ARCH …


def describe_machine() -> str:
    """Return the processor, its cores, and the versions of Python and of what it measures."""
    cores = os.cpu_count()
    versions = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package.replace('torch', 'PyTorch')} {version(package)}")
        except PackageNotFoundError:
            continue
    versions += _openblas()
    plural = "" if cores == 1 else "s"
    return f"{processor_name()}, {cores} core{plural}; {', '.join(versions)}"
