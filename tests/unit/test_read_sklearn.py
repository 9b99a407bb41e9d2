"""Fitted models of scikit-learn: read as the function that scikit-learn evaluates before its last activation."""

from __future__ import annotations

import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from relucensus import CensusError, Network, count, network_of
from relucensus.errors import InvalidNetwork, UnsupportedModel
from relucensus.readers import ReaderLimits

pytest.importorskip("sklearn")

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, PolynomialFeatures, RobustScaler, StandardScaler

RANDOM = np.random.default_rng(4)
POINTS = RANDOM.normal(size=(60, 3)) * [1, 10, 0.1] + [0, 5, 100]
TARGETS = {
    "binary": (POINTS[:, 0] > 0).astype(int),
    "classes": np.arange(60) % 3,
    "labels": np.stack([POINTS[:, 0] > 0, POINTS[:, 1] > 5], 1).astype(int),
    "number": POINTS[:, 0] * 2 + 1,
    "numbers": POINTS[:, :2],
}


def fitted(model: Any, target: str, points: Any = POINTS) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a few iterations do not converge
        return model.fit(points, TARGETS[target])


def classifier(**options: Any) -> Any:
    return MLPClassifier(hidden_layer_sizes=(6, 4), max_iter=5, random_state=0, **options)


def regressor(**options: Any) -> Any:
    return MLPRegressor(hidden_layer_sizes=(6, 4), max_iter=5, random_state=0, **options)


MODELS = {
    "classifier": lambda: (classifier(), "classes"),
    "binary": lambda: (make_pipeline(StandardScaler(), classifier()), "binary"),
    "labels": lambda: (make_pipeline(StandardScaler(), classifier()), "labels"),
    "regressor": lambda: (regressor(), "number"),
    "several": lambda: (make_pipeline(StandardScaler(), regressor()), "numbers"),
    "identity": lambda: (make_pipeline(StandardScaler(), regressor(activation="identity")), "number"),
    "mean only": lambda: (make_pipeline(StandardScaler(with_std=False), regressor()), "number"),
    "scale only": lambda: (make_pipeline(StandardScaler(with_mean=False), regressor()), "number"),
    "neither": lambda: (make_pipeline(StandardScaler(with_mean=False, with_std=False), regressor()), "number"),
    "passed through": lambda: (make_pipeline("passthrough", StandardScaler(), None, regressor()), "number"),
    "nested": lambda: (make_pipeline(make_pipeline(StandardScaler(), MinMaxScaler()), regressor()), "number"),
    "smallest and largest": lambda: (make_pipeline(MinMaxScaler((-1, 2), clip=True), regressor()), "number"),
    "largest": lambda: (make_pipeline(MaxAbsScaler(), regressor()), "number"),
    "robust": lambda: (make_pipeline(RobustScaler(), regressor()), "number"),
    "searched": lambda: (GridSearchCV(regressor(), {"alpha": [1e-3, 1e-2]}, cv=2), "number"),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MODELS)
def test_a_fitted_model_is_read_as_the_function_that_it_evaluates(name: str, dtype: Any) -> None:
    model, target = MODELS[name]()
    fitted(model, target, POINTS.astype(dtype))
    network = network_of(model)
    points = (RANDOM.normal(size=(40, 3)) * 3 * POINTS.std(0) + POINTS.mean(0)).astype(np.float64)
    got = network.forward(points)
    if hasattr(model, "predict_proba"):
        probabilities = np.asarray(model.predict_proba(points))
        got = softmax(got) if target == "classes" else logistic(got)
        want = probabilities[:, 1:] if target == "binary" else probabilities
        assert network.notes[0].endswith("at the end is left off; counted is what it is applied to")
    else:
        want = np.reshape(model.predict(points), (len(points), -1))
        assert network.notes == ()
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * max(1.0, np.abs(want).max()))


def softmax(values: Any) -> Any:
    powers = np.exp(values - values.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def logistic(values: Any) -> Any:
    return 1 / (1 + np.exp(-values))


def test_scaling_is_exact() -> None:
    model = fitted(make_pipeline(StandardScaler(), regressor()), "number")
    scaler, perceptron = model[0], model[1]
    first = network_of(model).hidden[0].exact
    weight = Fraction(float(perceptron.coefs_[0][1, 2])) / Fraction(float(scaler.scale_[1]))
    assert Fraction(int(first.coefficients[2, 1]), int(first.denominator)) == weight


def test_a_feature_that_is_always_the_same_is_scaled_by_one() -> None:
    points = POINTS.copy()
    points[:, 1] = 7.0
    model = fitted(make_pipeline(StandardScaler(), regressor()), "number", points)
    assert model[0].scale_[1] == 1
    np.testing.assert_allclose(network_of(model).forward(points)[:, 0], model.predict(points), rtol=1e-6, atol=1e-8)


def test_a_model_of_scikit_learn_is_counted_as_the_network_of_its_arrays() -> None:
    model = fitted(classifier(), "classes")
    plain = Network.from_arrays(
        [(w.T, b) for w, b in zip(model.coefs_, model.intercepts_, strict=True)],
    )
    counted = count(model, [-1, 0, 99], [1, 10, 101])
    assert network_of(model).digest == plain.digest
    assert counted.counts == count(plain, [-1, 0, 99], [1, 10, 101]).counts


class Own(MLPRegressor):
    def predict(self, X: Any) -> Any:
        return super().predict(X) ** 2


@pytest.mark.parametrize(
    ("model", "error", "words"),
    [
        (MLPClassifier(), InvalidNetwork, r"model \(MLPClassifier\) is not fitted; call fit first"),
        (make_pipeline(StandardScaler(), MLPRegressor()), InvalidNetwork, r"'mlpregressor'\] .* is not fitted"),
        (GridSearchCV(MLPRegressor(), {}), InvalidNetwork, r"model \(GridSearchCV\) is not fitted"),
        (fitted(regressor(activation="tanh"), "number"), UnsupportedModel, "activation='tanh', which is not piecewise"),
        (fitted(regressor(activation="logistic"), "number"), UnsupportedModel, "activation='logistic'"),
        (
            fitted(Own(hidden_layer_sizes=(3,), max_iter=2), "number"),
            UnsupportedModel,
            "model is Own; of a class of your own",
        ),
        (
            fitted(LogisticRegression(), "binary"),
            UnsupportedModel,
            "model is LogisticRegression; the last step must be",
        ),
        (
            fitted(make_pipeline(PolynomialFeatures(1), regressor()), "number"),
            UnsupportedModel,
            r"model\['polynomialfeatures'\] is PolynomialFeatures; supported before the last step are StandardScaler",
        ),
        (make_pipeline(StandardScaler(), fitted(regressor(), "number")), InvalidNetwork, "has no mean_: it is not fit"),
        (
            make_pipeline(StandardScaler().fit(POINTS[:, :2]), fitted(regressor(), "number")),
            InvalidNetwork,
            "was fitted with 2 features, the network has 3",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_read_is_refused_with_what_is_needed(model: Any, error: type[CensusError], words: str) -> None:
    with pytest.raises(error, match=words):
        network_of(model)


def test_an_entry_that_is_not_finite_is_named() -> None:
    model = fitted(regressor(), "number")
    model.coefs_[1][2, 3] = np.nan
    with pytest.raises(InvalidNetwork, match=r"model\.coefs_\[1\] holds nan at \[2, 3\]"):
        network_of(model)


def test_a_model_beyond_a_limit_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="accepted are at most 9"):
        network_of(fitted(regressor(), "number"), limits=ReaderLimits(neurons=9))
