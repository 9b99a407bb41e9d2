"""Files that take their name when they are finished."""

import os
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from relucensus.certify import check_writable
from relucensus.errors import InvalidRequest
from relucensus.replacing import replacing
from relucensus_client import InvalidArgument
from relucensus_client import _regions as client


@pytest.mark.parametrize("write", [replacing, client.replacing])
def test_a_pipe_or_a_device_is_not_replaced_by_a_file(
    tmp_path: Path, write: Callable[[Path], AbstractContextManager[Any]]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises((InvalidRequest, InvalidArgument), match="cannot be written"), write(pipe):
        pass
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
    with pytest.raises(InvalidRequest, match="cannot be written"):
        check_writable(pipe)
