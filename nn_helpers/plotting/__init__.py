"""Every figure of the notebooks: functions that take data and return a matplotlib ``Figure``.

``data`` (notebook 01), ``preprocessing`` (02), ``network`` and ``training`` (03 and 04), ``tuning``
and ``search`` (05). End a cell with the call and Jupyter shows the figure.
"""

from nn_helpers.plotting.data import (
    plot_baselines,
    plot_class_balance,
    plot_class_means,
    plot_image,
    plot_image_grid,
    plot_image_pairs,
    plot_pixel_histogram,
)
from nn_helpers.plotting.network import (
    plot_activations,
    plot_first_layer_weights,
    plot_network,
)
from nn_helpers.plotting.preprocessing import (
    plot_before_after,
    plot_flatten,
    plot_mini_batches,
    plot_one_hot,
    plot_split,
)
from nn_helpers.plotting.search import (
    plot_evaluations,
    plot_gp_convergence,
    plot_partial_dependence,
)
from nn_helpers.plotting.training import (
    plot_confusion_matrix,
    plot_cost,
    plot_epoch_times,
    plot_learning_curves,
    plot_mistakes,
    plot_regression,
)
from nn_helpers.plotting.tuning import (
    plot_best_so_far,
    plot_importance,
    plot_trials,
    plot_wall_time,
)

__all__ = [
    "plot_activations",
    "plot_baselines",
    "plot_before_after",
    "plot_best_so_far",
    "plot_class_balance",
    "plot_class_means",
    "plot_confusion_matrix",
    "plot_cost",
    "plot_epoch_times",
    "plot_evaluations",
    "plot_first_layer_weights",
    "plot_flatten",
    "plot_gp_convergence",
    "plot_image",
    "plot_image_grid",
    "plot_image_pairs",
    "plot_importance",
    "plot_learning_curves",
    "plot_mini_batches",
    "plot_mistakes",
    "plot_network",
    "plot_one_hot",
    "plot_partial_dependence",
    "plot_pixel_histogram",
    "plot_regression",
    "plot_split",
    "plot_trials",
    "plot_wall_time",
]
