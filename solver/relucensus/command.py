"""What the command line does in this process: the request document of the HTTP API in, the end of a job out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

from relucensus.census import count_regions
from relucensus.errors import AmbiguousModel, CensusError, InvalidCertificate, InvalidRequest
from relucensus.frontier import Progress
from relucensus.geometry.documents import distances_of, geometry_of
from relucensus.geometry.pictures import picture_of
from relucensus.proof.checker import verify
from relucensus.readers import read_model
from relucensus.readers.choices import ReadingOptions
from relucensus.readers.data_files import NO_FILES, DataFiles
from relucensus.readers.vnnlib import read_property
from relucensus.values.domain import domain_from_json
from relucensus.values.network import Network
from relucensus.values.problem import DEFAULT_DEFINITIONS, Budget, Definition, Problem
from relucensus.values.result import Status
from relucensus.writers import DEFAULT_COLUMNS, write_regions

OnProgress = Callable[[int, int | None, float | None], None]

_CHOICES: Final = frozenset(ReadingOptions.__annotations__)
_FIELDS: Final = frozenset({"domain", "definitions", "engine", "strategy", "limits", "cross_check"}) | _CHOICES


def count_file(
    data: bytes,
    request: Mapping[str, Any],
    *,
    files: DataFiles = NO_FILES,
    workers: int | None = None,
    certificate: str | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, Any]:
    """``{"result": …, "error": None}``, or the other way round: the last two fields of a job on the service.

    An error is a problem document; its status is 422 if the model or the request is at fault, else 500.
    `files` are those beside the model that hold its weights, by name. The request may have the fields of
    `relucensus.readers.Choices`. `workers` threads share the work; None is one. `certificate` is a file for the proof
    of exact counts. `on_progress` is called with regions so far, open cubes and regions per second.
    """
    try:
        unknown = sorted(set(request) - _FIELDS)
        if unknown:
            raise InvalidRequest(f"unknown field {unknown[0]!r}; known are {', '.join(sorted(_FIELDS))}")
        network = _network_asked(data, request, files)
        return {"result": _counted(network, request, workers, certificate, on_progress), "error": None}
    except CensusError as error:
        return {"result": None, "error": _problem(error)}


def regions_file(
    data: bytes, request: Mapping[str, Any], *, files: DataFiles = NO_FILES, on_progress: OnProgress | None = None
) -> dict[str, Any]:
    """Write the regions to a file: ``{"result": {"regions": …, "complete": …}, "error": None}``, or an error only.

    The request has `domain`, `output`, `format`, and perhaps `columns`, `limits` and choices as in `count_file`. The
    result also has the `notes` of the network.
    """
    try:
        network = _network_asked(data, request, files)
        written = write_regions(
            Problem(network, domain_from_json(request["domain"], network.inputs)),
            request["output"],
            format=request["format"],
            columns=request.get("columns") or DEFAULT_COLUMNS,
            budget=Budget(**request.get("limits", {})),
            on_progress=None if on_progress is None else lambda regions: on_progress(regions, None, None),
        )
    except CensusError as error:
        return {"result": None, "error": _problem(error)}
    found = {"regions": written.regions, "complete": written.complete, "notes": list(network.notes)}
    return {"result": found, "error": None}


def verify_file(
    data: bytes, request: Mapping[str, Any], *, files: DataFiles = NO_FILES, on_progress: OnProgress | None = None
) -> dict[str, Any]:
    """What a certificate proves of a model: ``{"result": {"accepted": True, …}, "error": None}``, or an error only.

    A certificate that proves less than it claims is a result too, with `accepted` False and the `reason`; one that is
    none, or is of another network or domain, is an error. The request has `certificate`, the path of the file, and
    perhaps `domain` and choices as in `count_file`. An accepted result has the `notes` of the network, as it was read
    here.
    """
    try:
        network = _network_asked(data, request, files)
        domain = domain_from_json(request["domain"], network.inputs) if "domain" in request else None
        shown = None if on_progress is None else lambda regions: on_progress(regions, None, None)
        verified = verify(network, Path(request["certificate"]), domain=domain, on_progress=shown)
    except OSError as error:
        reason = error.strerror or error
        return {
            "result": None,
            "error": _problem(InvalidRequest(f"certificate {request['certificate']} cannot be read: {reason}")),
        }
    except CensusError as error:
        if type(error) is InvalidCertificate:
            return {"result": {"accepted": False, "reason": str(error)}, "error": None}
        return {"result": None, "error": _problem(error)}
    return {"result": {"accepted": True, **verified.to_json(), "notes": list(network.notes)}, "error": None}


def vnnlib_box(data: bytes | str, box: int | None = None) -> dict[str, Any]:
    """The input box of a VNN-LIB property as ``{"domain": …, "notes": […], "error": None}``, or with an error only.

    `box` is the number of one of several, counted from 0; without it, the error lists them.
    """
    try:
        found = read_property(data)
        domain = found.box(box).to_json()
    except CensusError as error:
        return {"domain": None, "notes": [], "error": _problem(error)}
    return {"domain": domain, "notes": list(found.notes), "error": None}


def picture_file(data: bytes, request: Mapping[str, Any], *, files: DataFiles = NO_FILES) -> dict[str, Any]:
    """The document of a picture (`geometry.pictures`) as `result`, or an error; the request has domain and limits."""

    def drawn(network: Network) -> dict[str, Any]:
        problem = _problem_asked(network, request)
        return picture_of(problem, regions=_regions_of(problem, request), budget=_budget_asked(request))

    return _answered(data, request, files, drawn)


def geometry_file(data: bytes, request: Mapping[str, Any], *, files: DataFiles = NO_FILES) -> dict[str, Any]:
    """The measures of the regions (`geometry.documents`) as `result`, or an error; the request also has `volumes`."""

    def measured(network: Network) -> dict[str, Any]:
        problem, volumes = _problem_asked(network, request), request.get("volumes", "none")
        regions = _regions_of(problem, request)
        return geometry_of(problem, volumes=volumes, regions=regions, budget=_budget_asked(request))

    return _answered(data, request, files, measured)


def distances_file(data: bytes, request: Mapping[str, Any], *, files: DataFiles = NO_FILES) -> dict[str, Any]:
    """The distances of `points` to boundaries (`geometry.documents`) as `result`, or an error."""

    def measured(network: Network) -> dict[str, Any]:
        return distances_of(network, request["points"], exact=request["exact"])

    return _answered(data, request, files, measured)


def _regions_of(problem: Problem, request: Mapping[str, Any]) -> int | None:
    """The number of activation regions as an engine counts them; None where a limit stops it."""
    counting = Problem(problem.network, problem.domain, (Definition.ACTIVATION_REGIONS,))
    counted = count_regions(counting, budget=_budget_asked(request)).counts[Definition.ACTIVATION_REGIONS]
    return counted.value if counted.status is Status.EXACT else None


def _answered(
    data: bytes, request: Mapping[str, Any], files: DataFiles, work: Callable[[Network], dict[str, Any]]
) -> dict[str, Any]:
    """What work on the network gives, with the `notes` of the network; or an error."""
    try:
        network = _network_asked(data, request, files)
        return {"result": {**work(network), "notes": list(network.notes)}, "error": None}
    except CensusError as error:
        return {"result": None, "error": _problem(error)}


def _budget_asked(request: Mapping[str, Any]) -> Budget:
    return Budget(**request.get("limits", {}))


def _network_asked(data: bytes, request: Mapping[str, Any], files: DataFiles) -> Network:
    """The network in the file, read with the choices of the request."""
    chosen = cast(ReadingOptions, {name: request[name] for name in _CHOICES & set(request)})
    return read_model(data, files=files, **chosen).network


def _problem_asked(network: Network, request: Mapping[str, Any]) -> Problem:
    return Problem(network, domain_from_json(request["domain"], network.inputs))


def _counted(
    network: Network,
    request: Mapping[str, Any],
    workers: int | None,
    certificate: str | None,
    on_progress: OnProgress | None,
) -> dict[str, Any]:
    budget = Budget(**request.get("limits", {}))
    definitions = tuple(request.get("definitions") or DEFAULT_DEFINITIONS)
    problem = Problem(network, domain_from_json(request["domain"], network.inputs), definitions)
    result = count_regions(
        problem,
        engine=request.get("engine", "auto"),
        strategy=request.get("strategy", "cubes"),
        budget=budget,
        cross_check=request.get("cross_check"),
        workers=1 if workers is None else workers,
        certificate=certificate,
        on_progress=None if on_progress is None else lambda progress: _report(progress, on_progress),
    )
    return result.to_json()


def _report(progress: Progress, on_progress: OnProgress) -> None:
    rate = progress.regions / progress.seconds if progress.seconds > 0 else None
    on_progress(progress.regions, progress.open_cubes, rate)


def _problem(error: CensusError) -> dict[str, Any]:
    """The problem document of an error, with the `type` the service gives it."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__)
    asked = {"option": error.option, "choices": list(error.choices)} if isinstance(error, AmbiguousModel) else {}
    return {
        "type": f"urn:relucensus:problem:{words.lower().replace(' ', '-')}",
        "title": words.capitalize(),
        "status": 422 if isinstance(error, ValueError) else 500,
        "detail": str(error),
        **asked,
    }
