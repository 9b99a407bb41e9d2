"""What a worker does: settle cubes and put results together. The only module that loads the engines."""

from __future__ import annotations

import logging
import traceback
from functools import lru_cache
from typing import Final

from relucensus import warm as kernels
from relucensus.count import check, conclude, settle
from relucensus.errors import CensusError, InvalidRequest
from relucensus.frontier import Tally
from relucensus.values.domain import domain_from_json
from relucensus.values.network import Network
from relucensus.values.problem import Definition, Problem
from relucensus_service.work import Answer, Assignment, Concluded, Conclusion, Failure, Settled, Slice

log: Final = logging.getLogger(__name__)


def warm() -> None:
    """Load the compiled code of the engines, or compile it. A failure is logged; work that needs the code says more."""
    try:
        kernels.warm()
    except Exception:
        log.exception("the engines could not be compiled")


def perform(work: Slice | Conclusion) -> Answer:
    """Do the work. Errors come back as values, so that nothing depends on how exceptions travel."""
    try:
        return _settled(work) if isinstance(work, Slice) else _concluded(work)
    except CensusError as error:
        return Failure(type(error).__name__, str(error))
    except Exception as error:
        return Failure(type(error).__name__, traceback.format_exc(limit=-6))


def _settled(work: Slice) -> Settled:
    problem = _problem(work.assignment)
    engine = check(problem, engine=work.engine, strategy=work.strategy)
    if work.also is not None and check(problem, engine=work.also) == engine:
        raise InvalidRequest(f"cross_check names {engine}, the engine that counts; needed is another one")
    return Settled(settle(problem, work.cube, engine=engine, strategy=work.strategy, budget=work.budget), engine)


def _concluded(work: Conclusion) -> Concluded:
    problem = _problem(work.assignment)
    engine = check(problem, engine=work.engine, strategy=work.strategy)
    counted = work.counted
    tally = Tally(
        counted.regions,
        counted.prefixes or (0,) * len(problem.network.hidden),
        counted.affine_maps,
        counted.mergeable,
        counted.patterns,
        counted.seen,
        counted.statistics,
    )
    return Concluded(conclude(problem, tally, work.open_cubes, engine=engine, budget=work.budget).to_json())


class _Keyed:
    """An assignment that equals another with the same key: what a cache needs, without hashing the network."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment = assignment

    def __hash__(self) -> int:
        return hash(self.assignment.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and other.assignment.key == self.assignment.key


def _problem(assignment: Assignment) -> Problem:
    return _parsed(_Keyed(assignment))


@lru_cache(maxsize=8)
def _parsed(keyed: _Keyed) -> Problem:
    assignment = keyed.assignment
    network = Network.from_bytes(assignment.network)
    domain = domain_from_json(assignment.domain, network.inputs)
    return Problem(network, domain, tuple(Definition(name) for name in assignment.definitions))
