"""Constants, and operators that are evaluated on constants alone: what exporters leave of weights and of shapes.

Rational operators are exact; roots, exponentials and their like are evaluated once in float64, conversions between
types round as they are defined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final

import numpy as np

from relucensus.readers.limits import shape_text
from relucensus.readers.number_formats import stored_type
from relucensus.readers.onnx.call import Call
from relucensus.readers.onnx.forms import Operator, Versions, operator
from relucensus.readers.onnx.stored_tensors import FLOAT_TYPES, KINDS
from relucensus.readers.onnx.tensors import (
    FLOAT_KINDS,
    RANGES,
    Comparison,
    Constant,
    Indicator,
    LeftOff,
    Tensor,
    broadcast,
    common_shape,
    of_integers,
)
from relucensus.values import exact_numbers

_LITERALS: Final = ("value_float", "value_floats", "value_int", "value_ints")
_MOST_BITS: Final = 4096
_NEAR: Final = Fraction(1, 10**5)


def _constant(call: Call) -> Tensor:
    found = call.tensor_attribute("value")
    if found is not None:
        return found
    for name in _LITERALS:
        given = call._attribute(name)
        if isinstance(given, int | float | list):
            whole = name.startswith("value_int")
            return Constant(np.array(given, dtype=np.int64 if whole else np.float64), "int64" if whole else "float32")
    call.refuse("holds neither a number nor a tensor of numbers")


def _constant_of_shape(call: Call) -> Tensor:
    shape = call.integers("input") or []
    call.limits.check_tensor("a filled tensor", shape)
    value = call.tensor_attribute("value") or Constant(np.zeros(1), "float32")
    if value.size != 1:
        call.fail(f"has a value of shape {shape_text(value.shape)}; needed is one number")
    return value.with_entries(np.broadcast_to(value.entries.reshape(()), shape).copy())


def _range(call: Call) -> Tensor:
    parts = [call.constant(name) for name in ("start", "limit", "delta")]
    if any(part.size != 1 for part in parts):
        call.fail("has a start, limit or delta that is not one number")
    start, limit, step = (exact_numbers.fraction(call.finite(p, "start").ravel()[0]) for p in parts)
    if not step:
        call.fail("has steps of zero")
    if parts[0].is_float:
        check_apart(call, [(limit - start) / step], Fraction(0))
    count = max(math.ceil((limit - start) / step), 0)
    call.limits.check_tensor("a range", (count,))
    numbers = exact_numbers.of_fractions([start + i * step for i in range(count)])
    kind = parts[0].kind
    return Constant(numbers if parts[0].is_float else exact_numbers.rounded(numbers).astype(np.int64), kind)


def _eye(call: Call) -> Tensor:
    like = call.given("input")
    shape = () if like is None else tuple(like.shape)
    if len(shape) != 2:
        call.fail(f"needs an input with 2 axes and gets {len(shape)}")
    target = call.whole("dtype", 1)
    if target not in KINDS:
        call.refuse(f"makes numbers of the type {target}, which is not read")
    call.limits.check_tensor("a unit matrix", shape)
    entries = np.eye(*shape, k=call.whole("k", 0))
    kind = KINDS[target]
    return Constant(entries if kind in FLOAT_KINDS else entries.astype(np.int64), kind)


def _cast(call: Call) -> Tensor:
    target = call.whole("to", 0)
    if target not in KINDS:
        call.refuse(f"converts to the type {target}, which is not read; read are {', '.join(KINDS.values())}")
    return _converted(call, call.inputs[0] if call.inputs else None, KINDS[target])


def _cast_like(call: Call) -> Tensor:
    like = call.given("target_type")
    if like is None or isinstance(like, Comparison):
        call.refuse("converts to a type that is not read")
    if isinstance(like, Constant):
        return _converted(call, call.inputs[0], like.kind)
    kinds = sorted(call.stored.float_kinds)
    if len(kinds) > 1 and isinstance(call.inputs[0], Constant):
        call.refuse(f"converts a constant to the type of a value, in a file that has {' and '.join(kinds)}")
    return _converted(call, call.inputs[0], kinds[0] if kinds else "float32")


def _converted(call: Call, tensor: Tensor | None, kind: str) -> Tensor:
    match tensor:
        case None:
            call.fail("has no input 0")
        case Comparison() if kind in FLOAT_KINDS:
            return Indicator(tensor)
        case Constant():
            return _rounded_to(call, tensor, kind)
        case LeftOff():
            return tensor
        case _ if kind in FLOAT_KINDS:
            return tensor
        case _:
            call.refuse(
                f"converts to {kind}, a type that is not a float, which is not continuous; supported are "
                f"{', '.join(FLOAT_TYPES.values())}"
            )


def _rounded_to(call: Call, constant: Constant, kind: str) -> Constant:
    """What a conversion of constants computes."""
    if kind == constant.kind:
        return constant
    numbers = constant.numbers
    if kind == "float64":
        return Constant(exact_numbers.rounded(numbers), kind)
    if kind in ("bfloat16", "float8"):
        call.refuse(f"converts a constant to {kind}; supported are float16, float32 and float64")
    if kind in FLOAT_KINDS:
        with np.errstate(over="ignore", invalid="ignore"):
            return Constant(exact_numbers.rounded(numbers).astype(stored_type(kind)).astype(np.float64), kind)
    if kind == "bool":
        return Constant(numbers != 0, kind)
    low, high = RANGES[kind]
    exact = [exact_numbers.fraction(x) for x in call.finite(constant, "input").ravel().tolist()]
    check_apart(call, exact, Fraction(0))
    entries = [int(x) for x in exact]
    if any(not low <= n <= high for n in entries):
        call.refuse(f"converts a constant to {kind}, which cannot hold it")
    return Constant(np.array(entries, dtype=np.int64).reshape(constant.shape), kind)


def _only_constants(call: Call) -> list[Constant]:
    if len(call.inputs) != len(call.form.inputs):
        call.fail(f"has {len(call.inputs)} inputs; needed are {len(call.form.inputs)}")
    found = [entry for entry in call.inputs if isinstance(entry, Constant)]
    if len(found) < len(call.inputs):
        call.refuse(
            f"applies {call.op_type} to a value that depends on the network's input, which is not piecewise linear (or "
            "not continuous); supported is a constant"
        )
    return found


def _in_floats(function: Callable[..., Any]) -> Callable[[Call], Tensor]:
    """A function of float64 numbers, evaluated once."""

    def apply(call: Call) -> Tensor:
        (constant,) = _only_constants(call)
        with np.errstate(all="ignore"):
            found = np.asarray(function(exact_numbers.rounded(constant.numbers)), dtype=np.float64)
        if not np.isfinite(found).all():
            call.fail("has no finite result")
        return Constant(found, constant.kind if constant.is_float else "float64")

    return apply


def _power(call: Call) -> Tensor:
    exponent = call.given("Y")
    if isinstance(exponent, Constant) and exponent.size and bool((exponent.numbers == 1).all()):
        base = call.tensor("X")
        if common_shape([base, exponent]) == base.shape:
            return base
    first, second = _only_constants(call)
    shape = common_shape([first, second])
    pairs = [broadcast(one, shape, call.limits) for one in (first, second)]
    numbers = [call.finite(one, "X").ravel().tolist() for one in pairs if isinstance(one, Constant)]
    found = [_raised(call, exact_numbers.fraction(a), exact_numbers.fraction(b)) for a, b in zip(*numbers, strict=True)]
    entries = exact_numbers.of_fractions(found).reshape(shape)
    return Constant(entries if first.is_float else exact_numbers.rounded(entries).astype(np.int64), first.kind)


def _raised(call: Call, base: Fraction, exponent: Fraction) -> Fraction:
    """Exact for whole exponents that are not too large, else once in float64."""
    if exponent.denominator == 1 and (base or exponent >= 0):
        length = max(base.numerator.bit_length(), base.denominator.bit_length())
        if abs(exponent) * length <= _MOST_BITS:
            return Fraction(base ** int(exponent))
    try:
        found = float(base) ** float(exponent)
    except (OverflowError, ZeroDivisionError):
        found = math.inf
    if not isinstance(found, float) or not math.isfinite(found):
        call.fail("has no finite result")
    return Fraction(found)


def _reciprocal(call: Call) -> Tensor:
    (constant,) = _only_constants(call)
    numbers = call.finite(constant, "X")
    if not exact_numbers.nonzero(numbers).all():
        call.fail("divides by zero")
    return constant.with_entries(exact_numbers.reciprocal(numbers))


def _whole(function: Callable[[Fraction], int], turn: Fraction | None = None) -> Callable[[Call], Tensor]:
    """A function of constants that jumps where a number is whole or, with `turn`, that far beside whole numbers."""

    def apply(call: Call) -> Tensor:
        (constant,) = _only_constants(call)
        numbers = call.finite(constant, "X")
        exact = [exact_numbers.fraction(x) for x in numbers.ravel().tolist()]
        if turn is not None:
            check_apart(call, exact, turn, ties=turn != 0)
        found = [Fraction(function(x)) for x in exact]
        entries = exact_numbers.of_fractions(found).reshape(numbers.shape)
        return constant.with_entries(entries if constant.is_float else exact_numbers.rounded(entries).astype(np.int64))

    return apply


def check_apart(call: Call, numbers: Sequence[Fraction], turn: Fraction, *, ties: bool = False) -> None:
    """Refuse numbers so near a jump that a computation in floats could come to lie on its other side.

    The jumps are `turn` beside whole numbers; a number that lies on one is refused with `ties` only.
    """
    for x in numbers:
        apart = min((x - turn) % 1, (turn - x) % 1)
        if (apart or ties) and apart < _NEAR * max(Fraction(1), abs(x)):
            call.refuse(f"rounds {float(x):.9g}, so near to where the result jumps that rounding errors would decide")


def _sign(x: Fraction) -> int:
    return (x > 0) - (x < 0)


def _logical(function: Callable[[Any, Any], Any]) -> Callable[[Call], Tensor]:
    def apply(call: Call) -> Tensor:
        first, second = _only_constants(call)
        common_shape([first, second])
        return Constant(function(first.entries.astype(np.bool_), second.entries.astype(np.bool_)), "bool")

    return apply


def _remainder(call: Call) -> Tensor:
    first, second = _only_constants(call)
    if first.is_float or call.whole("fmod", 0) or not second.entries.all():
        call.refuse("takes remainders of floats, with fmod = 1, or by zero; supported are integers with fmod = 0")
    return of_integers(lambda a, b: a % b, first.kind, first, second)


def _erf(values: Any) -> Any:
    return np.array([math.erf(x) for x in values.ravel().tolist()]).reshape(values.shape)


_LITERAL_FORM: Final = "; value value_float value_floats value_int value_ints"
_X: Final[Versions] = {(6, 13): "X ;"}
_INPUT: Final[Versions] = {(6, 13): "input ;"}
_LOGIC: Final[Versions] = {(7,): "A B ;"}


OPERATORS: Final[dict[str, Operator]] = {
    "And": operator(_logical(np.logical_and), _LOGIC),
    "Cast": operator(
        _cast,
        {(6, 9, 13): "input ; to", (19, 21, 23): "input ; saturate to", (24, 25, 28): "input ; round_mode saturate to"},
    ),
    "CastLike": operator(
        _cast_like,
        {
            (15,): "input target_type ;",
            (19, 21, 23): "input target_type ; saturate",
            (24, 25): "input target_type ; round_mode saturate",
        },
    ),
    "Ceil": operator(_whole(math.ceil, Fraction(0)), _X),
    "Constant": operator(_constant, {(1, 9, 11): "; value", (12, 13, 19, 21, 23, 24, 25): _LITERAL_FORM}),
    "ConstantOfShape": operator(_constant_of_shape, {(9, 20, 21, 23, 24, 25): "input ; value"}),
    "Cos": operator(_in_floats(np.cos), {(7, 22): "input ;"}),
    "Erf": operator(_in_floats(_erf), {(9, 13): "input ;"}),
    "Exp": operator(_in_floats(np.exp), _INPUT),
    "EyeLike": operator(_eye, {(9, 22): "input ; dtype k"}),
    "Floor": operator(_whole(math.floor, Fraction(0)), _X),
    "Log": operator(_in_floats(np.log), _INPUT),
    "Mod": operator(_remainder, {(10, 13, 28): "A B ; fmod"}),
    "Or": operator(_logical(np.logical_or), _LOGIC),
    "Pow": operator(_power, {(7, 12, 13, 15): "X Y ;"}),
    "Range": operator(_range, {(11,): "start limit delta ;", (27,): "start limit delta ; stash_type"}),
    "Reciprocal": operator(_reciprocal, _X),
    "Round": operator(_whole(round, Fraction(1, 2)), {(11, 22): "X ;"}),
    "Sign": operator(_whole(_sign), {(9, 13): "input ;"}),
    "Sin": operator(_in_floats(np.sin), {(7, 22): "input ;"}),
    "Softplus": operator(_in_floats(lambda x: np.logaddexp(0, x)), {(1, 22): "X ;"}),
    "Sqrt": operator(_in_floats(np.sqrt), _X),
    "Xor": operator(_logical(np.logical_xor), _LOGIC),
}
