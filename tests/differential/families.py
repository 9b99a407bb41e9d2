"""Which operators can belong to a piecewise-linear network, and why each of the others is left out.

The tests of the onnx package are cases by these tables; `node_tests.txt` has the list of the cases themselves.
"""

from __future__ import annotations

from typing import Final

AFFINE: Final = """
    Add AveragePool BatchNormalization Cast CastLike CenterCropPad Col2Im Compress Concat Conv ConvTranspose CumSum
    DepthToSpace Div Dropout Einsum Expand Flatten Gather GatherElements GatherND Gemm GlobalAveragePool Identity MatMul
    Mean Mul Neg Pad ReduceMean ReduceSum Reshape Resize ReverseSequence Scatter ScatterElements ScatterND Slice
    SpaceToDepth Split Squeeze Sub Sum Tile Transpose Trilu Unsqueeze Upsample Where ai.onnx.ml:ArrayFeatureExtractor
    ai.onnx.ml:Scaler
""".split()
PIECEWISE_LINEAR: Final = """
    Abs Clip GlobalMaxPool HardSigmoid LeakyRelu Max MaxPool Min PRelu ReduceL1 ReduceMax ReduceMin Relu Shrink
    ThresholdedRelu
""".split()
LAST: Final = "ArgMax LogSoftmax Sigmoid Softmax Tanh TopK".split()
CONSTANT: Final = "Constant ConstantOfShape DequantizeLinear EyeLike If Range Shape Size".split()
FAMILIES: Final = (*AFFINE, *PIECEWISE_LINEAR, *LAST, *CONSTANT)

_CURVED = "not piecewise linear"
_STEP = "not continuous"
_PRODUCT = "multiplies activations"
_WHOLE = "integers, truth values or strings only"
_RARE = "linear in one input, but nobody writes it into such a network"
_LOOP = "sequences, optional values and loops"
LEFT_OUT: Final = {
    **dict.fromkeys(
        """Acos Acosh Asin Asinh Atan Atanh Celu Cos Cosh Elu Erf Exp Gelu HardSwish Log LpNormalization LpPool LRN Mish
        Pow Reciprocal ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare Selu Sin Sinh Softplus Softsign Sqrt SwiGLU
        Swish Tan MeanVarianceNormalization NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss GroupNormalization
        InstanceNormalization LayerNormalization RMSNormalization""".split(),
        _CURVED,
    ),
    **dict.fromkeys(
        """Ceil Floor Round Sign Mod Hardmax ArgMin QuantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul
        ConvInteger MatMulInteger IsInf IsNaN NonMaxSuppression NonZero Unique ai.onnx.ml:Binarizer
        ai.onnx.ml:TreeEnsemble""".split(),
        _STEP,
    ),
    **dict.fromkeys(
        """Attention CausalConvWithState CumProd Det GRU LinearAttention LSTM ReduceProd RNN
        ai.onnx.preview:FlexAttention ai.onnx.preview.training:Adagrad ai.onnx.preview.training:Adam
        ai.onnx.preview.training:Momentum""".split(),
        _PRODUCT,
    ),
    **dict.fromkeys(
        """And BitCast BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Equal Greater GreaterOrEqual Less LessOrEqual
        Not OneHot Or Xor RegexFullMatch StringConcat StringNormalizer StringSplit TfIdfVectorizer ImageDecoder
        ai.onnx.ml:LabelEncoder""".split(),
        _WHOLE,
    ),
    **dict.fromkeys(
        """AffineGrid BlackmanWindow DeformConv DFT GridSample HammingWindow HannWindow MaxUnpool MelWeightMatrix
        RoiAlign RotaryEmbedding STFT TensorScatter""".split(),
        _RARE,
    ),
    **dict.fromkeys(
        """Loop OptionalGetElement OptionalHasElement Scan SequenceInsert SequenceMap SplitToSequence""".split(), _LOOP
    ),
    "Bernoulli": "random",
}

# Tests of operators in the families that are left out by name: a prefix, and why.
LEFT_OUT_TESTS: Final = {
    "test_thresholdedrelu": _STEP,
    "test_shrink_hard": _STEP,
    "test_training_dropout": "training mode: random",
    "test_batchnorm_example_training_mode": "training mode: statistics of the batch",
    "test_batchnorm_epsilon_training_mode": "training mode: statistics of the batch",
}

# The inputs that may be the network's: the first is where nothing is said.
VALUES: Final = {
    **dict.fromkeys("Add Sub Sum Mean Max Min Concat Mul MatMul Einsum".split(), tuple(range(8))),
    "Gemm": (0, 1, 2),
    "Where": (1, 2),
    **dict.fromkeys("Scatter ScatterElements ScatterND".split(), (0, 2)),
}
# Operators that are linear, or bent, in all of those at once.
JOINTLY: Final = "Add Sub Sum Mean Max Min Concat Where Scatter ScatterElements".split()
# Operators that move values of any type, by the inputs that are moved: a test with integers is one with floats.
ANY_TYPE: Final = {"Trilu": (0,), "Pad": (0, 2), "GatherND": (0,), "TopK": (0,), "Where": (1, 2)}
