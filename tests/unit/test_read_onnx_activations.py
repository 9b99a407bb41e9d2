"""Activations in ONNX files other than ReLU: the functions that onnxruntime computes, with exact breakpoints."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from onnx import TensorProto

from onnx_models import X, assert_agrees_with_onnxruntime, chain, f32, node
from relucensus.readers import read_model
from relucensus.values.activation import ABS, IDENTITY, RELU, RELU6, Activation, clip, leaky_relu

HEAD = node("Gemm", X, f32(4, 2), f32(2))
FIRST = node("Gemm", X, f32(3, 4), f32(4))
SLOPES = np.float32([0.2, 1.0, -3.0, 1.5])
LARGEST = float(np.finfo(np.float32).max)


def f(number: float) -> np.ndarray:
    return np.float32(number)


ACTIVATIONS = {
    "relu": (17, node("Relu"), (RELU,)),
    "abs": (17, node("Abs"), (ABS,)),
    "leaky": (17, node("LeakyRelu", alpha=0.2), (leaky_relu(float(f(0.2))),)),
    "leaky with the default slope": (9, node("LeakyRelu"), (leaky_relu(float(f(0.01))),)),
    "leaky with a large slope": (17, node("LeakyRelu", alpha=1.75), (leaky_relu(1.75),)),
    "leaky with a negative slope": (17, node("LeakyRelu", alpha=-0.5), (leaky_relu(-0.5),)),
    "prelu": (17, node("PRelu", X, SLOPES), tuple(leaky_relu(float(s)) for s in SLOPES)),
    "prelu with one slope": (17, node("PRelu", X, f32(1)), None),
    "prelu with a scalar": (9, node("PRelu", X, f(0.25)), (leaky_relu(0.25),)),
    "relu6": (17, node("Clip", X, f(0), f(6)), (RELU6,)),
    "hard tanh": (11, node("Clip", X, f(-1), f(1)), (clip(-1, 1),)),
    "clip from below": (17, node("Clip", X, f(-0.5)), (clip(-0.5, None),)),
    "clip from above": (17, node("Clip", X, "", f(0.5)), (clip(None, 0.5),)),
    "clip to infinity": (17, node("Clip", X, f(-0.5), f(np.inf)), (clip(-0.5, None),)),
    "clip to one number": (17, node("Clip", X, f(0.5), f(0.5)), None),
    "clip of opset 8": (8, node("Clip", min=-0.25, max=0.5), (clip(-0.25, 0.5),)),
    "clip of opset 10 from below": (10, node("Clip", min=0.0), (RELU,)),
    "clip of opset 10 written out": (10, node("Clip", min=0.0, max=LARGEST), (RELU,)),
    "clip of nothing": (17, node("Clip"), None),
    "leaky with the slope 1": (17, node("LeakyRelu", alpha=1.0), None),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_read_as_the_function_onnxruntime_computes(name: str) -> None:
    opset, activation, expected = ACTIVATIONS[name]
    data = chain([FIRST, activation, HEAD], opset=opset)
    assert_agrees_with_onnxruntime(data)
    if expected is not None:
        (layer,) = read_model(data).network.hidden
        assert layer.activations == expected


@pytest.mark.parametrize("name", ["clip of nothing", "leaky with the slope 1", "clip to one number"])
def test_what_never_bends_makes_no_layer(name: str) -> None:
    assert read_model(chain([FIRST, ACTIVATIONS[name][1], HEAD])).network.hidden == ()


def test_the_slopes_of_a_prelu_are_those_of_the_channels() -> None:
    data = chain([node("PRelu", X, f32(2, 1, 1))], shape=("N", 2, 2, 3))
    assert_agrees_with_onnxruntime(data)
    first, second = (read_model(data).network.hidden[0].activations[i] for i in (0, 11))
    assert first != second
    assert read_model(data).network.hidden[0].activations == (first,) * 6 + (second,) * 6


def test_breakpoints_of_double_precision_are_kept_exactly() -> None:
    data = chain([node("Clip", X, np.float64(0.1), np.float64(0.7))], kind=TensorProto.DOUBLE)
    (activation,) = read_model(data).network.hidden[0].activations
    assert activation.breakpoints == (Fraction(0.1), Fraction(0.7))
    assert activation == Activation.of([0.1, 0.7], [0, 1, 0], 0.1)


def test_several_activations_follow_each_other() -> None:
    data = chain([FIRST, node("Clip", X, f(-1), f(1)), node("Abs"), node("Relu"), HEAD])
    assert_agrees_with_onnxruntime(data)
    assert [layer.activations for layer in read_model(data).network.hidden] == [(clip(-1, 1),), (ABS,), (RELU,)]


def test_a_row_whose_slope_is_one_is_linear() -> None:
    (layer,) = read_model(chain([FIRST, node("PRelu", X, SLOPES), HEAD])).network.hidden
    assert layer.activations[1] == IDENTITY
    assert layer.bent == (True, False, True, True)
