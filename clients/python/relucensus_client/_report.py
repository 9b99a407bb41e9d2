"""Results and jobs as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from relucensus_client._models import Count, CountResult, Distances, Geometry, JobStatus, Progress
from relucensus_client._progress import counted, progress_text

_Row = tuple[str, str]


def result_text(result: CountResult) -> str:
    """The counts with their status, then what they rest on.

    >>> counts = {"activation_regions": {"value": 1200, "status": "lower_bound", "upper_bound": 4096}}
    >>> print(result_text(CountResult.model_validate({"counts": counts, "engine": "milp"})))
    activation regions  1,200  lower bound, at most 4,096
    <BLANKLINE>
    engine  milp
    """
    rows = ((_words(name), f"{count.value:,}", _certainty(count)) for name, count in result.counts.items())
    blocks = [_table(rows, numbers=1), _table(_facts(result)), *_notes(result.notes)]
    bounds = list(_bounds(result.bounds))
    if bounds:
        blocks.append(f"Bounds from the literature:\n{_table(bounds)}")
    return "\n\n".join(blocks)


def job_text(job: JobStatus) -> str:
    """Where the job stands: its state, its progress, its error or its result."""
    rows: list[_Row] = [("job", job.id), ("state", job.state)]
    if job.started_at is not None:
        rows.append(("started", job.started_at.isoformat(sep=" ", timespec="seconds")))
    if job.finished_at is not None:
        rows.append(("finished", job.finished_at.isoformat(sep=" ", timespec="seconds")))
    if job.progress is not None and not job.done:
        rows.append(("progress", _progress(job.progress)))
    if job.error is not None:
        rows.append(("error", str(job.error)))
    text = _table(rows)
    return f"{text}\n\n{result_text(job.result)}" if job.result is not None else text


def geometry_text(geometry: Geometry) -> str:
    """Regions and boundaries, the breakpoints of a line, and the volumes that were asked for.

    >>> found = {"dimension": 1, "regions": 2, "volume": 2.0, "volume_factor": 1.0, "boundary": 1.0}
    >>> print(geometry_text(Geometry.model_validate({**found, "boundary_of_layer": [1.0], "breakpoints": [0.5]})))
    regions     2
    length      2
    boundaries  1
      layer 1   1
    breakpoint  0.5
    """
    what = {1: "length", 2: "area"}.get(geometry.dimension, "volume")
    rows: list[_Row] = [("regions", f"{geometry.regions:,}"), (what, f"{geometry.volume:.10g}")]
    if geometry.volume_factor != 1:
        rows.append((f"{what} among the inputs", f"{geometry.volume * geometry.volume_factor:.10g}"))
    rows.append(("boundaries", f"{geometry.boundary:.10g}"))
    rows += [(f"  layer {k}", f"{size:.10g}") for k, size in enumerate(geometry.boundary_of_layer, start=1)]
    rows += [("breakpoint", f"{t:.17g}") for t in geometry.breakpoints]
    rows += [(f"{what} of a region", str(volume)) for volume in geometry.volumes]
    return _table(rows)


def distances_text(distances: Distances) -> str:
    """A distance a line, then their mean; exact squares beside them.

    >>> print(distances_text(Distances(distances=(0.5, None), mean=0.5)))
    0.5
    no boundary
    <BLANKLINE>
    mean  0.5
    """
    exact = [f"exact square {one.squared}" if one is not None else "" for one in distances.exact]
    rows = [
        ("no boundary" if found is None else f"{found:.17g}", *exact[k : k + 1])
        for k, found in enumerate(distances.distances)
    ]
    mean = "" if distances.mean is None else f"\n\nmean  {distances.mean:.17g}"
    return f"{_table(rows)}{mean}"


def event_text(job: JobStatus) -> str:
    """State and progress on one line.

    >>> progress = {"activation_regions": 7, "open_cubes": 1}
    >>> event_text(JobStatus.model_validate({"id": "1", "state": "running", "done": False, "progress": progress}))
    'running     7 regions so far, 1 cube open'
    """
    if job.progress is None or job.done:
        return job.state
    return f"{job.state:10}  {_progress(job.progress)}"


def jobs_text(jobs: Iterable[JobStatus]) -> str:
    """One line a job: id, state, when it was created, regions so far."""
    return _table(
        (
            job.id,
            job.state,
            job.created_at.isoformat(sep=" ", timespec="seconds") if job.created_at else "",
            counted(job.progress.activation_regions, "region") if job.progress else "",
        )
        for job in jobs
    )


def verified_text(verified: dict[str, Any]) -> str:
    """What a certificate was found to prove.

    >>> box = {"kind": "box", "lower": [-1.0, -1.0], "upper": [1.0, 1.0]}
    >>> document = {"network": "sha256:9f", "domain": box, "counts": {"activation_regions": 1200}, "parts": 1}
    >>> print(verified_text(document))
    activation regions  1,200  proven
    <BLANKLINE>
    network  sha256:9f
    domain   box, lower -1.0 in all 2 coordinates, upper 1.0 in all 2 coordinates
    parts    1
    """
    rows = ((_words(name), f"{number:,}", "proven") for name, number in verified["counts"].items())
    facts = (
        ("network", verified["network"]),
        ("domain", _domain(verified["domain"])),
        ("parts", f"{verified['parts']:,}"),
    )
    return "\n\n".join((_table(rows, numbers=1), _table(facts), *_notes(verified.get("notes", ()))))


def notes_text(notes: Iterable[str]) -> str:
    """A line for each note.

    >>> print(notes_text(["the last Softmax was left off", "float16 weights are taken exactly"]))
    note: the last Softmax was left off
    note: float16 weights are taken exactly
    """
    return "\n".join(f"note: {note}" for note in notes)


def _notes(notes: Sequence[str]) -> Iterator[str]:
    """The block of the notes, if there are any."""
    if notes:
        yield notes_text(notes)


def _domain(domain: dict[str, Any]) -> str:
    """A domain in words, to the last digit."""
    parts = (f"{name} {_numbers(value)}" for name, value in domain.items() if name != "kind")
    return ", ".join((domain["kind"], *parts))


def _numbers(value: list[Any]) -> str:
    if len(value) > 1 and all(number == value[0] for number in value):
        return f"{value[0]} in all {len(value)} coordinates"
    return str(value)


def _progress(progress: Progress) -> str:
    return progress_text(progress.activation_regions, progress.open_cubes, progress.regions_per_second)


def _facts(result: CountResult) -> Iterator[_Row]:
    network = result.network
    if network.inputs is not None and network.neurons is not None:
        hidden = "-".join(str(width) for width in network.hidden) or "none"
        stable = f", {network.stable_neurons} of them stable" if network.stable_neurons else ""
        yield (
            "network",
            f"{counted(network.inputs, 'input')}, hidden {hidden} ({counted(network.neurons, 'neuron')}{stable})",
        )
    if result.regions_after_layer:
        yield "regions after each layer", " then ".join(f"{number:,}" for number in result.regions_after_layer)
    yield "engine", result.engine + (f", confirmed by {result.cross_checked_by}" if result.cross_checked_by else "")
    if result.statistics.wall_seconds is not None:
        yield "time", f"{result.statistics.wall_seconds:.2f} s"


def _bounds(bounds: dict[str, Any], about: str = "") -> Iterator[_Row]:
    """Every known bound by name; a group of bounds puts its name behind."""
    for name, bound in bounds.items():
        if isinstance(bound, dict):
            yield from _bounds(bound, f" ({_words(name)})")
        elif isinstance(bound, int):
            yield f"{_words(name)}{about}", f"{bound:,}"
        elif isinstance(bound, float):
            yield f"{_words(name)}{about}", f"{bound:,.1f}"


def _certainty(count: Count) -> str:
    if count.exact:
        return "exact"
    at_most = "" if count.upper_bound is None else f", at most {count.upper_bound:,}"
    return f"{_words(count.status)}{at_most}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _table(rows: Iterable[tuple[str, ...]], numbers: int | None = None) -> str:
    """The rows with their columns aligned to the left, the column of numbers to the right."""
    lines = list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(_aligned(row, widths, numbers)).rstrip() for row in lines)


def _aligned(row: tuple[str, ...], widths: list[int], numbers: int | None) -> Iterator[str]:
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
        yield cell.rjust(width) if column == numbers else cell.ljust(width)
