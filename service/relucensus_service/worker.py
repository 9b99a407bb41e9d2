"""What a worker does: settle cubes and put results together. The only module that loads the engines."""

from __future__ import annotations

import logging
import traceback
from typing import Final

from relucensus import warm as kernels
from relucensus.census import check, settle
from relucensus.conclusion import conclude, conclude_certified
from relucensus.errors import CensusError, InvalidRequest
from relucensus.frontier import Tally
from relucensus.values.domain import domain_from_json
from relucensus.values.network import Network
from relucensus.values.problem import Definition, Problem
from relucensus_service.work import Answer, Assignment, Concluded, Conclusion, Failure, Settled, Slice

log: Final = logging.getLogger(__name__)

_KEPT: Final = 16  # problems; a runner serves fewer jobs than that side by side
_problems: Final[dict[str, Problem]] = {}


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
    if work.also is not None and check(problem.uncertified, engine=work.also) == engine:
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
    if problem.certificate and not work.open_cubes:
        certified = conclude_certified(problem, tally, engine=engine)
        return Concluded(certified.result.to_json(), certified.binding)
    return Concluded(conclude(problem, tally, work.open_cubes, engine=engine, budget=work.budget).to_json())


def knows(work: Slice | Conclusion) -> bool:
    """Whether the network of this work is here, or came with it."""
    return work.assignment.network is not None or work.assignment.key in _problems


def _problem(assignment: Assignment) -> Problem:
    """The problem, kept for the next slices of the job."""
    problem = _problems.pop(assignment.key, None)
    if problem is None:
        assert assignment.network is not None
        network = Network.from_bytes(assignment.network).with_notes(assignment.notes)
        domain = domain_from_json(assignment.domain, network.inputs)
        definitions = tuple(Definition(name) for name in assignment.definitions)
        problem = Problem(network, domain, definitions, assignment.certificate)
    _problems[assignment.key] = problem  # the last one is the one used last
    while len(_problems) > _KEPT:
        del _problems[next(iter(_problems))]
    return problem
