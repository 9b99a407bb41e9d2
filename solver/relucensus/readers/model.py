"""Which reader a file is for, decided by its first bytes and never by its name."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Final, Unpack

from relucensus.errors import RefusedFormat, UnreadableModel
from relucensus.readers.choices import Choices, ReadingOptions
from relucensus.readers.data_files import NO_FILES, DataFiles
from relucensus.readers.limits import ReaderLimits
from relucensus.readers.nnet import looks_like_nnet, read_nnet
from relucensus.readers.onnx.graph import read_onnx
from relucensus.readers.safetensors import read_safetensors
from relucensus.readers.torch.state_dict import read_state_dict
from relucensus.values.network import Network

DEFAULT_LIMITS: Final = ReaderLimits()

_ACCEPTED: Final = "accepted are ONNX, safetensors, .nnet and a PyTorch state_dict or checkpoint"
_LONGEST_HEADER: Final = 2**32
_TAR: Final = (
    "the file is a tar archive (torch before 0.1.10, or not from torch at all) and is refused; save it again with a "
    "newer torch: torch.save(model.state_dict(), path)"
)
_KNOWN_OTHERS: Final = {
    b"\x89HDF": "an HDF5 (Keras .h5) file; export the model as ONNX: model.export('model.onnx', format='onnx')",
    b"\x93NUMPY": "a numpy array; give the library (weights, bias) pairs",
    b"\x1f\x8b": "a gzip archive; unpack it first",
    b"MATLAB": "a MATLAB file; export the network as ONNX: exportONNXNetwork(net, 'model.onnx')",
}

_OPEN: Final = {  # what each format may leave open
    "onnx": ("model_output", "model_input", "batch_axis"),
    "state_dict": ("activation", "submodel"),
    "safetensors": ("activation", "submodel"),
    "nnet": ("nnet_normalisation",),
}


@dataclass(frozen=True, slots=True)
class ReadModel:
    """A network and what is known about the file it came from.

    `format` is ``onnx``, ``state_dict``, ``safetensors`` or ``nnet``; `input_shape` the declared shape of one input
    with a batch of one, if the format declares it; `notes` what the reader had to assume or change, in words for the
    user.
    """

    network: Network
    format: str
    input_shape: tuple[int, ...] | None = None
    notes: list[str] = field(default_factory=list)


def read_model(
    data: bytes,
    *,
    files: DataFiles = NO_FILES,
    limits: ReaderLimits = DEFAULT_LIMITS,
    **choices: Unpack[ReadingOptions],
) -> ReadModel:
    """The network in the bytes of an ONNX, safetensors, `.nnet` or `state_dict` file; nothing in the file is executed.

    Args:
        data: the file.
        files: the files beside an ONNX file that hold its weights, by name; `FolderFiles` gives those of a folder.
        limits: the most that is accepted.
        choices: what the file leaves open; see `relucensus.readers.Choices`.

    Raises:
        UnreadableModel: not a model file, or a damaged one.
        AmbiguousModel: a file that may be read in several ways, of which none was chosen.
        UnsupportedModel: a model that is not piecewise linear or not read yet, or one beyond the limits.
        InvalidNetwork: shapes that do not chain, or weights that are not finite.
        InvalidRequest: a choice that does not exist.
    """
    chosen = Choices.of(choices)
    limits.check_bytes(len(data))
    read = _read(data, files, limits, chosen)
    notes = [*read.notes, *_unused(read.format, chosen)]
    return replace(read, network=read.network.with_notes(notes), notes=notes)


def _unused(kind: str, chosen: Choices) -> list[str]:
    """A note for each choice that does not matter to a model of this format."""
    said = [one.name for one in fields(chosen) if getattr(chosen, one.name) not in (None, {}, "relu")]
    return [f"{name} was given, but is not used for a model of this kind" for name in said if name not in _OPEN[kind]]


def _read(data: bytes, files: DataFiles, limits: ReaderLimits, chosen: Choices) -> ReadModel:
    match _sniffed(data):
        case "state_dict":
            network, notes = read_state_dict(data, limits, chosen)
            return ReadModel(network, "state_dict", None, [*notes, _taken(chosen.activation_name, "state_dict")])
        case "safetensors":
            network, notes = read_safetensors(data, limits, chosen)
            return ReadModel(network, "safetensors", None, [*notes, _taken(chosen.activation_name, "safetensors file")])
        case "nnet":
            network, notes = read_nnet(data, limits, chosen.nnet_normalisation == "apply")
            return ReadModel(network, "nnet", None, notes)
        case _:
            network, input_shape, notes = read_onnx(data, files, limits, chosen)
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
        return "state_dict"  # of before torch 1.6, or another pickle
    if data[257:262] == b"ustar":
        raise RefusedFormat(_TAR)
    if looks_like_nnet(data):
        return "nnet"
    for magic, kind in _KNOWN_OTHERS.items():
        if data.startswith(magic):
            raise RefusedFormat(f"the file is {kind}; {_ACCEPTED}")
    return "onnx"
