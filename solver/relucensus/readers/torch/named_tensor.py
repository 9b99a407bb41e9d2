"""A tensor of a file by its name, not read yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relucensus.errors import InvalidNetwork, UnsupportedModel
from relucensus.readers.limits import ReaderLimits, shape_text, shown
from relucensus.readers.number_formats import FLOATS


@dataclass(frozen=True, slots=True)
class NamedTensor:
    """A declared shape and type, and how to get the float64 entries.

    `name` is that of the file, `path` the name without what wraps the network; `problem` says in words what kind of
    tensor it is if it can not be loaded at all.
    """

    name: str
    path: str
    shape: tuple[int, ...]
    dtype: str
    load: Callable[[], NDArray[np.float64]]
    problem: str = ""

    @property
    def text(self) -> str:
        """The name, quoted, with the shape."""
        return f"{shown(self.name)} ({shape_text(self.shape)})"

    def check(self, limits: ReaderLimits) -> None:
        """Accept a tensor of floats that is not too large; raises UnsupportedModel for another."""
        if self.problem:
            raise UnsupportedModel(f"{shown(self.name)} is {self.problem}; save plain tensors of floats")
        if self.dtype not in FLOATS:
            raise UnsupportedModel(f"{shown(self.name)} holds {self.dtype}; supported are {', '.join(FLOATS)}")
        limits.check_tensor(self.name, self.shape)

    def finite(self) -> NDArray[np.float64]:
        """The entries; raises InvalidNetwork if one of them is not a finite number."""
        values = self.load()
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            where = tuple(int(i) for i in bad[0])
            raise InvalidNetwork(
                f"tensor {shown(self.name)} holds {values[where]} at {list(where)}; every weight must be a finite "
                "number"
            )
        return values
