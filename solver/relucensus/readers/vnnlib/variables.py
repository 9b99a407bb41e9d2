"""The variables of a VNN-LIB file: which coordinate of the input a name stands for, if it stands for any."""

from __future__ import annotations

from typing import Final, Protocol

NO_INPUT: Final = -1


class Variables(Protocol):
    """What a file declares; version 1 and version 2 do it differently."""

    @property
    def inputs(self) -> int:
        """How many coordinates the inputs have together."""

    def place(self, name: str) -> int:
        """The coordinate that the name stands for, `NO_INPUT` for an output or a value within the network.

        Raises:
            InvalidDomain: a name that is not declared.
        """

    def name(self, place: int) -> str:
        """The name of a coordinate of the inputs."""
