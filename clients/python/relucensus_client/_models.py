"""What the service answers, as frozen typed values. Fields this version does not know are kept, never refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Unpack

from pydantic import Field, PrivateAttr

from relucensus_client._answers import Answer, Network, Problem, Verified
from relucensus_client._errors import InvalidArgument, VerificationFailed
from relucensus_client._model_source import Model
from relucensus_client._reading import ReadingOptions, reading_document
from relucensus_client._verification import Certificate, verified

EXACT = "exact"


class Count(Answer):
    """One count. Unless it is `exact`, `value` is proven to exist and `upper_bound` is the most that could."""

    value: int
    status: str
    upper_bound: int | None = None

    @property
    def exact(self) -> bool:
        """Whether `value` is the number itself."""
        return self.status == EXACT


class Domain(Answer):
    """The domain that was counted on; a number stands for the same bound in every coordinate.

    The bounds of a slice (`kind` "slice") are those of the numbers before its directions.
    """

    kind: str = "box"
    lower: float | tuple[float, ...] | None = None
    upper: float | tuple[float, ...] | None = None
    origin: tuple[float, ...] | None = None
    directions: tuple[tuple[float, ...], ...] | None = None


class Statistics(Answer):
    """What the count cost."""

    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    lps: int | None = None
    milp_solves: int | None = None
    exact_fallbacks: int | None = None
    cubes: int | None = None
    peak_memory_bytes: int | None = None


SaveCertificate = Callable[[Path], None]


class _Drawing:
    """How a result is drawn. No part of the result: all are equal, and none is pickled."""

    def __init__(self, draw: Callable[..., Any] | None = None) -> None:
        self.draw = draw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Drawing)

    def __hash__(self) -> int:
        return 0

    def __reduce__(self) -> tuple[type[_Drawing], tuple[()]]:
        return _Drawing, ()


class _Origin:
    """Where the certificate of a result is to be had. No part of the result: all are equal, and none is pickled."""

    def __init__(self, save: SaveCertificate | None = None) -> None:
        self.save = save

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Origin)

    def __hash__(self) -> int:
        return 0

    def __reduce__(self) -> tuple[type[_Origin], tuple[()]]:
        return _Origin, ()


class CountResult(Answer):
    """The answer to a count: the numbers, what they speak about and what they cost.

    `notes` are what the reader of the model assumed or left off.

    >>> read = {"counts": {"activation_regions": {"value": 2, "status": "exact"}}, "engine": "milp"}
    >>> result = CountResult.model_validate(read)
    >>> result.counts["activation_regions"].value, result.exact
    (2, True)
    """

    counts: dict[str, Count]
    engine: str
    regions_after_layer: tuple[int, ...] = ()
    cross_checked_by: str | None = None
    notes: tuple[str, ...] = ()
    network: Network = Network()
    domain: Domain = Domain()
    bounds: dict[str, Any] = Field(default_factory=dict)
    statistics: Statistics = Statistics()
    certificate: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)

    _origin: _Origin = PrivateAttr(default_factory=_Origin)
    _drawing: _Drawing = PrivateAttr(default_factory=_Drawing)

    def drawn_by(self, draw: Callable[..., Any]) -> CountResult:
        """The same result, which `plot` draws with this function."""
        same = self.model_copy()
        same._drawing = _Drawing(draw)
        return same

    def plot(self, axes: Any = None, **options: Any) -> Any:
        """Draws the regions of a domain on which one or two coordinates vary, and returns the matplotlib axes.

        The service is asked for them; the options are those of `relucensus_client.drawing.draw`.

        Raises:
            TypeError: the result does not come from a `Client`: with asyncio, await `AsyncJob.picture` and draw that.
            Conflict: the job has no exact count, or another number of coordinates varies.
            MissingPart: matplotlib is not installed.
        """
        if self._drawing.draw is None:
            raise TypeError("this result does not come from a Client; draw a Picture: `(await job.picture()).plot()`")
        return self._drawing.draw(axes, **options)

    @property
    def exact(self) -> bool:
        """Whether every count asked for is exact."""
        return all(count.exact for count in self.counts.values())

    def locate(self, save: SaveCertificate) -> None:
        """Say how the certificate is to be had: `save` writes it to a path."""
        self._origin = _Origin(save)

    def verify(
        self,
        model: Model,
        certificate: Certificate | None = None,
        *,
        example_input: Any = None,
        **said: Unpack[ReadingOptions],
    ) -> Verified:
        """Checks on this machine, in exact arithmetic, that the certificate proves these counts of this model.

        The certificate is a path or bytes; without it, the service that gave this result is asked for its own.
        `model` and `example_input` are as for `Client.submit`, what is said about the file is as in `ReadingOptions`.
        Needs the solver, not the service.

        Raises:
            InvalidArgument: there is no certificate, or the model cannot be read.
            VerificationFailed: the certificate does not prove these counts.
            MissingPart: the solver is not installed.
        """
        if certificate is None:
            with self._certificate() as path:
                return self.verify(model, path, example_input=example_input, **said)
        asked = {"domain": self.domain.to_json(), **reading_document(said)}
        proven = verified(model, certificate, asked, example_input)
        for name, count in self.counts.items():
            if proven.counts.get(name) != count.value:
                shown = proven.counts.get(name, "nothing")
                raise VerificationFailed(f"the certificate proves {shown} for {name}, the result says {count.value}")
        if proven.network != self.network.digest:
            raise VerificationFailed(f"the certificate is about {proven.network}, the result {self.network.digest}")
        return proven

    @contextmanager
    def _certificate(self) -> Iterator[Path]:
        """The certificate as a file."""
        if self.certificate is None:
            why = "ask for one with certificate=True" if self.exact else "only exact counts have one"
            raise InvalidArgument(f"the result has no certificate; {why}")
        if self._origin.save is None:
            path = Path(self.certificate)
            if not path.is_file():
                raise InvalidArgument(f"the certificate {path} is not on this machine; give its path or its bytes")
            yield path
            return
        with TemporaryDirectory() as folder:
            path = Path(folder) / "certificate.gz"
            self._origin.save(path)
            yield path


class Geometry(Answer):
    """How large the regions of a domain are together, and the boundaries between them.

    `volume` is that of the box of the coordinates that vary, `boundary` the points, length or area between regions
    among the inputs, and `boundary_of_layer` the same by the first layer that divides there. On a line there are
    `breakpoints`, and as fractions in text `exact_breakpoints`. `volumes` are numbers, or fractions in text.
    """

    dimension: int
    regions: int
    volume: float
    volume_factor: float
    boundary: float
    boundary_of_layer: tuple[float, ...]
    breakpoints: tuple[float, ...] = ()
    exact_breakpoints: tuple[str, ...] = ()
    volumes: tuple[float | str, ...] = ()
    patterns: tuple[str, ...] = ()


class ExactDistance(Answer):
    """The exact distance of an input to the nearest boundary: its square as a fraction in text, and what is there.

    `layer` and `neuron`, counted from 0, are the neuron whose breakpoint it is, `foot` the nearest point.
    """

    distance: float
    squared: str
    layer: int
    neuron: int
    foot: tuple[float, ...]


class Distances(Answer):
    """The distance of each input to the nearest boundary of its region, None where there is none; their mean."""

    distances: tuple[float | None, ...]
    mean: float | None = None
    exact: tuple[ExactDistance | None, ...] = ()


class Progress(Answer):
    """How far a running job has come; `open_cubes` is what is left to do, in pieces of unknown size."""

    activation_regions: int = 0
    open_cubes: int | None = None
    regions_per_second: float | None = None
    heartbeat_at: datetime | None = None


class JobStatus(Answer):
    """A job as the service last described it. Ask `done` whether it has ended; `state` is for people to read.

    `answered_from` is the job whose exact result this one has; nothing was counted for it.
    """

    id: str
    state: str
    done: bool
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    request: dict[str, Any] = Field(default_factory=dict)
    network: Network | None = None
    progress: Progress | None = None
    result: CountResult | None = None
    error: Problem | None = None
    answered_from: str | None = None

    def updated(self, news: JobStatus) -> JobStatus:
        """This with what `news`, which may be only a part, says."""
        return self.model_copy(update={name: getattr(news, name) for name in news.model_fields_set})


class JobPage(Answer):
    """One page of jobs, and the cursor of the next; None on the last page."""

    jobs: tuple[JobStatus, ...]
    next_cursor: str | None = None
