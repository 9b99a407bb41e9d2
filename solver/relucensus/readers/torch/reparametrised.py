"""Weights that a module computes from other tensors: what they are in evaluation mode, once in float64.

Throughout: W is the weight matrix, V what it is computed from, g a length for each row (or column, or for all of it),
u and v the vectors of a spectral normalisation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import InvalidNetwork, UnsupportedModel
from relucensus.readers.limits import shape_text, shown
from relucensus.readers.number_formats import FLOATS
from relucensus.readers.torch.named_tensor import NamedTensor

Matrix = NDArray[np.float64]
_USE_ONNX: Final = "export the whole network as ONNX instead"


@dataclass(frozen=True, slots=True)
class _Form:
    """How one version of torch keeps it: the names of V and of the others, what folds them, what it is called."""

    original: str
    others: tuple[str, ...]
    fold: Callable[[str, Matrix, tuple[Matrix, ...]], Matrix]
    word: str


def folded_weight(path: str, tensors: Mapping[str, NamedTensor]) -> tuple[dict[str, NamedTensor], str]:
    """The tensors of a module with those that make its weight replaced by it, and a note ("" if there were none).

    Raises:
        UnsupportedModel: a parametrisation that is not known, or shapes that do not fit.
    """
    for form in _FORMS:
        names = (form.original, *form.others)
        if all(name in tensors for name in names):
            rest = {name: tensor for name, tensor in tensors.items() if name not in names}
            sources = [tensors[name] for name in names]
            rest["weight"] = _weight(path, form, sources)
            return rest, f"{shown(path)}: {form.word} folded into its weight once in float64"
    for name, tensor in tensors.items():
        if name.startswith("parametrizations."):
            raise UnsupportedModel(
                f"{shown(tensor.name)} belongs to a parametrisation that is not read (weight_norm and spectral_norm "
                f"of a weight are); call torch.nn.utils.parametrize.remove_parametrizations first, or {_USE_ONNX}"
            )
    return dict(tensors), ""


def _weight(path: str, form: _Form, sources: list[NamedTensor]) -> NamedTensor:
    original = sources[0]
    if len(original.shape) != 2:
        raise UnsupportedModel(f"{original.text} is {form.word} of other than a linear layer; {_USE_ONNX}")
    odd = next((source for source in sources if source.problem), None)

    def load() -> Matrix:
        matrix, *others = (source.finite() for source in sources)
        return form.fold(shown(path), matrix, tuple(others))

    dtype = next((source.dtype for source in sources if source.dtype not in FLOATS), original.dtype)
    problem = odd.problem if odd else ""
    return NamedTensor(original.name, original.path, original.shape, dtype, load, problem)


def _with_length(path: str, v: Matrix, others: tuple[Matrix, ...]) -> Matrix:
    """W = g V / |V|, the length taken along the axis in which g has one entry."""
    (g,) = others
    rows, columns = v.shape
    if g.shape == (rows, 1):
        lengths = _lengths(v, 1)
    elif g.shape == (1, columns):
        lengths = _lengths(v, 0)
    elif g.shape == ():
        lengths = _lengths(v, None)
    else:
        raise UnsupportedModel(
            f"{path}: lengths of shape {shape_text(g.shape)} do not fit a weight of shape {shape_text(v.shape)}"
        )
    with np.errstate(all="ignore"):
        return _finite(path, v * (g / lengths))


def _lengths(v: Matrix, axis: int | None) -> Matrix:
    """The Euclidean lengths along an axis (None: of all), NaN where all is zero; no square overflows."""
    with np.errstate(all="ignore"):
        largest = np.max(np.abs(v), axis=axis, keepdims=True)
        return np.asarray(largest * np.sqrt(np.sum((v / largest) ** 2, axis=axis, keepdims=True)))


def _spectral(path: str, v: Matrix, others: tuple[Matrix, ...]) -> Matrix:
    """W = V / (u V v), the normalised vectors as they are stored."""
    first, second = others
    found = [
        float(first @ matrix @ second)
        for matrix in (v, v.T)
        if first.shape == matrix.shape[:1] and second.shape == matrix.shape[1:]
    ]
    if not found or (len(found) == 2 and abs(found[1]) > abs(found[0])):  # no singular value is above the norm
        raise UnsupportedModel(f"{path}: the vectors of its spectral_norm do not fit its weight; {_USE_ONNX}")
    with np.errstate(all="ignore"):
        return _finite(path, v / found[0])


def _masked(path: str, v: Matrix, others: tuple[Matrix, ...]) -> Matrix:
    """W = V where the mask is one, 0 where it is zero: exact."""
    (mask,) = others
    if mask.shape != v.shape or not np.isin(mask, (0.0, 1.0)).all():
        raise UnsupportedModel(f"{path}: the mask of its pruning is not of zeros and ones in the shape of its weight")
    return v * mask


def _finite(path: str, weight: Matrix) -> Matrix:
    if not np.isfinite(weight).all():
        raise InvalidNetwork(f"{path}: the normalisation of its weight divides by zero")
    return weight


_NEW: Final = "parametrizations.weight."
_FORMS: Final = (
    _Form("weight_v", ("weight_g",), _with_length, "weight_norm"),
    _Form(f"{_NEW}original1", (f"{_NEW}original0",), _with_length, "weight_norm"),
    _Form("weight_orig", ("weight_u", "weight_v"), _spectral, "spectral_norm"),
    _Form(f"{_NEW}original", (f"{_NEW}0._u", f"{_NEW}0._v"), _spectral, "spectral_norm"),
    _Form("weight_orig", ("weight_mask",), _masked, "a pruning mask"),
)
