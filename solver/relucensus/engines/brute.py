"""The oracle: every one of the 2**n patterns of the undecided neurons is tried. For tests and teaching.

Neurons without a breakpoint have one symbol only; n counts the others.
"""

from __future__ import annotations

from itertools import product
from typing import Final

from relucensus.affine import Preactivations
from relucensus.engines.ledger import Ledger
from relucensus.engines.protocol import OpenCube, Settlement, Support, writes_no_certificates
from relucensus.feasibility import Inhabited
from relucensus.lp import LpSolver
from relucensus.values.network import Network
from relucensus.values.pattern import ACTIVE, INACTIVE, Cube
from relucensus.values.problem import Budget, Problem

MOST_BREAKPOINTS: Final = 16


class BruteEngine:
    """Decides every pattern on its own; nothing is inferred from another pattern."""

    name = "brute"
    parallel = False

    def supports(self, problem: Problem) -> Support:
        """Up to 16 breakpoints: 16 neurons with an activation that has one."""
        if problem.certificate:
            return writes_no_certificates(self.name)
        breakpoints = problem.network.breakpoints
        if breakpoints <= MOST_BREAKPOINTS:
            return Support(True)
        what = "neurons" if breakpoints == problem.network.neurons else "breakpoints"
        return Support(
            False,
            f"engine brute tries 2**n patterns and serves up to {MOST_BREAKPOINTS} {what}; this has {breakpoints}",
        )

    def settle(self, problem: Problem, cube: Cube, budget: Budget) -> Settlement:
        """Try the patterns of the cube in lexicographic order; those not reached come back as open cubes."""
        preactivations = Preactivations(problem)
        ledger = Ledger(preactivations, cube)
        solver = LpSolver(preactivations.box, ledger.counter)
        for tail in product(*_choices(problem.network)[cube.depth :]):
            pattern = cube.symbols + bytes(tail)
            if isinstance(solver.decide(preactivations.system(pattern)), Inhabited):
                ledger.add([pattern])
            if ledger.spent(budget):
                return ledger.settlement(self._after(pattern, ledger, solver))
        return ledger.settlement(())

    def _after(self, pattern: bytes, ledger: Ledger, solver: LpSolver) -> list[OpenCube]:
        """The non-empty cubes that together hold the patterns of the cube after this one."""
        choices = _choices(ledger.preactivations.network)
        undecided = range(ledger.cube.depth, len(pattern))
        later = [
            Cube(pattern[:i] + bytes((ACTIVE,))) for i in undecided if pattern[i] == INACTIVE and ACTIVE in choices[i]
        ]
        systems = [ledger.preactivations.system(one.symbols) for one in later]
        answers = [solver.decide(system) for system in systems]
        return [
            ledger.open_cube(one) for one, answer in zip(later, answers, strict=True) if isinstance(answer, Inhabited)
        ]


def _choices(network: Network) -> list[tuple[int, ...]]:
    """The symbols that each neuron may have."""
    return [(INACTIVE, ACTIVE) if bent else (INACTIVE,) for layer in network.hidden for bent in layer.bent]
