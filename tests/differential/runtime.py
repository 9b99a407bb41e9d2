"""Programs of others that evaluate an ONNX model: onnxruntime, and onnx.reference where that cannot."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

Feeds = Mapping[str, np.ndarray]
Run = Callable[[Feeds], list[Any]]

_OPTIONS: Final = onnxruntime.SessionOptions()
_OPTIONS.intra_op_num_threads = 1
_OPTIONS.inter_op_num_threads = 1
_OPTIONS.log_severity_level = 4
_OPTIONS.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
onnxruntime.set_default_logger_severity(4)


class CannotRun(Exception):
    """No runtime evaluates the model."""


def by_onnxruntime(model: onnx.ModelProto) -> Run:
    """The model in onnxruntime, on one thread, without its rewriting of graphs."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), _OPTIONS, providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, dict(feeds))


def by_reference(model: onnx.ModelProto) -> Run:
    """The model in onnx.reference."""
    evaluator = ReferenceEvaluator(model)

    def run(feeds: Feeds) -> list[Any]:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return list(evaluator.run(None, dict(feeds)))

    return run


@cache
def runs_opset(opset: int) -> bool:
    """Whether onnxruntime knows this version of the standard operators."""
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "graph", infos[:1], infos[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    try:
        by_onnxruntime(model)
    except Exception:  # its own kinds of errors
        return False
    return True


RUNTIMES: Final = {"onnxruntime": by_onnxruntime, "onnx.reference": by_reference}


def outputs_of(name: str, model: onnx.ModelProto, feeds: list[Feeds]) -> list[list[Any]]:
    """The outputs of one runtime; raises whatever that raises."""
    run = RUNTIMES[name](model)
    return [run(one) for one in feeds]
