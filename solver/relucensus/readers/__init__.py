"""Readers: the bytes of a model file, a torch module or a fitted model become a `Network`."""

from relucensus.readers.choices import Choices
from relucensus.readers.data_files import FolderFiles
from relucensus.readers.limits import ReaderLimits
from relucensus.readers.model import ReadModel, read_model
from relucensus.readers.sklearn import network_from_sklearn
from relucensus.readers.source import network_of
from relucensus.readers.torch.module import network_from_module
from relucensus.readers.vnnlib import read_vnnlib, vnnlib_boxes

__all__ = [
    "Choices",
    "FolderFiles",
    "ReadModel",
    "ReaderLimits",
    "network_from_module",
    "network_from_sklearn",
    "network_of",
    "read_model",
    "read_vnnlib",
    "vnnlib_boxes",
]
