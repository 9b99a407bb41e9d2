"""Counts of regions while a network trains, without stopping the training: `RegionMonitor`."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
import uuid
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, Unpack, get_args

from relucensus_client import _parts
from relucensus_client._connection import service_url
from relucensus_client._counting_process import CountingProcess
from relucensus_client._domain import Bound, Domain
from relucensus_client._errors import InvalidArgument
from relucensus_client._history import COLUMNS, History, counted_rows
from relucensus_client._model_source import Model, prepare_for_modules, snapshot_file
from relucensus_client._requests import CountOptions, count_request

WhenFull = Literal["skip", "wait"]

_DEFAULT_DEFINITIONS: Final = ("activation_regions", "linear_regions", "affine_pieces")
_ONLY_ON_A_SERVICE: Final = ("deadline", "fresh", "certificate")
_MOST_DEATHS: Final = 2
_TURN: Final = 1.0  # seconds between two looks at a process that may have ended
_SHOWN: Final = 12

_log = logging.getLogger("relucensus_client")


@dataclass
class _Snapshot:
    """When it was taken and what was measured then; the order to count it, and what has come of it."""

    when: Mapping[str, Any]
    order: Mapping[str, Any]
    answer: Mapping[str, Any] | None = None
    deaths: int = 0


class RegionMonitor:
    """Counts the regions of a network at moments of its training; use it as a context manager, or call `close`.

    `step` copies the weights, which takes well below a millisecond for a small network, and returns. A process of its
    own and of a low priority does the rest: it sends the copies to the service at the address `service`, or, if
    that is None, counts them itself with the solver that is installed. A service that goes away is waited for.

    Args:
        lower, upper, domain: the box to count on, or another domain, as for `Client.submit`.
        every: `step` takes a snapshot when its number is a multiple of this.
        service: the address of a service, or None to count on this machine without one.
        backlog: so many snapshots may wait to be counted.
        when_full: what `step` does then: ``"skip"`` the snapshot, which the history records with the status
            ``"skipped"``, or ``"wait"`` until one has been counted, however long that takes.
        patience: seconds that `close` waits for what is not counted yet.
        nice: the priority of the process that counts: 19 is the lowest, 0 that of the training.
        api_key: of the service; without one, it is RELUCENSUS_API_KEY of the environment, or none.
        example_input: as for `Client.submit`.
        options: those of `CountOptions`, for example `definitions`, `engine` and `seconds`; not `deadline`, `fresh` and
            `certificate` without a service.

    It is for the thread that made it.

    Raises:
        InvalidArgument: an argument is not valid.
        MissingPart: the solver is not installed, and there is no `service`.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, and what callers write
        self,
        *,
        lower: Bound | None = None,
        upper: Bound | None = None,
        domain: Domain | None = None,
        every: int = 1,
        service: str | None = None,
        backlog: int = 128,
        when_full: WhenFull = "skip",
        patience: float = 600.0,
        nice: int = 19,
        api_key: str | None = None,
        example_input: Any = None,
        **options: Unpack[CountOptions],
    ) -> None:
        if when_full not in get_args(WhenFull):
            raise InvalidArgument(f"when_full is {when_full!r}; needed is 'skip' or 'wait'")
        self._every = _positive("every", every)
        self._backlog = _positive("backlog", backlog)
        self._when_full = when_full
        self._patience = patience
        self._nice = nice
        self._example_input = example_input
        self._definitions = tuple(options.get("definitions") or _DEFAULT_DEFINITIONS)
        self._activation = options.pop("activation", None)
        request = count_request(lower, upper, options, domain) | {"definitions": list(self._definitions)}
        service = _checked_service(service, options)
        self._snapshots: list[_Snapshot] = []
        self._open: dict[int, _Snapshot] = {}
        self._calls = 0
        self._folder = Path(tempfile.mkdtemp(prefix="relucensus-monitor-"))
        self._settings = {"service": service, "api_key": api_key, "request": request, "folder": str(self._folder)}
        prepare_for_modules()
        self._process = CountingProcess(self._settings, self._nice)
        self._processes = [self._process]  # what `_abandon` has to end: the last one
        self._abandoned = weakref.finalize(self, _abandon, os.getpid(), self._folder, self._processes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(None if kind is None else 0.0)

    def __repr__(self) -> str:
        return f"<RegionMonitor {len(self._snapshots)} snapshots, {self.open} not counted yet>"

    @property
    def open(self) -> int:
        """The number of snapshots that are not counted yet, as far as is known."""
        return len(self._open)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return not self._abandoned.alive

    def due(self, number: int) -> bool:
        """Whether `step` with this number takes a snapshot: so that an accuracy need only be computed where it is.

        >>> with RegionMonitor(lower=-1, upper=1, every=10, service="http://127.0.0.1:8000") as monitor:
        ...     [monitor.due(number) for number in (0, 5, 10)]
        [True, False, True]
        """
        return number % self._every == 0

    def step(
        self, model: Model, step: int | None = None, *, epoch: int | None = None, **measured: float | None
    ) -> bool:
        """Takes a snapshot if it is due; returns whether one was taken. Call it once a step, or once an epoch.

        The number that counts is `step`, or else `epoch`, or else how often this was called before. `measured` are
        numbers to stand in the history beside the counts, such as ``accuracy=`` and ``loss=``; tensors of one entry do.

        Raises:
            InvalidArgument: the model cannot be read, a number is none, or the monitor is closed.
        """
        number = self._number(step, epoch)
        self._calls += 1
        return self.due(number) and self.snapshot(model, number, epoch=epoch, **measured)

    def snapshot(
        self, model: Model, step: int | None = None, *, epoch: int | None = None, **measured: float | None
    ) -> bool:
        """As `step`, whether it is due or not: for the last one of a training."""
        if self.closed:
            raise InvalidArgument("the monitor is closed; snapshots are taken before that")
        when = {"step": self._number(step, epoch), "epoch": epoch} | _numbers(measured)
        self._collect()
        while self._when_full == "wait" and self.open >= self._backlog:
            self._collect(_TURN)
        if self.open >= self._backlog:
            reason = f"the backlog was full: {self.open} snapshots were not counted yet"
            self._snapshots.append(_Snapshot(when, {}, {"status": "skipped", "reason": reason}))
            return False
        number = len(self._snapshots)
        file, activation = snapshot_file(model, self._example_input)
        path = self._folder / f"{number}-{file.name}"
        path.write_bytes(file.data)
        beside = {name: f"{path}.{i}" for i, name in enumerate(file.files)}
        for name, place in beside.items():
            Path(place).write_bytes(file.files[name])
        order = {"number": number, "path": str(path), "files": beside, "key": str(uuid.uuid4())}
        order["activation"] = activation or self._activation
        self._open[number] = _Snapshot(when, order)
        self._snapshots.append(self._open[number])
        self._process.order(order)
        return True

    def history(self) -> History:
        """What is known now, with a row for each snapshot and definition."""
        self._collect()
        waiting = {"status": "open", "reason": "not counted yet"}
        rows = (
            counted_rows(snapshot.when, self._definitions, snapshot.answer or waiting) for snapshot in self._snapshots
        )
        return History(row for some in rows for row in some)

    def close(self, timeout: float | None = None) -> History:
        """Waits until everything is counted, for up to `timeout` seconds, ends the process and returns the history.

        `timeout` is the monitor's `patience` unless given. What is not counted by then has the status ``"missing"`` in
        the history and is reported as a warning of the logger ``relucensus_client``; its jobs are cancelled. So it is
        when Ctrl-C ends the waiting.
        """
        end = time.monotonic() + (self._patience if timeout is None else timeout)
        try:
            while self._open and (left := end - time.monotonic()) > 0:
                self._collect(min(_TURN, left))
        finally:
            if not self.closed:
                self._end()
        return self.history()

    def _number(self, step: int | None, epoch: int | None) -> int:
        for name, given in (("step", step), ("epoch", epoch)):
            if given is not None and (isinstance(given, bool) or not hasattr(given, "__index__")):
                raise InvalidArgument(f"{name} is {given!r}; needed is an integer")
        given = step if step is not None else epoch
        return self._calls if given is None else int(given)

    def _collect(self, seconds: float = 0.0) -> None:
        """Take in what the process has said; wait for the first word for up to so many seconds."""
        if self.closed:
            return
        for answer in self._process.answers(seconds):
            self._take(answer)
        if self._process.ended:
            self._replace_process()

    def _take(self, answer: Mapping[str, Any]) -> None:
        if "trouble" in answer:
            _log.warning("counts are waiting, and will go on when that is over: %s", answer["trouble"])
            return
        snapshot = self._open.pop(answer["number"], None)
        if snapshot is not None:
            snapshot.answer = answer
            for place in (snapshot.order["path"], *snapshot.order["files"].values()):
                Path(place).unlink(missing_ok=True)

    def _replace_process(self) -> None:
        """Start another process in the place of one that has died, with the same orders.

        Counts begin in the order of their snapshots, so that the first is what it died of, if it was a snapshot.
        """
        self._process.end()
        died = f"the process that counts has died (exit status {self._process.exit_status})"
        if self._open:
            number, snapshot = next(iter(self._open.items()))
            snapshot.deaths += 1
            if snapshot.deaths >= _MOST_DEATHS:
                self._take({"number": number, "status": "failed", "reason": f"{died}, twice at this snapshot"})
        _log.warning("%s; another takes its place", died)
        self._process = self._processes[0] = CountingProcess(self._settings, self._nice)
        for snapshot in self._open.values():
            self._process.order(snapshot.order)

    def _end(self) -> None:
        try:
            for answer in self._process.end():
                self._take(answer)
        finally:
            self._abandoned()
            self._report_missing()

    def _report_missing(self) -> None:
        lost = list(self._open)
        for number in lost:
            self._take({"number": number, "status": "missing", "reason": "not counted when the monitor was closed"})
        without = [snapshot for snapshot in self._snapshots if snapshot.answer and "counts" not in snapshot.answer]
        if without:
            kinds = [str((snapshot.answer or {})["status"]) for snapshot in without]
            counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
            steps = ", ".join(str(snapshot.when["step"]) for snapshot in without[:_SHOWN])
            more = ", …" if len(without) > _SHOWN else ""
            _log.warning(
                "%d of %d snapshots have no count (%s), those of the steps %s%s; the history says why",
                len(without),
                len(self._snapshots),
                counted,
                steps,
                more,
            )


def _positive(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidArgument(f"{name} is {value!r}; needed is an integer of at least 1")
    return value


def _checked_service(service: str | None, options: CountOptions) -> str | None:
    if service is not None:
        return service_url(service)
    for name in _ONLY_ON_A_SERVICE:
        if options.get(name) is not None:
            raise InvalidArgument(f"{name} is for a count on a service; say which with service")
    _parts.check(_parts.IN_PROCESS, "count", "RegionMonitor without a service")
    return None


def _numbers(measured: Mapping[str, Any]) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    for name, value in measured.items():
        if name in COLUMNS:
            raise InvalidArgument(f"{name!r} is a column of every history; give what you measure another name")
        try:
            # A loss still has its graph, which a number has no use for, and torch warns of.
            numbers[name] = None if value is None else float(value.detach() if hasattr(value, "detach") else value)
        except (TypeError, ValueError, RuntimeError):
            raise InvalidArgument(f"{name} is {value!r}; needed is a number") from None
    return numbers


def _abandon(owner: int, folder: Path, processes: list[CountingProcess]) -> None:
    """Leave nothing behind; a fork of the program that made the monitor has nothing to leave."""
    if os.getpid() == owner:
        processes[0].end()
        shutil.rmtree(folder, ignore_errors=True)
