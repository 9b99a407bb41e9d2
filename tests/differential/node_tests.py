"""The node tests of the onnx package as networks: one input stays the input, the others become initialisers.

A test with a float input that its operator is linear or bent in makes a case for each such input. One whose operator
only makes constants is added to an input of its own; the shape of an input is multiplied by its sum.
"""

from __future__ import annotations

import re
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from differential.case import FLOATS, Case, dtype_of, points_for
from differential.families import ANY_TYPE, CONSTANT, FAMILIES, JOINTLY, LEFT_OUT, LEFT_OUT_TESTS, VALUES

_SHAPES = ("Shape", "Size")
_NUMBERS = (
    *FLOATS,
    *(getattr(TensorProto, f"{u}INT{n}") for u in ("", "U") for n in (8, 16, 32, 64)),
    TensorProto.BOOL,
)
_MOST_INPUTS = 20_000


class LeftOut(Exception):
    """A test that makes no network; the text says why."""


@cache
def collected() -> tuple[Any, ...]:
    """Every node test of the installed onnx package, its data drawn with a fixed seed."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases  # noqa: PLC0415 - slow: it draws all data

        state = np.random.get_state()
        np.random.seed(0)
        found = tuple(collect_testcases(None))
        np.random.set_state(state)
    return found


def node_cases() -> tuple[list[Case], Counter[str]]:
    """The cases of the families, and the number of tests left out, by reason."""
    kinds = _operators()
    cases: list[Case] = []
    left_out: Counter[str] = Counter()
    for test in collected():
        try:
            cases.extend(_family_cases(test, kinds[_plain(test.name)]))
        except LeftOut as reason:
            left_out[str(reason)] += 1
    return cases, left_out


def constant_cases() -> list[Case]:
    """Every test that makes a number out of tensors, whatever its operator, evaluated and added to an input."""
    kinds = _operators()
    cases = []
    for test in collected():
        operator = kinds[_plain(test.name)]
        try:
            _check_random(test, operator)
            cases.append(_added(test, operator, f"{test.name}[constant]"))
        except LeftOut:
            continue
    return cases


def _operators() -> dict[str, str]:
    """The operator of every test, by its name; an expanded function counts as its operator."""
    found = {}
    for test in collected():
        node = test.model.graph.node[-1]
        if _plain(test.name) == test.name:
            found[test.name] = f"{node.domain}:{node.op_type}" if node.domain else node.op_type
    return found


def _plain(name: str) -> str:
    return re.sub(r"_expanded(_ver\d+)?$", "", name)


def _family_cases(test: Any, operator: str) -> Iterator[Case]:
    if operator not in FAMILIES:
        raise LeftOut(LEFT_OUT.get(operator, f"{operator} is in no table"))
    for prefix, reason in LEFT_OUT_TESTS.items():
        if test.name.startswith(prefix):
            raise LeftOut(reason)
    if operator in ("Softmax", "LogSoftmax") and test.name != _plain(test.name):
        raise LeftOut("the body of a function that is not piecewise linear")
    if operator in CONSTANT:
        yield _scaled(test, operator) if operator in _SHAPES else _added(test, operator, test.name)
        return
    test = _retyped(test, operator)
    inputs = _inputs(test)
    allowed = VALUES.get(operator, (0,))
    kinds = [info.type.tensor_type.elem_type for info in test.model.graph.input]
    floats = [k for k in allowed if k < len(kinds) and kinds[k] in FLOATS]
    chosen = [k for k in floats if inputs[k].size]
    if not chosen:
        raise LeftOut("a tensor without entries" if floats else "integers, truth values or strings only")
    for k in chosen:
        yield _case(test, operator, [k], f"{test.name}[{k}]" if len(chosen) > 1 else test.name)
    if operator in JOINTLY and len(chosen) > 1:
        yield _case(test, operator, chosen, f"{test.name}[all]")


def _retyped(test: Any, operator: str) -> Any:
    """The test with floats for the integers that an operator of any type moves about."""
    moved = ANY_TYPE.get(operator, ())
    values = test.model.graph.input[:]
    if not moved or values[moved[0]].type.tensor_type.elem_type in FLOATS:
        return test
    model, given = _copied(test), _inputs(test)
    for k in moved:
        if k < len(given):
            given[k] = given[k].astype(np.float32)
            model.graph.input[k].type.tensor_type.elem_type = TensorProto.FLOAT
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    return SimpleNamespace(name=test.name, model=model, data_sets=[(given, test.data_sets[0][1])])


def _check_random(test: Any, operator: str) -> None:
    if operator in ("Bernoulli", "ImageDecoder") or test.name.startswith("test_training_dropout"):
        raise LeftOut("random")


def _inputs(test: Any) -> list[np.ndarray]:
    given = [_array(one) for one in test.data_sets[0][0]]
    tensors = all(info.type.HasField("tensor_type") for info in test.model.graph.input)
    if not tensors or len(given) != len(test.model.graph.input):
        raise LeftOut("sequences, optional values and loops")
    return given


def _array(value: Any) -> np.ndarray:
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    raise LeftOut("sequences, optional values and loops")


def _case(test: Any, operator: str, chosen: list[int], name: str) -> Case:
    """The test with these of its inputs as the network's."""
    inputs = _inputs(test)
    model = _copied(test)
    _fix(model, {info.name: inputs[k] for k, info in enumerate(model.graph.input) if k not in chosen})
    _keep_float_outputs(model, operator)
    if not all(_array(one).size for one in test.data_sets[0][1]):
        raise LeftOut("a tensor without entries")
    if sum(inputs[k].size for k in chosen) > _MOST_INPUTS:
        raise LeftOut("larger than a test should be")
    own = np.concatenate([inputs[k].astype(np.float64).ravel() for k in chosen])
    one = any(d.dim_value > 1 for k in chosen for d in test.model.graph.input[k].type.tensor_type.shape.dim[:1])
    return _finished(name, operator, model, own, {"batch_axis": "none"} if one else {})


def _added(test: Any, operator: str, name: str) -> Case:
    """An input plus the first output of the test, which is a constant."""
    inputs = _inputs(test)
    _, outputs = test.data_sets[0]
    result = _array(outputs[0])
    kind = test.model.graph.output[0].type.tensor_type.elem_type
    if kind not in _NUMBERS or not result.size or result.size > _MOST_INPUTS:
        raise LeftOut("sequences, optional values and loops")
    if not np.isfinite(result.astype(np.float64)).all():
        raise LeftOut("infinities")
    model = _copied(test)
    graph = model.graph
    _fix(model, {info.name: array for info, array in zip(graph.input, inputs, strict=True)})
    value = _as_float(graph, kind)
    graph.input.append(helper.make_tensor_value_info("the input", TensorProto.FLOAT, result.shape))
    graph.node.append(helper.make_node("Add", ["the input", value], ["the result"]))
    return _ended(name, operator, model, np.zeros(result.size), result.shape)


def _scaled(test: Any, operator: str) -> Case:
    """The sum of an input times the numbers that the test makes of its shape."""
    (given,) = _inputs(test)
    if not _array(test.data_sets[0][1][0]).size:
        raise LeftOut("a tensor without entries")
    model = _copied(test)
    graph = model.graph
    value = _as_float(graph, TensorProto.INT64)
    graph.node.append(helper.make_node("ReduceSum", [graph.input[0].name], ["total"], keepdims=0))
    graph.node.append(helper.make_node("Mul", ["total", value], ["the result"]))
    return _ended(test.name, operator, model, given.astype(np.float64).ravel(), given.shape)


def _as_float(graph: onnx.GraphProto, kind: int) -> str:
    name = str(graph.output[0].name)
    if kind == TensorProto.FLOAT:
        return name
    graph.node.append(helper.make_node("Cast", [name], ["as_float"], to=TensorProto.FLOAT))
    return "as_float"


def _ended(name: str, operator: str, model: onnx.ModelProto, own: np.ndarray, shape: tuple[int, ...]) -> Case:
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("the result", TensorProto.FLOAT, None))
    if not any(entry.domain == "" for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", 17))
    return _finished(name, operator, model, own, {"batch_axis": "none"} if shape[:1] > (1,) else {})


def _finished(name: str, operator: str, model: onnx.ModelProto, own: np.ndarray, options: dict[str, Any]) -> Case:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    dtype = dtype_of(model)
    points = points_for(len(own), dtype, rng)
    if np.isfinite(own).all() and np.abs(own).max(initial=0) < 1e4:
        points.append(own)
    return Case(name, operator, model, points, None, dtype, options)


def _copied(test: Any) -> onnx.ModelProto:
    model = onnx.ModelProto()
    model.CopyFrom(test.model)
    return model


def _fix(model: onnx.ModelProto, arrays: dict[str, np.ndarray]) -> None:
    """Make these inputs initialisers, in the type that they are declared with."""
    kinds = {info.name: info.type.tensor_type.elem_type for info in model.graph.input}
    kept = [info for info in model.graph.input if info.name not in arrays]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    for name, array in arrays.items():
        tensor = numpy_helper.from_array(array, name)
        if tensor.data_type != kinds[name]:
            raise LeftOut("types that numpy does not have")
        model.graph.initializer.append(tensor)


def _keep_float_outputs(model: onnx.ModelProto, operator: str) -> None:
    """Leave the outputs that are numbers of a network; an ArgMax has none and keeps its own."""
    floats = [info for info in model.graph.output if info.type.tensor_type.elem_type in FLOATS]
    if not floats and operator != "ArgMax":
        raise LeftOut("rounds to integers, or to floats of 8 bits")
    if floats:
        del model.graph.output[:]
        model.graph.output.extend(floats)
