"""The zip archive that `torch.save` writes since torch 1.6: one pickle, and the bytes of every storage."""

from __future__ import annotations

import io
import zipfile
from typing import Any, Final

from relucensus.errors import RefusedFormat, UnreadableModel, UnsupportedModel
from relucensus.readers.limits import ReaderLimits, shown
from relucensus.readers.torch.files.unpickler import SAVE_STATE_DICT, described_object

_MAX_RECORDS: Final = 10_000
_PT2_RECORDS: Final = ("archive_format", "archive_version", "serialized_exported_program.json", "models/model.json")
_TORCHSCRIPT: Final = f"a TorchScript archive holds code and is refused; {SAVE_STATE_DICT}"
_PT2: Final = f"a .pt2 archive of torch.export is refused; {SAVE_STATE_DICT}, or export the network as ONNX"


class Archive:
    """The records of a zip file as `torch.save` writes it: one top folder, nothing compressed.

    `described` is what its pickle describes, `order` the byte order of its storages.

    Raises:
        UnreadableModel: a damaged archive.
        UnsupportedModel: an archive that torch.save does not write, or one beyond the limits.
    """

    def __init__(self, data: bytes, limits: ReaderLimits) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, OSError, OverflowError, RuntimeError) as error:
            raise UnreadableModel(f"the zip archive is damaged or cut off ({shown(error)})") from None
        records = self._zip.infolist()
        if len(records) > _MAX_RECORDS:
            raise UnsupportedModel(f"the archive has {len(records)} records; accepted are at most {_MAX_RECORDS}")
        names = {record.filename for record in records}
        self._folder = _folder_of(names)
        for record in records:
            if record.compress_type != zipfile.ZIP_STORED or record.file_size != record.compress_size:
                raise UnsupportedModel(
                    f"record {shown(record.filename)} is compressed, which torch.save never does; {SAVE_STATE_DICT}"
                )
        limits.check_bytes(sum(record.file_size for record in records))
        if len(names) < len(records):
            raise UnreadableModel("the archive has two records of the same name")
        self._last: tuple[str, bytes] | None = None
        self.order: str = "<"
        if f"{self._folder}byteorder" in self._zip.NameToInfo:
            self.order = _byte_order(self._record("byteorder"))
        self.described: Any = described_object(self._record("data.pkl"))

    def storage(self, key: str) -> bytes:
        """The bytes of a storage; raises UnreadableModel if there is none of this key."""
        if self._last is None or self._last[0] != key:  # many tensors may be views of one large storage
            self._last = key, self._record(f"data/{key}")
        return self._last[1]

    def _record(self, name: str) -> bytes:
        try:
            return self._zip.read(f"{self._folder}{name}")
        except KeyError:
            raise UnreadableModel(f"the archive has no record {shown(name)}") from None
        except (zipfile.BadZipFile, EOFError, ValueError, OSError, OverflowError, RuntimeError) as error:
            raise UnreadableModel(f"record {shown(name)} of the archive is damaged ({shown(error)})") from None


def _folder_of(names: set[str]) -> str:
    inner = {name.partition("/")[2] for name in names} | names
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        raise RefusedFormat(_TORCHSCRIPT)
    if any(name in inner for name in _PT2_RECORDS):
        raise RefusedFormat(_PT2)
    pickles = sorted(name for name in names if name == "data.pkl" or name.endswith("/data.pkl"))
    if len(pickles) != 1:
        raise RefusedFormat(
            f"the zip archive is not a PyTorch state_dict: it has {len(pickles)} records named data.pkl, needed is one"
        )
    return pickles[0].removesuffix("data.pkl")


def _byte_order(record: bytes) -> str:
    orders = {b"little": "<", b"big": ">"}
    if record not in orders:
        raise UnreadableModel(f"the record byteorder says {shown(record[:20])}; known are little and big")
    return orders[record]
