"""What travels between the runner and its workers: frozen values that pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from relucensus.certify import Binding
from relucensus.engines.protocol import OpenCube, Settlement
from relucensus.values.problem import Budget
from relucensus_service.jobs import Job


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a job asks for. `network` is `Network.to_bytes()`; workers keep the problem it makes by `key`.

    The key is a digest of the problem, not the job's id: an id may come back with another request once its job was
    deleted, and services with jobs of their own may share workers.

    On its way to a worker that may know the problem already, `network` is None. `domain` is that of the request.
    `certificate`: whether settlements are to come with their parts of a certificate. `notes` are those of the network.
    """

    key: str
    network: bytes | None
    domain: Mapping[str, Any]
    definitions: tuple[str, ...]
    certificate: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, job: Job, network: bytes, *, certificate: bool = False) -> Assignment:
        """What a job asks of its network."""
        request = job.request
        asked = {"domain": request["domain"], "definitions": request["definitions"], "certificate": certificate}
        asked["notes"] = list(job.notes)
        key = hashlib.sha256(json.dumps({"network": job.model, **asked}, sort_keys=True).encode()).hexdigest()
        return cls(key, network, request["domain"], tuple(request["definitions"]), certificate, job.notes)


@dataclass(frozen=True, slots=True)
class Slice:
    """Settle a cube for a while. `also` names a second engine that must be able to serve the problem later."""

    assignment: Assignment
    cube: OpenCube
    engine: str
    strategy: str
    budget: Budget
    also: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """The answer to a slice; `engine` is the one that "auto" stands for."""

    settlement: Settlement
    engine: str


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Put the result together: what was counted, and the cubes that are still open if work was stopped."""

    assignment: Assignment
    counted: Settlement
    open_cubes: tuple[OpenCube, ...]
    engine: str
    strategy: str
    budget: Budget


@dataclass(frozen=True, slots=True)
class Concluded:
    """The answer to a conclusion: `CountResult.to_json()`, and what goes round the parts of its certificate."""

    result: Mapping[str, Any]
    binding: Binding | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The answer to work that failed. `kind` is the name of the error's class."""

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer. `guilty`: the worker died while it had this work; otherwise the work was only in the way."""

    reason: str
    guilty: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """The answer of a worker that was sent no network and knows none of this key; only the cluster sees it."""

    worker: str


Answer = Settled | Concluded | Failure | Lost


def without_network(work: Slice | Conclusion) -> Slice | Conclusion:
    """The work for a worker that may know the network."""
    return replace(work, assignment=replace(work.assignment, network=None))
