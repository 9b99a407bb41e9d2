"""The same graph as other programs write it: in local functions and branches, in another order, with spare parts."""

from __future__ import annotations

import random

import numpy as np
import onnx
from onnx import helper, numpy_helper

from differential.case import LEFT_OFF

DOMAIN = "local.functions"


def wrapped(model: onnx.ModelProto, rng: random.Random) -> onnx.ModelProto:
    """The model with one of its nodes in a local function, or in a branch whose condition is a constant."""
    found = onnx.ModelProto()
    found.CopyFrom(model)
    opset = model.opset_import[0].version
    nodes = enumerate(model.graph.node)
    able = [k for k, node in nodes if all(node.input) and node.input and node.op_type not in LEFT_OFF]
    if not able:
        return found
    place = rng.choice(able)
    if rng.random() < 0.5 and opset >= 15:
        _into_function(found, place, opset)
    elif opset >= 11:
        _into_branch(found, place, taken=rng.random() < 0.5)
    return found


def _into_function(model: onnx.ModelProto, place: int, opset: int) -> None:
    node = model.graph.node[place]
    inputs = list(dict.fromkeys(node.input))
    body = onnx.NodeProto()
    body.CopyFrom(node)
    imports = [helper.make_opsetid("", opset)]
    model.functions.append(helper.make_function(DOMAIN, "Wrapped", inputs, list(node.output), [body], imports))
    unused = helper.make_node("Tanh", ["a"], ["b"])
    model.functions.append(helper.make_function(DOMAIN, "Unused", ["a"], ["b"], [unused], imports))
    node.CopyFrom(helper.make_node("Wrapped", inputs, list(node.output), domain=DOMAIN))
    model.opset_import.append(helper.make_opsetid(DOMAIN, 1))


def _into_branch(model: onnx.ModelProto, place: int, *, taken: bool) -> None:
    node = model.graph.node[place]
    body = onnx.NodeProto()
    body.CopyFrom(node)
    renamed = [f"{name}_inside" for name in node.output]
    del body.output[:]
    body.output.extend(renamed)
    results = [onnx.ValueInfoProto(name=name) for name in renamed]
    others = [onnx.ValueInfoProto(name=f"{name}_other") for name in node.output]
    spare = [helper.make_node("Identity", [node.input[0]], [info.name]) for info in others]
    branches = [helper.make_graph([body], "known", [], results), helper.make_graph(spare, "other", [], others)]
    if not taken:
        branches.reverse()
    condition = numpy_helper.from_array(np.array(taken), "the_condition")
    model.graph.initializer.append(condition)
    outputs = list(node.output)
    node.CopyFrom(helper.make_node("If", ["the_condition"], outputs, then_branch=branches[0], else_branch=branches[1]))


def disguised(model: onnx.ModelProto, rng: random.Random) -> bytes:
    """The bytes of the same model: nodes in any order, constants among the inputs, imports twice, unused constants."""
    found = onnx.ModelProto()
    found.CopyFrom(model)
    graph = found.graph
    if rng.random() < 0.4:
        nodes = list(model.graph.node)
        rng.shuffle(nodes)
        graph.ClearField("node")
        graph.node.extend(nodes)
    if rng.random() < 0.4:
        for tensor in rng.sample(list(graph.initializer), len(graph.initializer) // 2):
            place = rng.randrange(len(graph.input) + 1)
            graph.input.insert(place, helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    if rng.random() < 0.3:
        graph.initializer.append(numpy_helper.from_array(np.full((2, 2), np.nan, np.float32), "unused"))
    version = found.opset_import[0].version
    if rng.random() < 0.3:
        found.opset_import[0].domain = "ai.onnx"
    if rng.random() < 0.2:
        found.opset_import.append(helper.make_opsetid("", version))
    if rng.random() < 0.3:
        found.opset_import.append(helper.make_opsetid("com.example.unused", 3))
    return bytes(found.SerializeToString())
