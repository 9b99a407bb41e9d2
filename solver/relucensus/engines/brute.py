"""The oracle: every one of the 2**n symbols of the undecided neurons is tried. For tests and teaching."""

from __future__ import annotations

from itertools import product
from typing import Final

from relucensus.affine import Preactivations
from relucensus.engines.ledger import Ledger
from relucensus.engines.protocol import OpenCube, Settlement, Support
from relucensus.feasibility import Inhabited
from relucensus.lp import LpSolver
from relucensus.values.pattern import ACTIVE, INACTIVE, Cube
from relucensus.values.problem import Budget, Problem

MOST_NEURONS: Final = 16


class BruteEngine:
    """Decides every pattern on its own; nothing is inferred from another pattern."""

    name = "brute"

    def supports(self, problem: Problem) -> Support:
        """Up to 16 neurons."""
        neurons = problem.network.neurons
        if neurons > MOST_NEURONS:
            return Support(
                False, f"engine brute tries 2**n patterns and serves up to {MOST_NEURONS} neurons; this has {neurons}"
            )
        return Support(True)

    def settle(self, problem: Problem, cube: Cube, budget: Budget) -> Settlement:
        """Try the patterns of the cube in lexicographic order; those not reached come back as open cubes."""
        preactivations = Preactivations(problem)
        ledger = Ledger(preactivations, cube)
        solver = LpSolver(preactivations.box, ledger.counter)
        for tail in product((INACTIVE, ACTIVE), repeat=problem.network.neurons - cube.depth):
            pattern = cube.symbols + bytes(tail)
            if isinstance(solver.decide(preactivations.system(pattern)), Inhabited):
                ledger.add([pattern])
            if ledger.spent(budget):
                return ledger.settlement(self._after(pattern, cube, ledger, solver))
        return ledger.settlement(())

    def _after(self, pattern: bytes, cube: Cube, ledger: Ledger, solver: LpSolver) -> list[OpenCube]:
        """The non-empty cubes that together hold the patterns after this one."""
        later = [
            Cube(pattern[:i] + bytes((ACTIVE,))) for i in range(cube.depth, len(pattern)) if pattern[i] == INACTIVE
        ]
        systems = [ledger.preactivations.system(one.symbols) for one in later]
        answers = [solver.decide(system) for system in systems]
        return [
            ledger.open_cube(one) for one, answer in zip(later, answers, strict=True) if isinstance(answer, Inhabited)
        ]
