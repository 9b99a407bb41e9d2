"""Which reader a file is for, decided by its first bytes and never by its name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from relucensus.errors import RefusedFormat, UnreadableModel
from relucensus.readers.limits import ReaderLimits
from relucensus.readers.onnx.graph import read_onnx
from relucensus.readers.safetensors import read_safetensors
from relucensus.readers.torch.state_dict import read_state_dict
from relucensus.values.activation import activation_named
from relucensus.values.network import Network

DEFAULT_LIMITS: Final = ReaderLimits()

_ACCEPTED: Final = "accepted are ONNX, safetensors and a PyTorch state_dict saved by torch >= 1.6"
_LONGEST_HEADER: Final = 2**32
_LEGACY: Final = (
    "the file is a bare pickle (torch before 1.6, or not from torch at all) and is refused, nothing of it was run; "
    "save it again with torch >= 1.6: torch.save(model.state_dict(), path)"
)
_KNOWN_OTHERS: Final = {
    b"\x89HDF": "an HDF5 (Keras .h5) file",
    b"\x93NUMPY": "a numpy array",
    b"\x1f\x8b": "a gzip archive",
    b"MATLAB": "a MATLAB file",
}


@dataclass(frozen=True, slots=True)
class ReadModel:
    """A network and what is known about the file it came from.

    `format` is ``onnx``, ``state_dict`` or ``safetensors``; `input_shape` the declared shape of one input with a batch
    of one, if the format declares it; `notes` what the reader had to assume or change, in words for the user.
    """

    network: Network
    format: str
    input_shape: tuple[int, ...] | None = None
    notes: list[str] = field(default_factory=list)


def read_model(data: bytes, *, activation: str = "relu", limits: ReaderLimits = DEFAULT_LIMITS) -> ReadModel:
    """The network in the bytes of an ONNX, safetensors or `state_dict` file; nothing in the file is executed.

    `activation` is what stands between the layers of a file that does not say so (safetensors, `state_dict`): one of
    `relucensus.values.activation.ACTIVATIONS`, or ``leaky_relu:0.2`` for another slope.

    Raises:
        UnreadableModel: not a model file, or a damaged one.
        UnsupportedModel: a model that is not a chain of linear layers and ReLUs, or one beyond the limits.
        InvalidNetwork: shapes that do not chain, or weights that are not finite.
    """
    between = activation_named(activation)
    limits.check_bytes(len(data))
    match _sniffed(data):
        case "state_dict":
            network, notes = read_state_dict(data, limits, between)
            return ReadModel(network, "state_dict", None, [*notes, _taken(activation, "state_dict")])
        case "safetensors":
            network, notes = read_safetensors(data, limits, between)
            return ReadModel(network, "safetensors", None, [*notes, _taken(activation, "safetensors file")])
        case _:
            network, input_shape, notes = read_onnx(data, limits)
            return ReadModel(network, "onnx", input_shape, notes)


def _taken(activation: str, source: str) -> str:
    return f"a bare {source} does not name its activation; taken as {activation}"


def _sniffed(data: bytes) -> str:
    if not data:
        raise UnreadableModel(f"the file is empty; {_ACCEPTED}")
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "state_dict"
    # Before the others: the length of the header may begin with the bytes of a pickle.
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") < _LONGEST_HEADER:
        return "safetensors"
    if data[:1] == b"\x80" and data[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise RefusedFormat(_LEGACY)
    for magic, kind in _KNOWN_OTHERS.items():
        if data.startswith(magic):
            raise RefusedFormat(f"the file is {kind}; {_ACCEPTED}")
    return "onnx"
