"""Files that attack a reader, made small: each with the statuses that may answer it and words of the detail."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from onnx_models import chain, f32, graph, i64, node

X = "the value"
MILLION = 10**6
TRACE = Path("/tmp/relucensus-hostile-trace")  # what must never come to be


@dataclass(frozen=True, slots=True)
class Attack:
    """How the file is made, how it is answered, and what the detail says."""

    make: Callable[[], bytes]
    status: int
    word: str


def changed(data: bytes, change: Callable[[Any], object]) -> bytes:
    model = onnx.load_from_string(data)
    change(model)
    return bytes(model.SerializeToString())


def linear() -> bytes:
    return chain([node("MatMul", X, f32(3, 2)), node("Relu")])


def with_dims(*dims: int) -> bytes:
    def change(model: Any) -> None:
        model.graph.initializer[0].dims[:] = dims
        model.graph.initializer[0].raw_data = b""

    return changed(linear(), change)


def external(location: str) -> bytes:
    def change(model: Any) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", location

    return changed(linear(), change)


def external_attribute() -> bytes:
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    return graph([("Constant", "", "c", {"value": tensor}), ("Add", "x c", "y")], {})


def foreign_domain() -> bytes:
    def change(model: Any) -> None:
        model.opset_import.add(domain="com.evil", version=1)
        model.graph.node[1].domain = "com.evil"

    return changed(linear(), change)


def custom_function() -> bytes:
    def change(model: Any) -> None:
        model.functions.add(name="Relu", domain="")

    return changed(linear(), change)


def field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message that has a length."""
    size, prefix = len(content), bytearray()
    while size > 0x7F:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2]) + bytes(prefix) + bytes([size]) + content


def nested_messages() -> bytes:
    """A graph in an attribute of a node of a graph, ten thousand times."""
    content = b""
    for _ in range(10_000):
        content = field(1, field(5, field(6, content)))
    return b"\x08\x08" + field(7, content)


def million_nodes() -> bytes:
    return linear() + field(7, b"\x0a\x00" * MILLION)


def million_dims() -> bytes:
    return changed(linear(), lambda model: model.graph.initializer[0].dims.extend([1] * MILLION))


def many_attributes() -> bytes:
    def change(model: Any) -> None:
        for _ in range(50_000):
            model.graph.node[1].attribute.add(name="alpha")

    return changed(linear(), change)


def input_of(*shape: int) -> bytes:
    return chain([node("Relu")], shape)


def doubling() -> bytes:
    nodes = [("Concat", f"{'x' * i} {'x' * i}", "x" * (i + 1), {"axis": 1}) for i in range(1, 60)]
    return graph([*nodes, ("Identity", "x" * 60, "y")], {})


def digits() -> bytes:
    """Small numbers whose exact products have more digits than fit anywhere."""
    nodes = [node("Mul", X, np.full(1, 1e-300)) for _ in range(99)]
    return chain([*nodes, node("MatMul", X, np.ones((200, 200), np.float32))], ("N", 200), kind=TensorProto.DOUBLE)


def name_not_text() -> bytes:
    return linear().replace(b"n0", b"\xff\xfe")


def zipped(records: Sequence[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in records:
            archive.writestr(name, content)
    return file.getvalue()


def record_far_away() -> bytes:
    """An archive whose directory puts a record where no file reaches."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.filelist[0].header_offset = 2**63
    return file.getvalue()


def state_dict(program: bytes, *records: tuple[str, bytes]) -> bytes:
    storage = np.ones(16, np.float32).tobytes()
    return zipped([("a/data.pkl", program), ("a/data/0", storage), *records])


def text(word: str) -> bytes:
    return b"X" + struct.pack("<I", len(word.encode())) + word.encode()


def number(n: int) -> bytes:
    content = n.to_bytes(n.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def numbers(*many: int) -> bytes:
    return b"(" + b"".join(number(n) for n in many) + b"t"


def tensor(shape: Sequence[int], strides: Sequence[int], offset: int = 0, key: str = "0") -> bytes:
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + number(16) + b"tQ"
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n("
        + storage
        + number(offset)
        + numbers(*shape)
        + numbers(*strides)
        + b"\x89}tR"
    )


def weight(*arguments: Any, **options: Any) -> bytes:
    return state_dict(b"\x80\x02}" + text("0.weight") + tensor(*arguments, **options) + b"s.")


def long_number() -> bytes:
    return state_dict(b"\x80\x02}" + text(f"{'1' * 5000}.weight") + tensor((2, 2), (2, 1)) + b"s.")


def repeated_lengths() -> bytes:
    lengths = text("0.weight_g") + tensor((10**10,), (0,))
    return state_dict(b"\x80\x02}(" + text("0.weight_v") + tensor((2, 2), (2, 1)) + lengths + b"u.")


def many_modules() -> bytes:
    parts = b"".join(text(f"{i}.{i}.weight") + tensor((1, 1), (1, 1)) for i in range(6000))
    return state_dict(b"\x80\x02}(" + parts + b"u.")


def calling(module: str, name: str, argument: str) -> bytes:
    program = b"\x80\x02c" + module.encode() + b"\n" + name.encode() + b"\n" + text(argument) + b"\x85R."
    return state_dict(program)


class _Payload:
    def __reduce__(self) -> Any:
        return Path.touch, (TRACE,)


def deep_tuples() -> bytes:
    return state_dict(b"\x80\x02}" + text("0.weight") + b"N" + b"\x85" * (MILLION - 9) + b"s.")


def memo_bomb() -> bytes:
    """A tuple of the one before, twice, hundreds of times: to print or hash it would take for ever."""
    steps = b"".join(b"r" + struct.pack("<I", i) + (b"j" + struct.pack("<I", i)) + b"\x86" for i in range(1, 500))
    return state_dict(b"\x80\x02}" + text("0.weight") + b")" + steps + b"s.")


def long_shape() -> bytes:
    shape = b"(" + b"K\x01" * 300_000 + b"tq\x01"
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00h\x01h\x01\x88}tR0"
    return state_dict(b"\x80\x02" + shape + call * 1000 + b".")


def million_instructions() -> bytes:
    return state_dict(b"\x80\x02]" + b"N0" * MILLION + b".")


def many_objects() -> bytes:
    """An object of a class of its own name, made and given attributes, hundreds of thousands of times."""
    make = b"cos\nsystem\nq\x01)\x81}b0" + b"h\x01)\x81}b0" * 150_000
    return state_dict(b"\x80\x02" + make + b"}" + text("model") + b"h\x01)Rs.")


def deep_dicts() -> bytes:
    steps = b"".join(b"}" + text("a") for _ in range(100_000))
    return state_dict(b"\x80\x02" + steps + b"}" + b"s" * 100_000 + b".")


def legacy(program: bytes, keys: bytes = b"\x80\x02]q\x00U\x010a.", storage: bytes = bytes(8)) -> bytes:
    """A file of before torch 1.6 with this pickle of its weights."""
    system = b"\x80\x02}" + text("little_endian") + b"\x88s."
    return b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03." + system + program + keys + storage


def legacy_weight() -> bytes:
    return b"\x80\x02}" + text("0.weight") + tensor((2, 2), (2, 1)) + b"s."


def quoted_at_length() -> bytes:
    return state_dict(b"\x80\x02S" + b"a" * 150_000 + b"\n.")


def header(text: str, data: bytes = b"") -> bytes:
    """A safetensors file with this header."""
    return len(text).to_bytes(8, "little") + text.encode() + data


def with_path_names() -> bytes:
    program = b"\x80\x02}" + text("../../etc/passwd.weight") + tensor((2, 2), (2, 1)) + b"s."
    return state_dict(program, ("../../../../tmp/relucensus-hostile-trace", b"x"), (str(TRACE), b"x"))


UNREADABLE, UNSUPPORTED = 415, 422
EVIL = (("os", "system"), ("builtins", "eval"), ("builtins", "exec"), ("subprocess", "Popen"), ("torch", "load"))

FILES: dict[str, Attack] = {
    "protobuf: messages in messages": Attack(nested_messages, UNREADABLE, "neither ONNX"),
    "protobuf: a million nodes": Attack(million_nodes, UNSUPPORTED, "nodes"),
    "protobuf: a million axes": Attack(million_dims, UNSUPPORTED, "axes"),
    "protobuf: many attributes": Attack(many_attributes, UNSUPPORTED, "twice"),
    "protobuf: a length beyond the file": Attack(lambda: b"\x08\x08\x3a\xff\xff\xff\xff\x7f", UNREADABLE, "neither"),
    "onnx: a million by a million weights": Attack(lambda: with_dims(MILLION, MILLION), UNSUPPORTED, "declares"),
    "onnx: empty and huge": Attack(lambda: with_dims(0, 2**62), UNSUPPORTED, "declares"),
    "onnx: negative axes": Attack(lambda: with_dims(-3, -2), UNREADABLE, "negative"),
    "onnx: an input of a million by a million": Attack(lambda: input_of(1, MILLION, MILLION), UNSUPPORTED, "inputs"),
    "onnx: an input of hundreds of axes": Attack(lambda: input_of(*[1] * 300), UNSUPPORTED, "axes"),
    "onnx: a reshape to hundreds of axes": Attack(
        lambda: chain([node("Reshape", X, i64(*[1] * 300, 3)), node("Transpose")]), UNSUPPORTED, "axes"
    ),
    "onnx: a Gemm of a large constant": Attack(
        lambda: chain([node("Reshape", X, i64(3, 1)), node("Gemm", X, f32(1, 9000)), node("Add", X, f32(9, 3, 1))]),
        UNSUPPORTED,
        "accepted",
    ),
    "onnx: a convolution of a large image": Attack(
        lambda: chain([node("Conv", X, f32(64, 1, 3, 3))], (1, 1, 300, 300)), UNSUPPORTED, "accepted"
    ),
    "onnx: padding of two thousand millions": Attack(
        lambda: chain([node("Conv", X, f32(1, 1, 1, 1), pads=[2**31 - 1] * 4)], (1, 1, 2, 2)), UNSUPPORTED, "accepted"
    ),
    "onnx: values that double": Attack(doubling, UNSUPPORTED, "accepted"),
    "onnx: numbers of endless digits": Attack(digits, UNSUPPORTED, "common denominator"),
    "onnx: external data": Attack(lambda: external("../../etc/passwd"), UNREADABLE, "external data"),
    "onnx: external data at an absolute path": Attack(lambda: external("/etc/passwd"), UNREADABLE, "external data"),
    "onnx: external data in an attribute": Attack(external_attribute, UNREADABLE, "external data"),
    "onnx: an operator of another domain": Attack(foreign_domain, UNSUPPORTED, "com.evil.Relu"),
    "onnx: a function": Attack(custom_function, UNREADABLE, "local function"),
    "onnx: a name that is not text": Attack(name_not_text, UNREADABLE, "not UTF-8"),
    "onnx: two initializers of one name": Attack(
        lambda: changed(linear(), lambda m: m.graph.initializer.append(m.graph.initializer[0])), UNREADABLE, "two init"
    ),
    "onnx: entries given twice": Attack(
        lambda: changed(linear(), lambda m: m.graph.initializer[0].float_data.append(1)), UNREADABLE, "twice"
    ),
    "zip: a bomb": Attack(
        lambda: zipped([("a/data.pkl", bytes(50_000_000))], zipfile.ZIP_DEFLATED), UNSUPPORTED, "compressed"
    ),
    "zip: a bomb in a record that is not read": Attack(
        lambda: zipped([("a/data.pkl", b"."), ("a/b", bytes(50_000_000))], zipfile.ZIP_BZIP2), UNSUPPORTED, "compressed"
    ),
    "zip: two pickles": Attack(lambda: zipped([("a/data.pkl", b"."), ("b/data.pkl", b".")]), UNREADABLE, "2 records"),
    "zip: a record far beyond the file": Attack(record_far_away, UNREADABLE, "is damaged"),
    "zip: cut off": Attack(lambda: weight((2, 2), (2, 1))[:-30], UNREADABLE, "cut off"),
    "pt: a stride beyond the storage": Attack(lambda: weight((2, 2), (2**62, 1)), UNREADABLE, "reaches entry"),
    "pt: a stride of thousands of digits": Attack(lambda: weight((2, 2), (2**1000, 1)), UNREADABLE, "not sizes"),
    "pt: a name of thousands of digits": Attack(long_number, UNSUPPORTED, "characters"),
    "pt: the lengths of a weight_norm, repeated": Attack(repeated_lengths, UNSUPPORTED, "declares the shape"),
    "pt: thousands of modules": Attack(many_modules, UNSUPPORTED, "modules"),
    "pt: an offset beyond the storage": Attack(lambda: weight((2, 2), (2, 1), offset=2**62), UNREADABLE, "reaches"),
    "pt: negative strides": Attack(lambda: weight((2, 2), (-2, 1)), UNREADABLE, "not sizes"),
    "pt: a million by a million": Attack(lambda: weight((MILLION, MILLION), (0, 0)), UNSUPPORTED, "declares"),
    "pt: a storage outside": Attack(lambda: weight((2, 2), (2, 1), key="../../etc/passwd"), UNREADABLE, "no record"),
    "pt: names with paths": Attack(with_path_names, 201, ""),
    "pt: a sparse tensor": Attack(
        lambda: state_dict(b"\x80\x02}" + text("0.weight") + b"ctorch._utils\n_rebuild_sparse_tensor\n)Rs."),
        UNSUPPORTED,
        "sparse tensor",
    ),
    "pt: a shape of many numbers, again and again": Attack(long_shape, UNREADABLE, "at most 64"),
    "pickle: tuples in tuples": Attack(deep_tuples, UNREADABLE, "tuple"),
    "pickle: a million instructions": Attack(million_instructions, UNSUPPORTED, "instructions"),
    "pickle: a million objects": Attack(many_objects, UNREADABLE, "no state_dict"),
    "pickle: dicts in dicts": Attack(deep_dicts, UNREADABLE, "no state_dict"),
    "pickle: a memo that doubles": Attack(memo_bomb, UNREADABLE, "tuple"),
    "pickle: an error that quotes the file": Attack(quoted_at_length, UNREADABLE, "not a valid pickle"),
    "pickle: an extension code": Attack(lambda: state_dict(b"\x80\x02\x82\x01."), UNREADABLE, "EXT1"),
    "pickle: an object built by hand": Attack(
        lambda: state_dict(b"\x80\x02(cos\nsystem\n" + text(f"touch {TRACE}") + b"o."), UNREADABLE, "OBJ"
    ),
    "legacy: a storage of a million millions": Attack(
        lambda: legacy(legacy_weight(), storage=(2**62).to_bytes(8, "little")), UNREADABLE, "beyond the end"
    ),
    "legacy: a storage of less than nothing": Attack(
        lambda: legacy(legacy_weight(), storage=b"\xff" * 8), UNREADABLE, "beyond the end"
    ),
    "legacy: a storage of no tensor": Attack(lambda: legacy(b"\x80\x02}."), UNREADABLE, "no tensor is in"),
    "legacy: a payload": Attack(
        lambda: legacy(b"\x80\x02cos\nsystem\n" + text(f"touch {TRACE}") + b"\x85R.", b"\x80\x02]."),
        UNREADABLE,
        "'os.system'",
    ),
    "legacy: cut off": Attack(lambda: legacy(b"")[:40], UNREADABLE, "valid pickle"),
    "a tar archive": Attack(lambda: bytes(257) + b"ustar" + bytes(1000), UNREADABLE, "tar archive"),
    "pickle: an object of an old protocol": Attack(
        lambda: state_dict(f"(S'touch {TRACE}'\nios\nsystem\n.".encode()), UNREADABLE, "STRING"
    ),
    "pickle: a payload in a bare pickle": Attack(lambda: pickle.dumps(_Payload()), UNREADABLE, "bare pickle"),
    "pickle: a payload in an archive": Attack(
        lambda: state_dict(pickle.dumps(_Payload(), 2)), UNREADABLE, "not a state_dict"
    ),
    **{
        f"pickle: {module}.{name}": Attack(
            lambda module=module, name=name: calling(module, name, f"touch {TRACE}"), UNREADABLE, f"{module}.{name}"
        )
        for module, name in EVIL
    },
    "safetensors: nested deeply": Attack(lambda: header('{"a":' * 50_000), UNREADABLE, "damaged"),
    "safetensors: a million by a million": Attack(
        lambda: header(
            f'{{"w.weight":{{"dtype":"F32","shape":[{MILLION},{MILLION}],"data_offsets":[0,4]}}}}', bytes(4)
        ),
        UNREADABLE,
        "damaged",
    ),
    "safetensors: offsets beyond the file": Attack(
        lambda: header('{"w.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,9999999999]}}'),
        UNREADABLE,
        "damaged",
    ),
    "safetensors: ties that contradict themselves": Attack(
        lambda: header(
            '{"__metadata__":{"2.weight":"4.weight"},"0.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}}',
            bytes(4),
        ),
        UNSUPPORTED,
        "tied",
    ),
    "safetensors: a name twice": Attack(
        lambda: header(
            '{"a.weight":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},'
            '"a.weight":{"dtype":"F32","shape":[1,2],"data_offsets":[4,12]}}',
            bytes(12),
        ),
        UNREADABLE,
        "damaged",
    ),
    "nnet: a million by a million": Attack(
        f"//\n1,{MILLION},{MILLION},{MILLION},\n{MILLION},{MILLION},\n".encode, UNSUPPORTED, "accepted"
    ),
    "nnet: an endless number": Attack(
        lambda: b"1,1,1,1,\n1,1,\n0,\n0,\n1,\n0,0,\n1,1,\n" + b"9" * MILLION + b",\n1,\n", UNREADABLE, "line 8"
    ),
    "a script": Attack(lambda: b"#!/bin/sh\ntouch /tmp/relucensus-hostile-trace\n", UNREADABLE, ""),
}
