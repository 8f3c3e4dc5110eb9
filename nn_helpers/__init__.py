"""The package behind the five notebooks: one module for each stage, and a few that cut across.

Import the module of a stage, ``from nn_helpers import preprocessing``; importing the package alone
loads nothing heavy.
"""

__version__ = "0.1.0"
