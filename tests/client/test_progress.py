from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from relucensus_client import JobStatus
from relucensus_client._progress import ProgressLine


def test_on_a_terminal_the_line_shows_the_progress_of_a_job(documents: Any) -> None:
    written = io.StringIO()
    with ProgressLine(Console(file=written, force_terminal=True, width=100)) as line:
        line.show_job(JobStatus.model_validate(documents.job(state="queued", progress=None)))
        line.show_job(JobStatus.model_validate(documents.job()))
    assert "10 regions so far, 4 cubes open, 2 regions/s" in written.getvalue()


def test_elsewhere_nothing_is_written() -> None:
    written = io.StringIO()
    with ProgressLine(Console(file=written, force_terminal=False)) as line:
        line.show(10, 4, 2.5)
    assert written.getvalue() == ""
