"""Evaluation: cost and score against NumPy and scikit-learn, in pieces and as a whole."""

import numpy as np
import pytest
import reference_mlp
from sklearn.metrics import accuracy_score, r2_score

from nn_helpers import evaluation, mlp, training
from nn_helpers._tensorflow import tf
from nn_helpers.preprocessing import one_hot
from nn_helpers.validation import OUTPUT_ACTIVATIONS


def classes(m, n_x, n_y=3, seed=0):
    """Features and one-hot labels without much of a relation."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_x, m)).astype(np.float32)
    return X, one_hot(rng.integers(n_y, size=m), n_y)


def test_it_is_a_public_name_of_training_too():
    assert training.evaluate is evaluation.evaluate


@pytest.mark.parametrize("output_activation", OUTPUT_ACTIVATIONS)
def test_evaluation_in_pieces_is_that_of_one_piece(output_activation):
    m = 2 * evaluation.EVALUATION_BATCH + 2_503
    rng = np.random.default_rng(0)
    X = rng.normal(size=(m, 5)).astype(np.float32).T  # a view, as `flatten` gives it
    parameters = {k: v.numpy() for k, v in mlp.initialize_parameters([5, 7, 3], 2).items()}
    exact = reference_mlp.as_float64(parameters)
    Z = reference_mlp.forward(X, exact, "tanh")[-1]
    if output_activation == "none":
        # The error grows along the data, so that pieces of unequal size do not average alike.
        Y = Z + rng.normal(size=Z.shape) * np.linspace(0, 1, m)
        score = r2_score(Y.T, Z.T)
    else:
        # As many right answers as wrong ones at the start, only right ones at the end.
        labels = np.where(rng.uniform(-1, 1, m) < np.linspace(0, 1, m), Z.argmax(axis=0), 0)
        Y = one_hot(labels, 3)
        score = accuracy_score(labels, Z.argmax(axis=0))
    assert 0.5 < score < 0.95
    cost, got = evaluation.evaluate(X, Y, parameters, "tanh", output_activation)
    wanted = reference_mlp.cost(Z, Y, output_activation)
    assert (type(cost), type(got)) == (float, float)
    assert cost == pytest.approx(wanted, rel=1e-5)
    assert got == pytest.approx(score, rel=1e-4)


def test_evaluation_takes_tensors_and_assumes_relu_and_softmax():
    (X, Y), parameters = classes(30, n_x=4), mlp.initialize_parameters([4, 5, 3])
    wanted = evaluation.evaluate(X, Y, parameters, "relu", "softmax")
    assert (
        evaluation.evaluate(
            tf.constant(X),
            tf.constant(Y),
            {name: tf.Variable(value) for name, value in parameters.items()},
        )
        == wanted
    )


def test_a_single_sigmoid_is_right_on_its_side_of_one_half():
    X = np.array([[-2.0, -1.0, 1.0, 2.0]], np.float32)
    Y = np.array([[0.0, 1.0, 1.0, 0.0]], np.float32)
    parameters = {"W1": np.ones((1, 1), np.float32), "b1": np.zeros((1, 1), np.float32)}
    assert evaluation.evaluate(X, Y, parameters, "relu", "sigmoid")[1] == 0.5
    assert evaluation.evaluate(X, np.sign(np.maximum(X, 0)), parameters, "relu", "sigmoid")[1] == 1
    assert evaluation.evaluate(X, np.sign(np.maximum(-X, 0)), parameters, "relu", "sigmoid")[1] == 0


def test_a_network_that_is_not_finite_has_no_score():
    parameters = {"W1": np.full((2, 2), 1e30, np.float32), "b1": np.zeros((2, 1), np.float32)}
    X = np.ones((2, 3), np.float32)
    cost, score = evaluation.evaluate(X, X, parameters, "relu", "none")
    assert cost == np.inf
    assert np.isnan(score)


def test_evaluation_refuses_targets_of_another_shape():
    (X, Y), parameters = classes(10, n_x=4), mlp.initialize_parameters([4, 3])
    for wrong in (Y[:, :1], Y[:, :9], Y[:1]):
        with pytest.raises(ValueError, match=r"Y must have the shape of Y_h, \(3, 10\), got"):
            evaluation.evaluate(X, wrong, parameters)
