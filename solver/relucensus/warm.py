"""Compiled code: made once on a machine, kept on disk, loaded by every process after that.

Compiling takes up to a minute. Processes that need it at the same time do it once: the first compiles, the
others wait for it and load what it has written.
"""

from __future__ import annotations

import fcntl
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Final

from relucensus import compiled
from relucensus.engines.registry import engine_named
from relucensus.values.domain import Box
from relucensus.values.network import Network
from relucensus.values.pattern import Cube
from relucensus.values.problem import Budget, Definition, Problem

log: Final = logging.getLogger("relucensus")

_NEEDED: Final = {"tree": ("tree",), "skeleton": ("tree", "skeleton")}  # skeleton hands over to tree
_MODULES: Final = {
    "tree": ("relucensus.engines.tree",),
    "skeleton": ("relucensus.engines.skeleton", "relucensus.residues"),
}
_NOTICE: Final = "relucensus: compiling its kernels, once on this machine (up to a minute)"
_NOTICE_WHEN_NOT_KEPT: Final = (
    "relucensus: compiling its kernels (up to a minute); they cannot be kept, as no folder may be written to: "
    "set NUMBA_CACHE_DIR"
)
_loading: Final = threading.Lock()
_known: Final[set[str]] = set()


def warm() -> None:
    """Have the kernels of all engines in memory: loads them, and compiles them first where that was never done."""
    for name in _MODULES:
        prepare(name)
        _count_something(name)


def prepare(engine: str) -> None:
    """See to it that the kernels of an engine are compiled; says so at level WARNING if that takes its time."""
    for name in _NEEDED.get(engine, ()):
        with _loading:
            if name not in _known:
                _compile(name)
                _known.add(name)


def _compile(name: str) -> None:
    engine_named(name)
    if _is_compiled(name):
        return
    with _one_process_at_a_time():
        if not _is_compiled(name):
            _say_so()
            _count_something(name)


@cache
def _say_so() -> None:
    log.warning(_NOTICE if compiled.cache_folder() else _NOTICE_WHEN_NOT_KEPT)


def _is_compiled(name: str) -> bool:
    return all(compiled.is_compiled(modules) for modules in _MODULES[name])


def _count_something(name: str) -> None:
    """A count for which the engine calls every compiled function."""
    layers = [([[0.7, 1.9], [-1.1, 0.4], [0.3, -0.8]], [0.13, -0.22, 0.31]), ([[0.9, 1.2, -0.6]], [-0.17])]
    network = Network.from_arrays([*layers, ([[1.0]], [0.0])])
    problem = Problem(network, Box.from_bounds(-1, 1, inputs=2), (Definition.LINEAR_REGIONS,))
    engine_named(name).settle(problem, Cube(b""), Budget())


@contextmanager
def _one_process_at_a_time() -> Iterator[None]:
    folder = compiled.cache_folder()
    if folder is None:
        yield
        return
    with (folder / "relucensus.lock").open("w") as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
