"""A fitted `MLPClassifier` or `MLPRegressor` of scikit-learn, alone or behind scalers in a `Pipeline`.

Read are the fitted arrays, exactly: ``(x - mean_) / scale_`` is a quotient of rationals, not of rounded floats. Objects
are recognised by the names of their classes, so that this file does not import scikit-learn; a class derived from
one of its own is not read, since it may compute something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import InvalidNetwork, UnsupportedModel
from relucensus.readers.affine.value import AffineValue
from relucensus.readers.limits import ReaderLimits, shown
from relucensus.values import exact_numbers
from relucensus.values.activation import RELU, clip
from relucensus.values.exact_numbers import Numbers
from relucensus.values.network import Network

_DEFAULT_LIMITS: Final = ReaderLimits()
_LEFT_OFF: Final = ("softmax", "logistic", "exp")
_PERCEPTRONS: Final = ("MLPClassifier", "MLPRegressor")
_SEARCHES: Final = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")


def network_from_sklearn(model: Any, *, limits: ReaderLimits = _DEFAULT_LIMITS) -> Network:
    """The network that the fitted model computes before its last activation, which is left off with a note.

    Raises:
        UnsupportedModel: a model or step that is not supported, logistic or tanh neurons, or one beyond the limits.
        InvalidNetwork: a model that is not fitted, or fitted arrays that do not fit each other or are not finite.
    """
    steps = list(_steps(model, "model"))
    path, perceptron = steps.pop()
    if type(perceptron).__name__ not in _PERCEPTRONS:
        _refuse(path, perceptron, f"the last step must be {' or '.join(_PERCEPTRONS)}")
    for where, step in steps:
        if type(step).__name__ not in _SCALERS:
            _refuse(where, step, f"supported before the last step are {', '.join(_SCALERS)} and 'passthrough'")
    weights, biases = _layers(path, perceptron)
    value = AffineValue((1, _features(steps, weights[0])), limits)
    for where, step in steps:
        _SCALERS[type(step).__name__](where, step, value)
    for number, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if w.shape[0] != value.shape[-1] or b.shape != (w.shape[1],):
            raise InvalidNetwork(
                f"{path}.coefs_[{number}] has shape {w.shape}, its bias {b.shape}; it gets {value.shape[-1]} values"
            )
        value.multiply_right(w)
        value.shift(b)
        if number < len(weights) - 1 and perceptron.activation == "relu":
            value.activate((RELU,))
    last = perceptron.out_activation_
    notes = [f"the {last} at the end is left off; counted is what it is applied to"] if last in _LEFT_OFF else []
    return value.network().with_notes(notes)


def is_sklearn(model: object) -> bool:
    """Whether this is an object of scikit-learn, or of a class derived from one; it is not loaded to find out."""
    return any(kind.__module__.partition(".")[0] == "sklearn" for kind in type(model).__mro__)


def _steps(model: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Path and object of every step that computes something."""
    kind = type(model).__name__
    if not type(model).__module__.startswith("sklearn."):
        _refuse(path, model, "of a class of your own, which may compute something else; supported are scikit-learn's")
    if kind in _SEARCHES:
        if not hasattr(model, "best_estimator_"):
            raise InvalidNetwork(f"{path} ({kind}) is not fitted, or without refit; call fit first")
        yield from _steps(model.best_estimator_, f"{path}.best_estimator_")
    elif kind == "Pipeline":
        for name, step in model.steps:
            if step is not None and step != "passthrough":
                yield from _steps(step, f"{path}[{shown(name)}]")
    else:
        yield path, model


def _refuse(path: str, model: Any, reason: str) -> NoReturn:
    raise UnsupportedModel(
        f"{path} is {type(model).__name__}; {reason}. Read are MLPClassifier and MLPRegressor, alone or in a Pipeline "
        "behind scalers; export other models as ONNX"
    )


def _layers(path: str, model: Any) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    kind = type(model).__name__
    if not hasattr(model, "coefs_") or not hasattr(model, "out_activation_"):
        raise InvalidNetwork(f"{path} ({kind}) is not fitted; call fit first")
    if model.activation not in ("relu", "identity"):
        _refuse(path, model, f"with activation={model.activation!r}, which is not piecewise linear; needed is 'relu'")
    if model.out_activation_ not in ("identity", *_LEFT_OFF):
        _refuse(
            path, model, f"with {shown(model.out_activation_)} at its end; known are identity, softmax and logistic"
        )
    weights = [_array(f"{path}.coefs_[{n}]", array, 2) for n, array in enumerate(model.coefs_)]
    biases = [_array(f"{path}.intercepts_[{n}]", array, 1) for n, array in enumerate(model.intercepts_)]
    if not weights or len(weights) != len(biases):
        raise InvalidNetwork(f"{path} has {len(weights)} arrays in coefs_ and {len(biases)} in intercepts_")
    return weights, biases


def _features(steps: list[tuple[str, Any]], weights: NDArray[np.float64]) -> int:
    """The number of inputs, which every fitted step has to agree on."""
    for path, step in steps:
        found = getattr(step, "n_features_in_", None)
        if found is not None and found != weights.shape[0]:
            raise InvalidNetwork(
                f"{path} ({type(step).__name__}) was fitted with {found} features, the network has {weights.shape[0]}"
            )
    return int(weights.shape[0])


def _standard_scaler(path: str, step: Any, value: AffineValue) -> None:
    if step.with_mean:
        value.shift(-_fitted(path, step, "mean_", value))
    if step.with_std:
        value.scale(_inverse(path, _fitted(path, step, "scale_", value)))


def _robust_scaler(path: str, step: Any, value: AffineValue) -> None:
    if step.with_centering:
        value.shift(-_fitted(path, step, "center_", value))
    if step.with_scaling:
        value.scale(_inverse(path, _fitted(path, step, "scale_", value)))


def _max_abs_scaler(path: str, step: Any, value: AffineValue) -> None:
    value.scale(_inverse(path, _fitted(path, step, "scale_", value)))
    if getattr(step, "clip", False):
        value.activate((clip(-1, 1),))


def _min_max_scaler(path: str, step: Any, value: AffineValue) -> None:
    value.scale(_fitted(path, step, "scale_", value))
    value.shift(_fitted(path, step, "min_", value))
    if getattr(step, "clip", False):
        value.activate((clip(*step.feature_range),))


def _fitted(path: str, step: Any, name: str, value: AffineValue) -> NDArray[np.float64]:
    """A fitted array with one entry for each feature."""
    if getattr(step, name, None) is None:
        raise InvalidNetwork(f"{path} ({type(step).__name__}) has no {name}: it is not fitted; call fit first")
    array = _array(f"{path}.{name}", getattr(step, name), 1)
    if array.shape != value.shape[-1:]:
        raise InvalidNetwork(f"{path}.{name} has {array.shape[0]} entries for {value.shape[-1]} features")
    return array


def _inverse(path: str, scale: NDArray[np.float64]) -> Numbers:
    if not scale.all():
        raise InvalidNetwork(f"{path}.scale_ holds 0 at {int(np.argmin(np.abs(scale)))}; needed is what can divide")
    return exact_numbers.reciprocal(scale)


def _array(path: str, given: Any, axes: int) -> NDArray[np.float64]:
    array = np.array(given, dtype=np.float64)
    if array.ndim != axes:
        raise InvalidNetwork(f"{path} has shape {array.shape}; needed are {axes} axes")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        where = tuple(int(i) for i in bad[0])
        raise InvalidNetwork(f"{path} holds {array[where]} at {list(where)}; every entry must be a finite number")
    return array


_SCALERS: Final[dict[str, Callable[[str, Any, AffineValue], None]]] = {
    "StandardScaler": _standard_scaler,
    "MinMaxScaler": _min_max_scaler,
    "MaxAbsScaler": _max_abs_scaler,
    "RobustScaler": _robust_scaler,
}
