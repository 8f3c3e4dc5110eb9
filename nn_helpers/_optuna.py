"""Optuna, imported without a warning of progress bars that nothing here shows.

It imports those of tqdm, which in a notebook without ipywidgets warn of that.
"""

import warnings

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "IProgress not found")
    import optuna

__all__ = ["optuna"]
