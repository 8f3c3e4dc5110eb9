"""Training a Keras model an epoch a call, against ``model.fit`` fed the same mini-batches."""

import re

import numpy as np
import pytest

from nn_helpers import keras_mlp, preprocessing
from nn_helpers._tensorflow import keras, tf

pytestmark = pytest.mark.usefixtures("nothing_logged")

layers, optimizers, callbacks = keras.layers, keras.optimizers, keras.callbacks
M, N_X, N_Y = 64, 12, 3


def some_data(m=M, n_x=N_X, n_y=N_Y):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(m, n_x)).astype(np.float32)
    return x, preprocessing.one_hot(rng.integers(n_y, size=m), n_y).T


def some_pixels(m=M, n_x=N_X):
    return np.random.default_rng(2).integers(256, size=(m, n_x), dtype=np.uint8)


def network(
    *inner, n_x=N_X, optimizer=None, loss="categorical_crossentropy", metrics=("accuracy",)
):
    """Build and compile ``Sequential``; the same arguments give the same weights."""
    keras.utils.set_random_seed(5)
    shape = (n_x,) if isinstance(n_x, int) else n_x
    model = keras.Sequential([keras.Input(shape), *(make() for make in inner)])
    model.compile(optimizer or optimizers.SGD(0.1), loss=loss, metrics=list(metrics))
    return model


def dense(*arguments, **options):
    return lambda: layers.Dense(*arguments, **options)


HIDDEN = dense(8, activation="tanh")
SOFTMAX = dense(N_Y, activation="softmax")


def plain(**options):
    return network(HIDDEN, SOFTMAX, **options)


def fit_by_keras(model, x, y, batch_size, epochs, seed):
    """Return the rows of the history; step for step in Python, which is quick for few steps."""
    model.run_eagerly = True
    rows = []
    for epoch in range(1, epochs + 1):
        order = preprocessing.shuffled_order(len(x), seed + epoch)
        history = model.fit(
            x[order], y[order], batch_size=batch_size, epochs=1, shuffle=False, verbose=0
        ).history
        rows.append({name: value for name, [value] in history.items()})
    return rows


def assert_close(got, wanted, **tolerance):
    """Compare all weights and the whole optimiser of two models."""
    tolerance = {"rtol": 1e-4, "atol": 1e-5} | tolerance
    for kind, ours, theirs in (
        ("weight", got.weights, wanted.weights),
        ("optimizer", got.optimizer.variables, wanted.optimizer.variables),
    ):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(
                mine.numpy(), other.numpy(), err_msg=f"{kind} {other.path}", **tolerance
            )


def check_against_keras(build, x, y, batch_size=32, epochs=2, seed=3, **tolerance):
    ours, theirs = build(), build()
    assert_close(ours, theirs, rtol=0, atol=0)
    start = [weight.copy() for weight in ours.get_weights()]
    wanted = fit_by_keras(theirs, x, y, batch_size, epochs, seed)
    history = keras_mlp.fit(ours, x, y, batch_size=batch_size, epochs=epochs, seed=seed)
    assert set(history.history) == set(wanted[0])
    for name, values in history.history.items():
        assert values == pytest.approx([row[name] for row in wanted], rel=1e-4, abs=1e-5), name
    assert int(ours.optimizer.iterations) == int(theirs.optimizer.iterations) > 0
    assert_close(ours, theirs, **tolerance)
    moved = [np.abs(a - b).max() for a, b in zip(ours.get_weights(), start, strict=True)]
    assert max(moved) > 1e-3
    return ours, theirs


# Equal to model.fit


SQUARE = (dense(N_X, activation="tanh"), SOFTMAX)  # its transpose would fit too


@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda: optimizers.SGD(0.1),
        lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipnorm=0.5),
        lambda: optimizers.RMSprop(0.001, momentum=0.5, centered=True),
        lambda: optimizers.Adam(0.001, amsgrad=True, global_clipnorm=0.5),
        lambda: optimizers.Adagrad(0.05),
        lambda: optimizers.AdamW(0.001),
        lambda: optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=2),
        lambda: optimizers.SGD(0.1, loss_scale_factor=8.0),
        lambda: optimizers.Adam(optimizers.schedules.ExponentialDecay(0.01, 3, 0.8)),
        lambda: optimizers.Adam(0.001, name="transposed"),
    ],
    ids=[
        "sgd", "momentum", "rmsprop", "adam", "adagrad", "adamw", "accumulation", "loss_scale",
        "schedule", "name",
    ],
)  # fmt: skip
def test_every_optimizer_ends_where_keras_ends(make_optimizer):
    check_against_keras(lambda: network(*SQUARE, optimizer=make_optimizer()), *some_data())


@pytest.mark.parametrize("batch_size", [1, 7, 64, 70])
def test_every_batch_size_ends_where_keras_ends(batch_size):
    def build():
        return plain(optimizer=optimizers.SGD(0.05, momentum=0.5))

    check_against_keras(build, *some_data(m=70), batch_size=batch_size)


@pytest.mark.parametrize("activation", ["relu", "tanh", "elu", "sigmoid", None])
def test_every_activation_ends_where_keras_ends(activation):
    check_against_keras(lambda: network(dense(8, activation=activation), SOFTMAX), *some_data())


@pytest.mark.parametrize(
    ("kind", "n_x"),
    [
        ("zeros and ones", N_X),
        ("float64", N_X),
        ("pixels", 300),
        ("one not a pixel", 300),
    ],
)
def test_pixels_and_other_numbers_end_where_keras_ends(kind, n_x):
    x = preprocessing.normalize(some_pixels(n_x=n_x))
    x = {"zeros and ones": np.round(x), "float64": x.astype(float) * 2 - 1}.get(kind, x)
    if kind == "one not a pixel":
        x[-1, -1] = 0.5

    def build():
        return network(
            dense(40, activation="relu"), SOFTMAX, n_x=n_x, optimizer=optimizers.Adam(0.001)
        )

    check_against_keras(build, x, some_data()[1], batch_size=16)


def test_a_layer_without_bias_and_one_of_constraints():
    build = lambda: network(  # noqa: E731
        dense(20, use_bias=False),
        dense(20, kernel_constraint=keras.constraints.MaxNorm(0.5)),
        dense(20, bias_constraint=keras.constraints.NonNeg(), activity_regularizer="l2"),
        SOFTMAX,
    )
    check_against_keras(build, *some_data())


def test_a_saturated_sigmoid_output_keeps_its_gradient():
    x, y = some_data()
    build = lambda: network(  # noqa: E731
        dense(1, activation="sigmoid"), loss="binary_crossentropy", optimizer=optimizers.SGD(0.001)
    )
    check_against_keras(build, 40 * x, y[:, :1])


# Models of every kind


def functional(optimizer=None, joined=False):
    keras.utils.set_random_seed(5)
    inputs = keras.Input((N_X,))
    shared = layers.Dense(N_X, activation="tanh")
    hidden = shared(shared(inputs))
    hidden = layers.add([hidden, inputs]) if joined else hidden
    model = keras.Model(inputs, layers.Dense(N_Y, activation="softmax")(hidden))
    model.compile(
        optimizer or optimizers.Adam(0.001), "categorical_crossentropy", metrics=["accuracy"]
    )
    return model


@pytest.mark.parametrize("joined", [False, True])
def test_a_functional_model_with_a_layer_used_twice(joined):
    check_against_keras(lambda: functional(joined=joined), *some_data())


def test_a_sequential_model_that_does_not_know_its_input_yet():
    x, y = some_data()

    def build():
        keras.utils.set_random_seed(5)
        init = [keras.initializers.GlorotUniform(seed) for seed in (1, 2)]
        model = keras.Sequential(
            [
                layers.Dense(8, kernel_initializer=init[0]),
                layers.Dense(3, kernel_initializer=init[1]),
            ]
        )
        model.compile(optimizers.Adam(0.001), "mse")
        return model

    ours, theirs = build(), build()
    wanted = fit_by_keras(theirs, x, y, 16, 2, 1)
    history = keras_mlp.fit(ours, x, y, batch_size=16, epochs=2)
    assert history.history["loss"] == pytest.approx([row["loss"] for row in wanted], rel=1e-4)
    assert_close(ours, theirs)


def test_batch_normalisation_moves_as_in_keras():
    ours, _ = check_against_keras(
        lambda: network(HIDDEN, layers.BatchNormalization, SOFTMAX), *some_data(m=64)
    )
    moving = ours.layers[1].moving_mean.numpy()
    assert np.abs(moving).max() > 1e-3


def test_dropout_is_active_and_depends_on_its_seed_only():
    def trained(seed, rate=0.5):
        model = network(lambda: layers.Dropout(rate, seed=seed), SOFTMAX)
        keras_mlp.fit(model, *some_data(), epochs=2)
        return np.concatenate([weight.ravel() for weight in model.get_weights()])

    first, again, other, none = trained(1), trained(1), trained(2), trained(1, 0.0)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
    assert np.abs(first - none).max() > 1e-3


def test_a_convolution_named_as_the_copies_are():
    pixels = preprocessing.normalize(some_pixels(n_x=64)).reshape(M, 8, 8, 1)
    build = lambda: network(  # noqa: E731
        lambda: layers.Conv2D(4, 3, activation="relu", name="transposed"),
        layers.Flatten,
        SOFTMAX,
        n_x=(8, 8, 1),
        optimizer=optimizers.SGD(0.1, momentum=0.9),
    )
    check_against_keras(build, pixels, some_data()[1])


def test_a_convolution():
    build = lambda: network(  # noqa: E731
        lambda: layers.Conv2D(4, 3, activation="relu"), layers.Flatten, SOFTMAX, n_x=(8, 8, 1)
    )
    x = np.random.default_rng(1).normal(size=(M, 8, 8, 1)).astype(np.float32)
    check_against_keras(build, x, some_data()[1])


def test_labels_may_be_integers():
    x, y = some_data()
    build = lambda: plain(loss="sparse_categorical_crossentropy")  # noqa: E731
    check_against_keras(build, x, y.argmax(axis=1))
    one_hot, sparse = plain(), build()
    for model, labels in ((one_hot, y), (sparse, y.argmax(axis=1))):
        keras_mlp.fit(model, x, labels)
    assert_close(sparse, one_hot)


def test_bytes_are_scaled_by_the_model_and_only_there():
    build = lambda: network(lambda: layers.Rescaling(1 / 255), HIDDEN, SOFTMAX)  # noqa: E731
    pixels, y = some_pixels(), some_data()[1]
    ours, _ = check_against_keras(build, pixels, y)
    scaled = plain()
    keras_mlp.fit(scaled, preprocessing.normalize(pixels), y, epochs=2, batch_size=32, seed=3)
    assert_close(ours, scaled)


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_a_regression(shape):
    x, _ = some_data()
    y = np.sin(x[:, 0]).reshape(shape)
    build = lambda: network(HIDDEN, dense(1), loss="mse", metrics=["mae"])  # noqa: E731
    check_against_keras(build, x, y)


def test_a_regulariser_is_in_the_cost():
    build = lambda: network(  # noqa: E731
        dense(20, activation="relu"),
        dense(20, activation="tanh", kernel_regularizer=keras.regularizers.L2(0.1)),
        SOFTMAX,
    )
    check_against_keras(build, *some_data())


def test_a_frozen_layer_stays():
    build = lambda: network(dense(8, activation="tanh", trainable=False), SOFTMAX)  # noqa: E731
    ours, _ = check_against_keras(build, *some_data())
    for got, wanted in zip(
        ours.layers[0].get_weights(), build().layers[0].get_weights(), strict=True
    ):
        np.testing.assert_array_equal(got, wanted)


def test_a_layer_frozen_later_stays_as_in_keras():
    x, y = some_data()
    ours, theirs = (plain(optimizer=optimizers.Adam(0.001)) for _ in range(2))
    keras_mlp.fit(ours, x, y)
    fit_by_keras(theirs, x, y, 64, 1, 1)
    for model in (ours, theirs):
        model.layers[0].trainable = False
        model.compile(model.optimizer, "categorical_crossentropy", metrics=["accuracy"])
    kept = ours.layers[0].get_weights()[0]
    fit_by_keras(theirs, x, y, 64, 1, 5)
    keras_mlp.fit(ours, x, y, seed=5)
    np.testing.assert_array_equal(ours.layers[0].get_weights()[0], kept)
    assert_close(ours, theirs)


def test_moving_averages_of_weights_are_taken_over_at_the_end():
    x, y = some_data()
    ours, theirs = (
        plain(optimizer=optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9)) for _ in range(2)
    )
    fit_by_keras(theirs, x, y, 16, 1, 1)
    keras_mlp.fit(ours, x, y, batch_size=16)
    assert_close(ours, theirs)


@keras.saving.register_keras_serializable("test_keras_fit")
class Halved(keras.Model):
    """Takes steps of its own: half of each gradient."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(N_Y, activation="softmax")

    def call(self, inputs):
        return self.dense(inputs)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            outputs = self(x, training=True)
            cost = self.compute_loss(x, y, outputs)
        gradients = tape.gradient(cost, self.trainable_variables)
        self.optimizer.apply([g / 2 for g in gradients], self.trainable_variables)
        return self.report(x, y, outputs, cost)

    def report(self, x, y, outputs, cost):
        self._loss_tracker.update_state(cost, sample_weight=tf.shape(x)[0])
        return self.compute_metrics(x, y, outputs)


class WithoutLoss(Halved):
    """Keeps metrics of its own, none of them ``loss``, as Keras' guides do."""

    def __init__(self):
        super().__init__()
        self.total = keras.metrics.Mean("total")

    @property
    def metrics(self):
        return [self.total]

    def report(self, x, y, outputs, cost):
        self.total.update_state(cost)
        return {"total": self.total.result()}


@pytest.mark.parametrize("kind", [Halved, WithoutLoss])
def test_a_step_of_the_models_own_is_honoured(kind):
    def build():
        keras.utils.set_random_seed(5)
        model = kind()
        model(np.zeros((1, N_X), np.float32))
        model.compile(optimizers.SGD(0.2), "categorical_crossentropy", metrics=["accuracy"])
        return model

    ours, _ = check_against_keras(build, *some_data(m=64))
    ordinary = network(SOFTMAX, optimizer=optimizers.SGD(0.1))
    ordinary.set_weights(build().get_weights())
    keras_mlp.fit(ordinary, *some_data(m=64), batch_size=32, epochs=2, seed=3)
    for got, wanted in zip(ours.get_weights(), ordinary.get_weights(), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


# Callbacks


class Witness(callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen, self.rates, self.weights = [], [], []

    def on_train_begin(self, logs=None):
        self.seen.append(("train begin", None))

    def on_epoch_begin(self, epoch, logs=None):
        self.seen.append(("begin", epoch))

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(("end", epoch))
        self.logs = logs
        self.rates.append(float(self.model.optimizer.learning_rate))
        self.weights.append(self.model.get_weights())

    def on_train_end(self, logs=None):
        self.seen.append(("train end", None))
        self.last = logs


def test_callbacks_are_called_in_order_and_the_history_is_keras_own():
    witness, model = Witness(), plain()
    model.run_eagerly = True  # when it measures
    history = keras_mlp.fit(
        model, *some_data(), epochs=2, callbacks=[witness], validation_data=some_data(m=20)
    )
    assert type(history) is callbacks.History
    assert history is model.history
    assert history.epoch == [0, 1]
    assert witness.seen == [
        ("train begin", None), ("begin", 0), ("end", 0), ("begin", 1), ("end", 1),
        ("train end", None),
    ]  # fmt: skip
    assert set(witness.logs) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert all(type(value) is float for value in witness.logs.values())
    assert witness.logs == witness.last == {k: v[-1] for k, v in history.history.items()}
    assert witness.params["epochs"] == 2
    for got, wanted in zip(witness.weights[-1], model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_validation_measures_what_evaluate_measures():
    checks = some_data(m=1100)

    class Measure(callbacks.Callback):
        wanted = ()

        def on_epoch_end(self, epoch, logs=None):
            self.wanted += (self.model.evaluate(*checks, verbose=0, return_dict=True),)

    measure, model = Measure(), plain()
    model.run_eagerly = True  # when it measures
    history = keras_mlp.fit(
        model, *some_data(), epochs=2, validation_data=checks, callbacks=[measure]
    )
    for name in ("loss", "accuracy"):
        wanted = [row[name] for row in measure.wanted]
        assert history.history[f"val_{name}"] == pytest.approx(wanted, rel=1e-5)
    table = keras_mlp.history_table(history)
    assert sorted(table) == sorted(
        ["epoch", "cost", "accuracy", "validation_cost", "validation_accuracy"]
    )
    assert table["epoch"].tolist() == [1, 2]
    assert table["validation_cost"].tolist() == history.history["val_loss"]
    alone = plain()
    keras_mlp.fit(alone, *some_data(), epochs=2)
    assert_close(alone, model, rtol=0, atol=0)


def test_early_stopping_stops():
    stop = callbacks.EarlyStopping("loss", patience=1, min_delta=100, restore_best_weights=True)
    witness, model = Witness(), plain()
    history = keras_mlp.fit(model, *some_data(), epochs=9, callbacks=[stop, witness])
    assert len(history.history["loss"]) == 2
    again = keras_mlp.fit(model, *some_data(), epochs=2)
    assert len(again.history["loss"]) == 2, "the model may be trained again"


def test_a_checkpoint_goes_on_as_the_model_did(tmp_path):
    x, y = some_data()
    model = network(*SQUARE, optimizer=optimizers.Adam(0.001))
    save = callbacks.ModelCheckpoint(str(tmp_path / "{epoch}.keras"))
    witness = Witness()
    keras_mlp.fit(model, x, y, batch_size=16, epochs=3, seed=4, callbacks=[save, witness])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.keras", "2.keras", "3.keras"]
    loaded = keras.models.load_model(tmp_path / "2.keras")
    for got, wanted in zip(loaded.get_weights(), witness.weights[1], strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert int(loaded.optimizer.iterations) == 2 * 4
    keras_mlp.fit(loaded, x, y, batch_size=16, epochs=1, seed=6)
    assert_close(loaded, model, rtol=0, atol=0)


def test_learning_rates_take_effect_in_the_next_epoch():
    reduce = callbacks.ReduceLROnPlateau("loss", factor=0.0, patience=1, min_delta=100)
    witness, model = Witness(), plain()
    history = keras_mlp.fit(model, *some_data(), epochs=3, callbacks=[witness, reduce])
    assert witness.rates == pytest.approx([0.1, 0.1, 0.0])
    assert history.history["learning_rate"] == pytest.approx([0.1, 0.1, 0.0])
    changes = [
        max(np.abs(a - b).max() for a, b in zip(*pair, strict=True))
        for pair in zip(witness.weights, witness.weights[1:], strict=False)
    ]
    assert changes[0] > 1e-3
    assert changes[1] == 0


def test_a_scheduled_learning_rate_is_the_epochs():
    x, y = some_data()
    plan = callbacks.LearningRateScheduler(lambda epoch, rate: [0.1, 0.01][epoch])
    model, theirs = plain(optimizer=optimizers.SGD(0.5)), plain(optimizer=optimizers.SGD(0.5))
    keras_mlp.fit(model, x, y, batch_size=16, epochs=2, callbacks=[plan])
    for epoch, rate in enumerate([0.1, 0.01]):
        theirs.optimizer.learning_rate = rate
        fit_by_keras(theirs, x, y, 16, 1, 1 + epoch)
    assert_close(model, theirs)


def test_tensorboard_writes_its_files(tmp_path):
    board, model = callbacks.TensorBoard(str(tmp_path), histogram_freq=1), plain()
    model.run_eagerly = True  # when it measures
    keras_mlp.fit(model, *some_data(), epochs=2, callbacks=[board], validation_data=some_data(m=20))
    for part in ("train", "validation"):
        [events] = (tmp_path / part).glob("events.out.tfevents.*.v2")
        assert b"epoch_loss" in events.read_bytes()


def test_a_callback_may_change_the_weights():
    class Reset(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0:
                self.model.set_weights(start)
                for variable in self.model.optimizer.variables:
                    if variable.path.endswith("momentum"):
                        variable.assign(tf.zeros_like(variable))

    build = lambda: network(*SQUARE, optimizer=optimizers.SGD(0.1, momentum=0.9))  # noqa: E731
    model, fresh = build(), build()
    start = model.get_weights()
    keras_mlp.fit(model, *some_data(), epochs=2, batch_size=16, seed=1, callbacks=[Reset()])
    keras_mlp.fit(fresh, *some_data(), epochs=1, batch_size=16, seed=2)
    for got, wanted in zip(model.get_weights(), fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(got, wanted)


def waits(method):
    return type("Waits", (callbacks.Callback,), {method: lambda self, batch, logs=None: None})()


class Heir(callbacks.EarlyStopping):
    def on_train_batch_end(self, batch, logs=None): ...


@pytest.mark.parametrize(
    ("make", "name"),
    [
        *((lambda m=m: waits(m), "Waits") for m in keras_mlp.STEP_METHODS),
        (Heir, "Heir"),
        (lambda: callbacks.ModelCheckpoint("never.keras", save_freq=10), "ModelCheckpoint"),
        (lambda: callbacks.TensorBoard("never", update_freq=10), "TensorBoard"),
        (lambda: callbacks.TensorBoard("never", update_freq="batch"), "TensorBoard"),
        (lambda: callbacks.BackupAndRestore("never", save_freq=10), "BackupAndRestore"),
        (lambda: callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: 0), "LambdaCallback"),
        (
            lambda: callbacks.LambdaCallback(on_train_batch_begin=lambda b, logs: 0),
            "LambdaCallback",
        ),
    ],
)
def test_a_callback_that_waits_for_steps_is_refused(make, name):
    witness, model = Witness(), plain()
    before = model.get_weights()
    with pytest.raises(ValueError, match=f"callbacks must .*{name}"):
        keras_mlp.fit(model, *some_data(), callbacks=[witness, make()])
    assert witness.seen == []
    for got, wanted in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_lambda_of_epochs_is_called():
    seen = []
    note = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    keras_mlp.fit(plain(), *some_data(), epochs=2, callbacks=[note])
    assert seen == [0, 1]


# Repeatable, and the model remains a model


def test_the_same_seed_gives_the_same_numbers_and_another_others():
    def trained(seed):
        model = network(*SQUARE, optimizer=optimizers.Adam(0.001))
        history = keras_mlp.fit(model, *some_data(), epochs=2, batch_size=16, seed=seed)
        return model, history.history

    (first, one), (again, two), (other, three) = trained(0), trained(0), trained(9)
    assert_close(first, again, rtol=0, atol=0)
    assert one == two
    assert one["loss"] != three["loss"]
    assert any(
        (a != b).any() for a, b in zip(first.get_weights(), other.get_weights(), strict=True)
    )


def original(model):
    return all(
        "call" not in vars(layer) and layer.call.__func__ is type(layer).call
        for layer in model.layers
    )


def test_the_model_remains_an_ordinary_model(tmp_path, capsys):
    x, y = some_data()
    build = lambda: network(*SQUARE, optimizer=optimizers.Adam(0.001))  # noqa: E731
    model, theirs = build(), build()
    keras_mlp.fit(model, x, y, batch_size=16, epochs=1, seed=1)
    fit_by_keras(theirs, x, y, 16, 1, 1)
    assert original(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
    assert_close(loaded, model, rtol=0, atol=0)
    model.summary()
    assert "Total params" in capsys.readouterr().out
    for training in (model, theirs):
        fit_by_keras(training, x, y, 16, 1, 2)
    assert_close(model, theirs)
    keras_mlp.fit(model, x, y, batch_size=16, seed=3)
    fit_by_keras(theirs, x, y, 16, 1, 3)
    assert_close(model, theirs)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(
        theirs.evaluate(x, y, verbose=0), rel=1e-4
    )


def test_layers_are_as_before_after_an_error_while_tracing():
    def cost(y, outputs):
        if not tf.executing_eagerly():
            raise RuntimeError("no graph of this cost")
        return tf.reduce_mean(tf.square(y - outputs), axis=-1)

    model, witness = plain(loss=cost), Witness()
    before = model.get_weights()
    with pytest.raises(RuntimeError, match="no graph of this cost"):
        keras_mlp.fit(model, *some_data(), callbacks=[witness])
    assert original(model)
    assert witness.seen == []
    for got, wanted in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, wanted)


# Errors


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"x": some_data()[0][:9]}, ValueError, "x and y must .*got 9 and 64"),
        ({"x": some_data()[0][:0], "y": some_data()[1][:0]}, ValueError, "x and y .*got 0 and 0"),
        ({"batch_size": 0}, ValueError, "batch_size must be .*got 0"),
        ({"batch_size": M + 1}, ValueError, "batch_size must be .*got 65"),
        ({"batch_size": 8.0}, TypeError, r"batch_size must be an integer, got 8\.0"),
        ({"epochs": 0}, ValueError, "epochs must be at least 1, got 0"),
        ({"epochs": "2"}, TypeError, "epochs must be an integer, got '2'"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": None}, TypeError, "seed must be an integer, got None"),
    ],
)
def test_wrong_arguments_are_refused(changes, error, message):
    x, y = some_data()
    witness = Witness()
    with pytest.raises(error, match=message):
        keras_mlp.fit(plain(), **{"x": x, "y": y, "callbacks": [witness]} | changes)
    assert witness.seen == []


def test_a_model_must_be_compiled():
    model = keras.Sequential([keras.Input((N_X,)), layers.Dense(N_Y)])
    with pytest.raises(ValueError, match="model must be compiled"):
        keras_mlp.fit(model, *some_data())


def test_a_cost_that_is_not_finite_is_an_error():
    x, _ = some_data()
    model, witness = network(dense(1), loss="mse", optimizer=optimizers.SGD(1e30)), Witness()
    message = re.escape("in epoch 1: lower the learning rate, now 1e+30")
    with pytest.raises(FloatingPointError, match=message):
        keras_mlp.fit(model, x, x[:, :1], batch_size=7, epochs=3, callbacks=[witness])
    assert witness.seen == [("train begin", None), ("begin", 0), ("train end", None)]


class RaiseIn(callbacks.Callback):
    def __init__(self, method, error, epoch):
        super().__init__()
        self.error, self.epoch = error, epoch
        setattr(self, method, self.react)

    def react(self, epoch, logs=None):
        if epoch == self.epoch:
            raise self.error


@pytest.mark.parametrize("method", ["on_epoch_begin", "on_epoch_end"])
def test_an_error_of_a_callback_is_passed_on(method):
    error, model = RuntimeError("of the callback"), plain()
    with pytest.raises(RuntimeError, match="of the callback") as caught:
        keras_mlp.fit(model, *some_data(), epochs=3, callbacks=[RaiseIn(method, error, 1)])
    assert caught.value is error
    assert original(model)


@pytest.mark.parametrize("method", ["on_epoch_begin", "on_epoch_end"])
def test_an_interrupted_training_gives_the_epochs_before(method):
    model, witness = plain(), Witness()
    stop = RaiseIn(method, KeyboardInterrupt(), 2)
    history = keras_mlp.fit(model, *some_data(), epochs=5, callbacks=[stop, witness])
    assert history.epoch == [0, 1]
    assert len(keras_mlp.history_table(history)) == 2
    assert witness.seen[-1] == ("train end", None)
    assert original(model)
    again = keras_mlp.fit(model, *some_data(), epochs=1)
    assert again.history["loss"][0] < history.history["loss"][0]


@pytest.mark.parametrize("checks", [None, some_data(m=20)], ids=["alone", "validation"])
def test_training_says_nothing(checks, capfd):
    for _ in range(5):  # `nothing_logged` sees what TensorFlow says of the fifth
        keras_mlp.fit(network(SOFTMAX), *some_data(), validation_data=checks)
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")
