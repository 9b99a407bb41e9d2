"""Valid model files, and what a fuzzer does to them: to bytes anywhere, and to fields where a format has them."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import safetensors.numpy

from onnx_models import chain, f32, graph, i64, node

CASES = Path(__file__).parents[1] / "cases"
INTERESTING = (0, 1, -1, 2, 16, 255, 2**15, 2**31 - 1, -(2**31), 2**32, 2**40, 2**62, 2**63 - 1, -(2**63))
NAMES = ("", "x", "y", "../../etc/passwd", "/etc/passwd", "a\x00b", "n" * 5000, "é", "0.weight", "data.pkl")
NUMBERS = ("nan", "inf", "1e999", "-1e-999", "9" * 400, "0x10", "1.", ".5", "-", "1e9999999999")

X = "the value"


def onnx_seeds() -> list[bytes]:
    w = f32(4, 4)
    image = (1, 2, 5, 5)
    return [
        (CASES / "seven_7_3.onnx").read_bytes(),
        chain([node("Gemm", X, f32(3, 4), f32(4), alpha=0.5), node("Relu"), node("MatMul", X, f32(4, 2))]),
        chain([node("Conv", X, f32(3, 2, 2, 2), f32(3), strides=[2, 1], pads=[1, 0, 0, 1]), node("Relu")], image),
        chain([node("AveragePool", X, kernel_shape=[2, 2], ceil_mode=1), node("Flatten"), node("Abs")], image),
        chain([node("BatchNormalization", X, f32(3), f32(3), f32(3), np.abs(f32(3))), node("LeakyRelu", alpha=0.3)]),
        chain([node("Clip", X, np.float32(-1), np.float32(2)), node("Reshape", X, i64(-1, 3)), node("Mul", X, f32(3))]),
        chain([node("PRelu", X, f32(3)), node("Unsqueeze", X, i64(1)), node("Transpose", perm=[0, 2, 1]), node("Neg")]),
        graph(
            [("MatMul", "x w", "a"), ("Relu", "a", "b"), ("Add", "b x", "c"), ("Concat", "c a", "y", {"axis": 1})],
            {"w": w},
            ("N", 4),
        ),
    ]


def state_dict_seeds() -> list[bytes]:
    files = ("checkpoint_with_extras", "averaged_model", "weight_norm", "negated_view", "actor_critic_state_dict")
    names = ["seven_7_3", "planar_8x3", *(f"files/{name}" for name in files)]
    return [(CASES / f"{name}.pt").read_bytes() for name in names]


def legacy_seeds() -> list[bytes]:
    return [(CASES / "files" / "legacy_serialisation.pt").read_bytes()]


def safetensors_seeds() -> list[bytes]:
    layers = {"0.weight": f32(4, 2), "0.bias": f32(4), "2.weight": f32(1, 4), "2.bias": f32(1)}
    halves = {name: array.astype(np.float16) for name, array in layers.items()}
    tied = safetensors.numpy.save({k: v for k, v in layers.items() if k != "2.bias"}, {"4.weight": "2.weight"})
    return [safetensors.numpy.save(layers), safetensors.numpy.save(halves), tied]


def vnnlib_seeds() -> list[bytes]:
    declared = "".join(f"(declare-const {name} Real)\n" for name in ("X_0", "X_1", "Y_0"))
    bounds = "(assert (<= X_0 0.5)) (assert (>= X_0 -1e-3)) (assert (and (<= X_1 1) (>= X_1 0)))"
    either = "(assert (or (and (<= X_0 1) (>= X_0 0) (<= X_1 1) (>= X_1 0) (<= Y_0 3)) (>= Y_0 X_0)))"
    tensors = (
        "(vnnlib-version <2.0>)(declare-network N (declare-input X float32 [1,2]) (declare-output Y float32 [1,1]))"
    )
    second = (
        "(assert (<= (* 2 X[0,0]) 1)) (assert (>= (- X[0,0] 0.5) (/ -3 2))) (assert (and (< X[0,1] 1) (> X[0,1] 0)))"
    )
    return [
        f"; a comment\n{declared}{bounds}(assert (<= Y_0 0))".encode(),
        f"{declared}{bounds}{either}".encode(),
        f"{tensors}{second}(assert (or (<= Y[0,0] 0) (!= Y[0,0] X[0,0])))".encode(),
        gzip.compress(f"{declared}{bounds}".encode()),
    ]


def nnet_seeds() -> list[bytes]:
    head = "// a network\n2,2,1,3,\n2,3,1,\n0,\n-1,-1,\n1,1,\n0.5,0.0,3.0,\n2.0,1.0,10.0,\n"
    body = "1.0,-2.0,\n0.1,0.25,\n3e-1,0.5,\n0.5,\n-1.0,\n.3,\n1.0,-1.0,2.0,\n0.125,\n"
    return [(head + body).encode(), (head.partition("\n")[2] + body.replace(",\n", "\r\n")).encode()]


def mutated_bytes(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """The file with a few bytes changed, left out, repeated, or taken from another file."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at, size = rng.randrange(len(found) + 1), rng.choice((1, 1, 2, 4, 8, 64))
        match rng.randrange(6):
            case 0:
                found[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del found[at : at + size]
            case 2:
                found[at:at] = found[at : at + size] * rng.choice((1, 2, 100))
            case 3:
                found[at : at + 8] = (rng.choice(INTERESTING) % 2**64).to_bytes(8, rng.choice(("little", "big")))
            case 4:
                other = rng.choice(others)
                start = rng.randrange(len(other) + 1)
                found[at:at] = other[start : start + size]
            case _:
                found[at : at + size] = rng.randbytes(size)
    return bytes(found)


def mutated_onnx(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """The file with a few fields of its message set to something else, repeated or left out."""
    model = onnx.load_from_string(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        _change(_some_message(model, rng), rng)
    return bytes(model.SerializeToString())


def mutated_state_dict(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """The archive with one record changed, renamed, repeated or left out."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = [(name, archive.read(name)) for name in archive.namelist()]
    at = next(i for i, (name, _) in enumerate(records) if name.endswith("data.pkl"))
    at = at if rng.random() < 0.7 else rng.randrange(len(records))
    name, content = records[at]
    match rng.randrange(8):
        case 0:
            records[at] = (rng.choice(NAMES) or name, content)
        case 1:
            records.append((name, content))
        case 2:
            del records[at]
        case _:
            records[at] = (name, mutated_bytes(content, [other for _, other in records], rng))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", rng.choice((zipfile.ZIP_STORED,) * 9 + (zipfile.ZIP_DEFLATED,))) as archive:
        for name, content in records:
            if name not in archive.NameToInfo:
                archive.writestr(name, content)
    return file.getvalue()


def mutated_safetensors(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """The file with one entry of its header changed."""
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    name = rng.choice([name for name in header if name != "__metadata__"])
    entry = header[name]
    match rng.randrange(4):
        case 0:
            entry["shape"] = [rng.choice((*INTERESTING, *entry["shape"])) for _ in range(rng.randrange(5))]
        case 1:
            entry["data_offsets"] = [rng.choice((*INTERESTING, *entry["data_offsets"])) for _ in range(2)]
        case 2:
            entry["dtype"] = rng.choice(("F64", "F32", "F16", "BF16", "I64", "U8", "BOOL", "F8_E5M2", "", None))
        case _:
            header[rng.choice(NAMES)] = header.pop(name)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def mutated_vnnlib(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """The property with a few of its words replaced, repeated or left out."""
    packed = data.startswith(b"\x1f\x8b")
    text = (gzip.decompress(data) if packed else data).decode(errors="replace")
    changed = _mutated_words(text.replace("(", " ( ").replace(")", " ) ").split(" "), " ", rng)
    return gzip.compress(changed) if packed else changed


def mutated_nnet(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """The file with a few of its numbers or lines replaced, repeated or left out."""
    separator = rng.choice((",", "\n"))
    return _mutated_words(data.decode(errors="replace").split(separator), separator, rng)


def _mutated_words(words: list[str], separator: str, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(words))
        match rng.randrange(4):
            case 0:
                words[at] = rng.choice(NUMBERS)
            case 1:
                words[at] = rng.choice(words)
            case 2:
                words[at : at + 1] = words[at : at + rng.randrange(20)] * rng.choice((1, 3, 60))
            case _:
                del words[at]
        words = words or ["("]
    return separator.join(words).encode()


def _some_message(message: Any, rng: random.Random) -> Any:
    """A message somewhere within the message, any of them."""
    while True:
        inner = [
            one
            for field, value in message.ListFields()
            if field.message_type is not None
            for one in (value if _repeats(value) else [value])
        ]
        if not inner or rng.random() < 0.25:
            return message
        message = rng.choice(inner)


def _change(message: Any, rng: random.Random) -> None:
    field = rng.choice(message.DESCRIPTOR.fields)
    value = getattr(message, field.name)
    if _repeats(value):
        _change_list(value, field, rng)
    elif field.message_type is not None:
        message.ClearField(field.name)
    else:
        setattr(message, field.name, _scalar(field, rng))


def _change_list(values: Any, field: Any, rng: random.Random) -> None:
    at = rng.randrange(len(values)) if len(values) else None
    kind = rng.randrange(4)
    if at is not None and kind == 0:
        del values[at]
    elif at is not None and kind == 1:
        values.extend([values[at]] * rng.choice((1, 2, 50)))
    elif field.message_type is not None:
        values.add()
    elif at is not None and kind == 2:
        values[at] = _scalar(field, rng)
    else:
        values.extend([_scalar(field, rng)] * rng.choice((1, 2, 50)))


def _scalar(field: Any, rng: random.Random) -> Any:
    if field.enum_type is not None:
        return rng.choice(field.enum_type.values).number
    kinds: dict[int, Callable[[], Any]] = {
        field.CPPTYPE_INT32: lambda: rng.choice([n for n in INTERESTING if -(2**31) <= n < 2**31]),
        field.CPPTYPE_INT64: lambda: rng.choice((*INTERESTING, *range(-4, 20))),
        field.CPPTYPE_UINT64: lambda: rng.choice(INTERESTING) % 2**64,
        field.CPPTYPE_FLOAT: lambda: rng.choice((0.0, -1.0, 1e30, 1e-40, float("nan"), float("inf"))),
        field.CPPTYPE_DOUBLE: lambda: rng.choice((0.0, 1e300, 5e-324, float("nan"), float("-inf"))),
    }
    if field.cpp_type in kinds:
        return kinds[field.cpp_type]()
    return rng.choice(NAMES) if field.type == field.TYPE_STRING else rng.choice(NAMES).encode()


def _repeats(value: Any) -> bool:
    return hasattr(value, "extend")
