"""What a trial of a study does: execute the notebook, or call the training function."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna

from nn_helpers import config, runs
from nn_helpers._places import new_folder
from nn_helpers._study_plan import GRID, Plan
from nn_helpers._study_slots import SLOT
from nn_helpers.parameters import Declaration

Evaluate = Callable[[optuna.Trial, dict[str, Any]], dict[str, Any]]


class TrialError(RuntimeError):
    """A trial has no result; the message says why, and other trials may go on."""


def make_evaluate(plan: Plan) -> Evaluate:
    """Return the function that carries a trial out and gives its metrics."""
    return _FunctionTrials(plan) if plan.function else _NotebookTrials(plan)


def value_of(plan: Plan, metrics: Mapping[str, Any]) -> float:
    """Return the metric that the study is about.

    Raises
    ------
    TrialError
        If it was not measured, or is no number.
    """
    value = metrics.get(plan.metric)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        measured = ", ".join(name for name in metrics if name != plan.metric) or "nothing"
        raise TrialError(f"no number was measured as {plan.metric}, but {measured}")
    return float(value)


class _NotebookTrials:
    """Trials that execute the notebook, each as a recorded run."""

    def __init__(self, plan: Plan):
        self.plan = plan

    def __call__(self, trial: optuna.Trial, given: dict[str, Any]) -> dict[str, Any]:
        folder = new_folder(Path(self.plan.runs), f"trial-{trial.user_attrs[SLOT] + 1:04}")
        trial.set_user_attr("run", folder.name)
        try:
            row = runs.run_notebook(Path(self.plan.notebook), folder, given)
        except runs.RunError as error:
            raise TrialError(str(error)) from None
        return {name: value for name, value in row.items() if name not in runs.ROW}


class _FunctionTrials:
    """Trials that call the training function of a notebook, on the data of the one before.

    A tenth of the training examples, drawn by the notebook's own seed, is held out for validation;
    the test examples are not looked at.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        self.declaration = Declaration(Path(plan.notebook))
        self.train, _ = function_of(self.declaration)
        self._data: tuple[Any, Any] = (None, None)  # what it was loaded for, and the data

    def __call__(self, trial: optuna.Trial, given: dict[str, Any]) -> dict[str, Any]:
        configuration = self.declaration.configure(self.declaration.check(given))

        def on_epoch_end(record: Mapping[str, Any]) -> None:
            if self.plan.sampler != GRID and self.plan.metric in record:
                trial.report(record[self.plan.metric], record["epoch"])
                if trial.should_prune():
                    raise optuna.TrialPruned

        try:
            return self.train(configuration, self._load(configuration), on_epoch_end)
        except FloatingPointError as error:
            raise TrialError(str(error)) from None

    def _load(self, configuration: Any) -> "_Data":
        wanted = configuration.n_train, configuration.data_dir, configuration.seed
        if self._data[0] != wanted:
            self._data = wanted, _Data(*wanted)
        return self._data[1]


class _Data:
    """Training and validation examples, and the trainer that compiles each kind of network once."""

    def __init__(self, n_train: int, data_dir: Path | None, seed: int):
        from nn_helpers import datasets, preprocessing

        data = datasets.load_fashion_mnist(data_dir)
        images, labels = data.train_images[:n_train], data.train_labels[:n_train]
        fitted, held_out = preprocessing.train_validation_split(
            labels, config.KERAS_VALIDATION_FRACTION, seed
        )
        self.X_train, self.X_validation = (
            preprocessing.flatten(preprocessing.normalize(images[part]))
            for part in (fitted, held_out)
        )
        self.Y_train, self.Y_validation = (
            preprocessing.one_hot(labels[part]) for part in (fitted, held_out)
        )

    @cached_property
    def trainer(self) -> Any:
        from nn_helpers.training import Trainer

        return Trainer(
            self.X_train,
            self.Y_train,
            X_validation=self.X_validation,
            Y_validation=self.Y_validation,
        )


def _train_tensorflow(
    configuration: config.TensorFlowMLPConfig, data: _Data, on_epoch_end: Callable[[Any], None]
) -> dict[str, Any]:
    """Train as notebook 03 does; return the last epoch's record."""
    result = data.trainer.train(
        configuration.layer_dims(),
        configuration.hidden_activation,
        configuration.output_activation,
        configuration.optimizer,
        configuration.learning_rate,
        configuration.n_epochs,
        configuration.mini_batch_size,
        seed=configuration.seed,
        on_epoch_end=on_epoch_end,
    )
    if result.interrupted:
        raise KeyboardInterrupt
    return result.history.iloc[-1].to_dict()


def _train_keras(
    configuration: config.KerasMLPConfig, data: _Data, on_epoch_end: Callable[[Any], None]
) -> dict[str, Any]:
    """Train as notebook 04 does; return the last epoch's record."""
    from nn_helpers import keras_mlp

    def report(epoch: int, logs: Mapping[str, float]) -> None:
        named = {keras_mlp.our_name(name): value for name, value in logs.items()}
        on_epoch_end({"epoch": epoch + 1, **named})

    model = keras_mlp.create_model(
        configuration.learning_rate,
        configuration.num_layers,
        configuration.num_nodes,
        configuration.hidden_activation,
        seed=configuration.seed,
    )
    history = keras_mlp.fit(
        model,
        data.X_train.T,
        data.Y_train.T,
        batch_size=configuration.batch_size,
        epochs=configuration.n_epochs,
        validation_data=(data.X_validation.T, data.Y_validation.T),
        callbacks=[keras_mlp.keras.callbacks.LambdaCallback(on_epoch_end=report)],
        seed=configuration.seed,
    )
    if len(history.epoch) < configuration.n_epochs:
        raise KeyboardInterrupt
    return keras_mlp.history_table(history).iloc[-1].to_dict()


_SCORES = ("validation_accuracy", "validation_cost", "cost")
# Of each configuration: the training function, and what that measures.
FUNCTIONS = {
    config.TensorFlowMLPConfig: (_train_tensorflow, _SCORES),
    config.KerasMLPConfig: (_train_keras, (*_SCORES, "accuracy")),
}


def function_of(declaration: Declaration) -> tuple[Callable[..., dict[str, Any]], tuple[str, ...]]:
    """Return the training function of a notebook, and the names of what it measures.

    Raises
    ------
    ValueError
        If the notebook has none.
    """
    kind = type(declaration.configure(declaration.defaults))
    if kind not in FUNCTIONS:
        raise ValueError(
            f"{declaration.path.name} has no training function: leave --function out, or choose "
            "03_tensorflow_mlp.ipynb or 04_keras_mlp.ipynb"
        )
    return FUNCTIONS[kind]
