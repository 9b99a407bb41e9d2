"""How much memory this process has used at most."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")
_UNIT: Final = 1 if sys.platform == "darwin" else 1024  # bytes in one unit of ru_maxrss


def peak_memory_bytes() -> int:
    """The most memory that this process has had resident, in bytes.

    Linux's `ru_maxrss` begins with the peak of the process that started this one (getrusage(2) says nothing of it), so
    that the high water mark of this process's own address space is preferred (VmHWM of proc(5)).
    """
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
