"""How the library compiles, and how compiled functions share their arrays.

Functions are cached on disk, run without the interpreter's lock, and divide by zero to infinity. Handing dozens of
arrays from function to function makes numba slow to compile and to call; instead a search hands on one `Directory`,
an integer array with the address and the shape of every array, and each function looks up what it uses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.core import caching
from numba.extending import intrinsic
from numba.np import arrayobj
from numpy.typing import NDArray

_F = TypeVar("_F", bound=Callable[..., Any])
_ENTRY: Final = 3
_CONSTANTS: Final = ("certificate.py", "compiled.py", "state.py", "mesh.py")
_entries: Final[list[Any]] = []

Directory = NDArray[np.int64]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]


def entry(function: _F) -> _F:
    """Compile a function that Python calls."""
    dispatcher = _compiled(function)
    _entries.append(dispatcher)
    return dispatcher


def kernel(function: _F) -> _F:
    """Compile a function that only compiled functions call and that allocates nothing."""
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False)


def reordering(function: _F) -> _F:
    """A kernel whose sums may be added up in any order; bounds of rounding errors hold for every order."""
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False, fastmath={"reassoc"})


def is_compiled(modules: str) -> bool:
    """Whether the functions that Python calls in the loaded modules of this name are compiled, here or on disk."""
    return all(
        dispatcher.overloads or _on_disk(dispatcher)
        for dispatcher in _entries
        if f"{dispatcher.py_func.__module__}.".startswith(f"{modules}.")
    )


def cache_folder() -> Path | None:
    """Where compiled functions are kept; None if nothing may be written there."""
    cached = _entries[0]._cache
    return Path(cached.cache_path) if cached.save_overload is not _kept_nowhere else None


def _on_disk(dispatcher: Any) -> bool:
    """Whether the function is on disk, of this source and for this processor."""
    processor = dispatcher.targetctx.codegen().magic_tuple()
    try:
        return any(key[1] == processor for key in dispatcher._cache._cache_file._load_index())
    except (OSError, EOFError, ValueError):
        return False


def _compiled(function: _F, **options: Any) -> _F:
    options |= {"cache": True, "nogil": True, "error_model": "numpy"}
    try:
        dispatcher = njit(**options)(function)
    except RuntimeError:  # no folder may be written to; what is there may still be read
        dispatcher = _reading_only(function, options)
    dispatcher._cache._cache_file._source_stamp = _stamp()
    return cast(_F, dispatcher)


def _reading_only(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    locator = caching._CacheLocator
    ensure = locator.ensure_cache_path
    locator.ensure_cache_path = lambda _: None
    try:
        dispatcher = njit(**options)(function)
    finally:
        locator.ensure_cache_path = ensure
    dispatcher._cache.save_overload = _kept_nowhere
    return dispatcher


def _kept_nowhere(signature: Any, data: Any) -> None:
    """Takes the place of numba's function that writes to the cache."""


@cache
def _stamp() -> str:
    """A digest of all files with kernels or their constants: numba takes no notice of changes in other files."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        source = path.read_bytes()
        if path.name in _CONSTANTS or b"@kernel" in source or b"@entry" in source:
            digest.update(source)
    return digest.hexdigest()


def directory(arrays: Mapping[int, NDArray[Any]]) -> Directory:
    """The directory of contiguous arrays of one or two dimensions, by number. The caller keeps the arrays alive."""
    table = np.zeros(_ENTRY * (max(arrays) + 1), dtype=np.int64)
    for number, array in arrays.items():
        if not array.flags.c_contiguous or array.ndim not in (1, 2):
            raise ValueError(f"array {number} is not contiguous, or has {array.ndim} dimensions")
        table[_ENTRY * number] = array.ctypes.data
        table[_ENTRY * number + 1 : _ENTRY * number + 1 + array.ndim] = array.shape
    return table


def _view(item: Any, dimensions: int) -> Any:
    """A compiled function that gives the array of this number in a directory, without a reference count."""

    @intrinsic  # type: ignore[untyped-decorator]
    def view(typingctx: Any, s: Any, number: Any) -> Any:
        kind = types.Array(item, dimensions, "C")

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            holder = context.make_array(signature.args[0])(context, builder, arguments[0])
            first = builder.mul(arguments[1], context.get_constant(types.int64, _ENTRY))
            address, *shape = (
                builder.load(builder.gep(holder.data, [builder.add(first, context.get_constant(types.int64, k))]))
                for k in range(1 + dimensions)
            )
            array = context.make_array(kind)(context, builder)
            size = context.get_constant(types.intp, item.bitwidth // 8)
            strides = [size] if dimensions == 1 else [builder.mul(shape[1], size), size]
            data = builder.inttoptr(address, array.data.type)
            arrayobj.populate_array(array, data, shape, strides, size, meminfo=None)
            return array._getvalue()

        return kind(s, types.int64), generate

    return view


floats: Callable[[Directory, int], Floats] = _view(types.float64, 1)
table: Callable[[Directory, int], Floats] = _view(types.float64, 2)
singles: Callable[[Directory, int], Singles] = _view(types.float32, 1)
ints: Callable[[Directory, int], Ints] = _view(types.int64, 1)
symbols: Callable[[Directory, int], Bytes] = _view(types.uint8, 1)
grid: Callable[[Directory, int], Bytes] = _view(types.uint8, 2)
words: Callable[[Directory, int], Words] = _view(types.uint64, 2)
