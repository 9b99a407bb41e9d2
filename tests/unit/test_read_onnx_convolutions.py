"""Convolutions and pooling in ONNX files become exact affine maps."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from onnx_models import X, assert_agrees_with_onnxruntime, chain, f32, graph, i64, node
from relucensus.errors import CensusError, InvalidNetwork, UnsupportedModel
from relucensus.readers import ReaderLimits, read_model

CONV = node("Conv", X, f32(3, 2, 3, 3), f32(3), pads=[1, 1, 1, 1])
IMAGE = ("N", 2, 5, 4)

CONVOLUTIONS = {
    "plain": (IMAGE, 17, [node("Conv", X, f32(3, 2, 3, 3), f32(3))]),
    "without bias": (IMAGE, 17, [node("Conv", X, f32(3, 2, 2, 3))]),
    "padded": (IMAGE, 17, [CONV]),
    "uneven padding": (IMAGE, 17, [node("Conv", X, f32(3, 2, 3, 3), pads=[0, 1, 2, 0])]),
    "strides": (IMAGE, 17, [node("Conv", X, f32(3, 2, 2, 2), strides=[2, 1])]),
    "dilations": (IMAGE, 17, [node("Conv", X, f32(1, 2, 2, 2), dilations=[2, 3], pads=[1, 1, 0, 0])]),
    "groups": (IMAGE, 17, [node("Conv", X, f32(4, 1, 2, 2), f32(4), group=2)]),
    "same upper": (IMAGE, 17, [node("Conv", X, f32(1, 2, 2, 3), auto_pad="SAME_UPPER", strides=[2, 2])]),
    "same lower": (IMAGE, 17, [node("Conv", X, f32(1, 2, 2, 4), auto_pad="SAME_LOWER")]),
    "valid": (IMAGE, 8, [node("Conv", X, f32(1, 2, 2, 2), auto_pad="VALID", kernel_shape=[2, 2])]),
    "one axis": (("N", 2, 6), 17, [node("Conv", X, f32(3, 2, 3), strides=[2], pads=[1, 1])]),
    "three axes": (("N", 1, 3, 2, 4), 17, [node("Conv", X, f32(2, 1, 2, 2, 2), pads=[0, 1, 0, 0, 0, 0])]),
    "window larger than the image": (IMAGE, 17, [node("Conv", X, f32(1, 2, 7, 3), pads=[1, 0, 1, 0])]),
    "normalised image": (IMAGE, 17, [node("Sub", X, f32(2, 1, 1)), node("Div", X, f32(2, 1, 1)), CONV]),
    "two in a row": (IMAGE, 17, [CONV, node("Conv", X, f32(2, 3, 2, 2))]),
    "average": (IMAGE, 17, [node("AveragePool", kernel_shape=[2, 2], strides=[2, 2])]),
    "average padded": (IMAGE, 17, [node("AveragePool", kernel_shape=[3, 2], pads=[1, 1, 1, 0])]),
    "average counting the padding": (
        IMAGE,
        17,
        [node("AveragePool", kernel_shape=[3, 2], pads=[1, 1, 1, 0], count_include_pad=1)],
    ),
    "average same": (IMAGE, 17, [node("AveragePool", kernel_shape=[2, 3], strides=[2, 2], auto_pad="SAME_UPPER")]),
    "average dilated": (IMAGE, 19, [node("AveragePool", kernel_shape=[2, 2], dilations=[2, 2])]),
    "average with ceil that changes nothing": (
        IMAGE,
        17,
        [node("AveragePool", kernel_shape=[3, 2], strides=[2, 2], ceil_mode=1)],
    ),
    "average of all": (IMAGE, 17, [node("GlobalAveragePool")]),
    "batch normalisation": (IMAGE, 17, [CONV, node("BatchNormalization", X, f32(3), f32(3), f32(3), np.abs(f32(3)))]),
    "prelu per channel": (IMAGE, 17, [CONV, node("PRelu", X, f32(3, 1, 1))]),
    "a whole network": (
        IMAGE,
        17,
        [
            CONV,
            node("Relu"),
            node("AveragePool", kernel_shape=[2, 2], strides=[2, 2]),
            node("Conv", X, f32(2, 3, 2, 2), f32(2)),
            node("Clip", X, np.float32(0), np.float32(6)),
            node("Flatten"),
            node("Gemm", X, f32(2, 3), f32(3)),
        ],
    ),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution_is_read_as_the_function_onnxruntime_computes(name: str) -> None:
    shape, opset, nodes = CONVOLUTIONS[name]
    head = [node("Relu"), node("Reshape", X, i64(1, -1))]
    assert_agrees_with_onnxruntime(chain([*nodes, *head], shape=(1, *shape[1:]), opset=opset))


def test_a_convolution_of_a_fixed_batch_is_read_for_one_sample() -> None:
    nodes = [CONV, node("Relu"), node("GlobalAveragePool"), node("Flatten")]
    assert_agrees_with_onnxruntime(chain(nodes, shape=(4, 2, 5, 4)), batch=4)


def test_a_residual_block_of_convolutions_is_read() -> None:
    constants = {"w": f32(2, 2, 3, 3), "v": f32(2, 2, 3, 3), "b": f32(2)}
    nodes = [
        ("Relu", "x", "r"),
        ("Conv", "r w b", "a", {"pads": [1, 1, 1, 1]}),
        ("Relu", "a", "s"),
        ("Conv", "s v", "c", {"pads": [1, 1, 1, 1]}),
        ("Add", "c r", "d"),
        ("Relu", "d", "y"),
    ]
    data = graph(nodes, constants, shape=("N", 2, 4, 3))
    assert_agrees_with_onnxruntime(data)
    assert read_model(data).network.widths == (24, 48, 24)


def test_the_mean_of_three_is_an_exact_third() -> None:
    layer = read_model(chain([node("AveragePool", kernel_shape=[3])], shape=("N", 1, 3))).network.output
    entries = [Fraction(int(c), layer.exact.denominator) for c in layer.exact.coefficients.entries()]
    assert entries == [Fraction(1, 3)] * 3


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (node("Conv", X, f32(3, 1, 3, 3)), "weights of shape 3x1x3x3 in 1 groups"),
        (node("Conv", X, f32(3, 2, 3, 3), group=0), "in 0 groups"),
        (node("Conv", X, f32(3, 1, 3, 3), group=2), "in 2 groups"),
        (node("Conv", X, f32(3, 2, 3, 3), kernel_shape=[2, 2]), "a window of 2x2"),
        (node("Conv", X, f32(3, 2, 3)), "a window with 1 axes for an input of shape"),
        (node("Conv", X, f32(3, 2, 3, 3), f32(2)), "has a bias of shape (2,); needed is (3,)"),
        (node("Conv", X, f32(3, 2, 6, 3)), "does not fit into 5x4"),
        (node("Conv", X, f32(3, 2, 3, 3), strides=[0, 1]), "has strides [0, 1]; needed are 2 numbers of at least 1"),
        (node("Conv", X, f32(3, 2, 3, 3), dilations=[1]), "has dilations [1]"),
        (node("Conv", X, f32(3, 2, 3, 3), pads=[-1, 0, 0, 0]), "has padding before [-1, 0]"),
        (node("Conv", X, f32(3, 2, 3, 3), pads=[1, 1]), "has 2 pads; needed are 4"),
        (node("Conv", X, f32(3, 2, 3, 3), pads=[2**62] * 4), "has padding before"),
        (node("Conv", X, f32(3, 2, 3, 3), auto_pad="SAME"), "has auto_pad = 'SAME'; known are"),
        (node("Conv", X, np.full((1, 2, 1, 1), np.nan, np.float32)), "holds nan at [0, 0, 0, 0]"),
        (node("Conv", f32(1, 2, 5, 4), X), "takes its W from the network's input"),
        (
            node("AveragePool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1, count_include_pad=1),
            "has ceil_mode = 1, count_include_pad = 1 and windows that do not fit evenly",
        ),
        (node("AveragePool", kernel_shape=[1, 1], pads=[1, 0, 0, 0]), "a window that lies in the padding"),
        (node("AveragePool", kernel_shape=[2]), "a window with 1 axes"),
        (node("AveragePool", kernel_shape=[0, 2]), "has kernel [0, 2]"),
        (node("MaxPool", kernel_shape=[1, 1], pads=[1, 0, 0, 0]), "a window that lies in the padding"),
    ],
)
def test_a_window_that_does_not_fit_is_refused_with_the_node(operation: Any, words: str) -> None:
    with pytest.raises(CensusError) as caught:
        read_model(chain([operation], shape=IMAGE))
    assert isinstance(caught.value, InvalidNetwork | UnsupportedModel)
    assert str(caught.value).startswith(("node 'n0'", "tensor"))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("operation", "shape", "words"),
    [
        (
            node("Conv", X, f32(64, 16, 5, 5), pads=[2, 2, 2, 2]),
            ("N", 16, 32, 32),
            "26214400 weights; accepted are at most 10000000",
        ),
        (node("Conv", X, f32(1, 1, 1, 1), pads=[10**6] * 4), ("N", 1, 1, 1), "accepted are at most 10000000 entries"),
        (node("Conv", X, f32(1, 1, 900, 900), pads=[600] * 4), ("N", 1, 1, 1), "a window of 900x900 entries at"),
        (
            node("AveragePool", kernel_shape=[2**31 - 1] * 2, pads=[2**30] * 4, count_include_pad=1),
            ("N", 1, 1, 1),
            "accepted are at most 10000000 entries",
        ),
        (node("Conv", X, f32(1, 1, 1, 1), pads=[900] * 4), ("N", 1, 1, 1), "a value has 3243601 entries"),
    ],
)
def test_a_huge_convolution_is_refused_before_it_is_built(operation: Any, shape: Any, words: str) -> None:
    with pytest.raises(UnsupportedModel) as caught:
        read_model(chain([operation], shape=shape))
    assert words in str(caught.value)


def test_the_limit_on_weights_holds_for_convolutions() -> None:
    data = chain([CONV], shape=IMAGE)
    with pytest.raises(UnsupportedModel, match="1080 weights; accepted are at most 1079"):
        read_model(data, limits=ReaderLimits(weights=1079))
