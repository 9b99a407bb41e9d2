"""Seeded random graphs: operators with attributes as documented, stacked; each is one case of its seed."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import onnx
from onnx import helper

from differential import draws_affine as affine
from differential import draws_bends as bends
from differential import draws_forms as forms
from differential.builder import Builder, Rejected, Tensor, model_of
from differential.case import Case, points_for
from differential.disguises import disguised, wrapped
from differential.judge import expectation
from differential.runtime import CannotRun, runs_opset

FIRST_OPSET: Final = 7
NEWEST_OPSET: Final = int(onnx.defs.onnx_opset_version())

Draw = Callable[[Builder, Tensor], Tensor]
# How often, since which opset.
_DRAWS: Final[list[tuple[int, int, Draw]]] = [
    (6, 7, affine.gemm),
    (6, 7, affine.matmul),
    (2, 12, affine.einsum),
    (1, 11, affine.fused),
    (4, 7, affine.add),
    (3, 7, affine.multiply),
    (1, 7, affine.negate),
    (2, 8, affine.several),
    (3, 7, affine.reduce),
    (1, 14, affine.cumsum),
    (2, 7, affine.batch_normalization),
    (6, 7, affine.conv),
    (3, 7, affine.conv_transpose),
    (3, 7, affine.average_pool),
    (1, 7, affine.global_average_pool),
    (3, 7, affine.resize),
    (1, 9, affine.constant_condition),
    (3, 7, forms.slices),
    (2, 7, forms.split),
    (2, 7, forms.gather),
    (1, 11, forms.gather_elements),
    (1, 12, forms.gather_nd),
    (3, 7, forms.pad),
    (1, 7, forms.squeeze),
    (1, 7, forms.unsqueeze),
    (2, 7, forms.transpose),
    (2, 7, forms.flatten),
    (2, 7, forms.reshape),
    (2, 7, forms.reshape_by_shape),
    (1, 8, forms.expand),
    (1, 7, forms.tile),
    (3, 7, forms.concat),
    (1, 14, forms.trilu),
    (2, 7, forms.depth_to_space),
    (1, 9, forms.cast),
    (1, 7, forms.passed_on),
    (1, 11, forms.scatter),
    (1, 7, forms.reverse_rows),
    (12, 7, bends.activation),
    (3, 7, bends.clip),
    (2, 7, bends.prelu),
    (4, 8, bends.extreme),
    (2, 7, bends.extreme_of_axes),
    (3, 7, bends.max_pool),
    (2, 9, bends.chosen_by_sign),
    (1, 9, bends.times_sign),
    (1, 9, bends.shrink),
]
_BATCHES: Final = (*["symbolic"] * 6, *["unit"] * 3, "none", "none", "first")
_SHAPES: Final = ((3,), (4,), (6,), (2, 3), (4, 2), (1, 4, 4), (2, 4, 4), (4, 2, 2), (2, 5), (1, 2, 3))


def random_cases(count: int, seed: int) -> tuple[list[Case], Counter[str]]:
    """As many cases as asked for, and how many graphs were given up, by reason."""
    cases: list[Case] = []
    dropped: Counter[str] = Counter()
    while len(cases) < count:
        try:
            cases.append(random_case(seed))
        except Rejected as reason:
            dropped[str(reason).partition(":")[0]] += 1
        seed += 1
    return cases, dropped


def random_case(seed: int) -> Case:
    """The case of this seed.

    Raises:
        Rejected: a graph that no runtime takes, or that mixes the points of a batch.
    """
    rng = random.Random(seed)
    opset = rng.randint(FIRST_OPSET, NEWEST_OPSET)
    kind = rng.choice(_BATCHES)
    dtype = np.float64 if rng.random() < 0.08 else np.float32
    b = Builder(rng, opset, kind in ("symbolic", "first"), kind == "symbolic", dtype)
    count = {"symbolic": 2, "unit": 1, "none": rng.randint(2, 3), "first": rng.randint(2, 3)}[kind]
    inputs = [_input(b, "x", (count, *rng.choice(_SHAPES)))]
    if b.chance(0.1):
        inputs.append(_input(b, "other", inputs[0].shape))
    b.pool.extend(inputs)
    if len(inputs) > 1:
        b.pool.append(b.one(rng.choice(("Add", "Sub")), *inputs))
    _grow(b)
    outputs = _outputs(b)
    if any(one in inputs for one in outputs) or not _used(b, inputs, outputs):
        raise Rejected("an input that nothing is done with")
    case = _case(b, inputs, outputs, seed, kind)
    if b.chance(0.15):
        case = replace(case, model=wrapped(case.model, rng))
    check(case)
    return replace(case, data=disguised(case.model, rng)) if b.chance(0.2) else case


def _used(b: Builder, inputs: list[Tensor], outputs: list[Tensor]) -> bool:
    """Whether every input matters to an output."""
    needed = {one.name for one in outputs}
    for node in reversed(b.nodes):
        if needed & set(node.output):
            needed |= set(node.input)
    return all(one.name in needed for one in inputs)


def _input(b: Builder, name: str, shape: tuple[int, ...]) -> Tensor:
    return Tensor(name, np.random.default_rng(b.rng.randrange(2**32)).normal(size=shape).astype(b.dtype))


def _grow(b: Builder) -> None:
    """Add operators one by one, mostly after the newest value."""
    weights = [weight if b.opset >= since else 0 for weight, since, _ in _DRAWS]
    wanted = b.rng.randint(3, 10)
    tries = 0
    while wanted and tries < 60:
        tries += 1
        _, _, draw = b.rng.choices(_DRAWS, weights)[0]
        x = b.pool[-1] if b.chance(0.7) else b.rng.choice(b.pool)
        saved = list(b.nodes), dict(b.initializers), list(b.pool)
        try:
            b.pool.append(draw(b, x))
            wanted -= 1
        except (Rejected, IndexError, ValueError):
            b.nodes, b.initializers, b.pool = saved


def _outputs(b: Builder) -> list[Tensor]:
    """The newest value, sometimes with others, sometimes ended as a classifier is."""
    newest = b.pool[-1]
    if b.chance(0.12):
        try:
            return [bends.last(b, newest)]
        except Rejected:
            return [newest]
    others = [one for one in b.pool[1:-1] if b.chance(0.1)]
    return list({one.name: one for one in [newest, *others]}.values())


def _case(b: Builder, inputs: list[Tensor], outputs: list[Tensor], seed: int, kind: str) -> Case:
    model = model_of(
        b.nodes,
        b.opset,
        inputs={one.name: one.value for one in inputs},
        outputs=[one.name for one in outputs],
        initializers=b.initializers,
        first_axis="N" if kind == "symbolic" else None,
    )
    for info, one in zip(model.graph.output, outputs, strict=True):
        info.CopyFrom(helper.make_tensor_value_info(one.name, helper.np_dtype_to_tensor_dtype(one.value.dtype), None))
    x = inputs[0]
    size = sum(one.value.size for one in inputs) // (x.shape[0] if b.batch else 1)
    points = points_for(size, b.dtype, np.random.default_rng(seed))
    options = {"batch_axis": kind} if kind in ("none", "first") else {}
    batch = 3 if b.symbolic else x.shape[0] if b.batch else None
    return Case(f"seed {seed}", " ".join(_operators(model)), model, points, batch, b.dtype, options)


def _operators(model: onnx.ModelProto) -> list[str]:
    return list(dict.fromkeys(node.op_type for node in model.graph.node))


def check(case: Case) -> None:
    """That a runtime runs the whole graph, and that a batch is of points that do not know of each other."""
    try:
        name, once = expectation(case)
        if name != "onnxruntime" and runs_opset(case.model.opset_import[0].version):
            raise Rejected("not by onnxruntime")  # the reference takes more than it should, and not all of it right
        if case.batch is not None:
            turned = Case(
                case.name, case.operator, case.model, [*case.points[1:], case.points[0]], case.batch, case.dtype
            )
            _, again = expectation(turned)
            count = len(case.points)
            alike = np.allclose(np.roll(once.full[:count], -1, axis=0), again.full[:count], atol=1e-3, rtol=1e-3)
            if not alike:
                raise Rejected("mixes the batch")
    except CannotRun as error:
        raise Rejected(f"no runtime: {error}") from None
    except ValueError as error:
        raise Rejected(f"outputs without a batch: {error}") from None
    if not np.isfinite(once.full).all():
        raise Rejected("not finite")
