"""A progress line on stderr, shown only on a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from relucensus_client._models import JobStatus


class ProgressLine:
    """How far a count has come, on one line of the terminal that disappears at the end; silent without a terminal.

    The number of regions is not known before the end, so nothing here claims a fraction.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._task = self._progress.add_task("counting", total=None)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:  # elsewhere, rich would end with an empty line
            self._progress.stop()

    def show_job(self, job: JobStatus) -> None:
        """Replaces what the line says by the progress of a job on the service."""
        if job.progress is None:
            self._progress.update(self._task, description=job.state)
        else:
            self.show(job.progress.activation_regions, job.progress.open_cubes, job.progress.regions_per_second)

    def show(self, regions: int, open_cubes: int | None = None, per_second: float | None = None) -> None:
        """Replaces what the line says."""
        self._progress.update(self._task, description=progress_text(regions, open_cubes, per_second))


def progress_text(regions: int, open_cubes: int | None = None, per_second: float | None = None) -> str:
    """The progress in words.

    >>> progress_text(1234, 5, 61.7)
    '1,234 regions so far, 5 cubes open, 62 regions/s'
    """
    parts = [f"{counted(regions, 'region')} so far"]
    if open_cubes is not None:
        parts.append(f"{counted(open_cubes, 'cube')} open")
    if per_second is not None:
        parts.append(f"{per_second:,.0f} regions/s")
    return ", ".join(parts)


def counted(number: int, noun: str) -> str:
    """The number and the noun, which has an s unless there is one.

    >>> counted(1, "region"), counted(1200, "region")
    ('1 region', '1,200 regions')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
