"""Engine `milp`, strategy `plain`: the literal loop of the paper, one solve and one no-good cut a pattern.

For teaching and comparison. The model's closed cells admit a superset of the patterns of regions; each one found is
decided exactly. What the loop counts literally are the activation patterns of the closed box (MATH §2). HiGHS has been
seen to call feasible models infeasible, so its last word is not taken: regions are checked to be closed under
crossing facets, and activation patterns are counted by exact search.
"""

from __future__ import annotations

from relucensus.affine import Preactivations
from relucensus.engines.ledger import Ledger
from relucensus.engines.milp.cube_model import CubeModel, Cut, Verdict
from relucensus.engines.milp.expansion import Expansion
from relucensus.engines.protocol import OpenCube, Settlement, Support, writes_no_certificates
from relucensus.feasibility import Inhabited
from relucensus.lp import LpSolver
from relucensus.patterns import AttainedPatterns, count_activation_patterns, is_attained
from relucensus.stability import envelope
from relucensus.values.pattern import ACTIVE, INACTIVE, Cube
from relucensus.values.problem import Budget, Definition, Problem


class PlainEngine:
    """The paper's loop: solve, note the pattern, cut it off, until the model is infeasible."""

    name = "milp"
    parallel = False

    def supports(self, problem: Problem) -> Support:
        """Every piecewise-linear network; sensible for some hundreds of regions."""
        return writes_no_certificates(self.name) if problem.certificate else Support(True)

    def settle(self, problem: Problem, cube: Cube, budget: Budget) -> Settlement:
        """Run the loop on the cube; stopped by the budget, hand back its halves, to begin anew there."""
        return _Loop(problem, cube, budget).run()


class _Loop:
    def __init__(self, problem: Problem, cube: Cube, budget: Budget) -> None:
        self.cube, self.budget = cube, budget
        self.preactivations = Preactivations(problem)
        self.ledger = Ledger(self.preactivations, cube)
        self.solver = LpSolver(self.preactivations.box, self.ledger.counter)
        self.wants_patterns = Definition.ACTIVATION_PATTERNS in problem.definitions
        self.regions: list[bytes] = []

    def run(self) -> Settlement:
        """Enumerate the cube, or hand back its halves."""
        attained = self._attained() if self._enumerated() else None
        if attained is None or not attained.complete:
            return self.ledger.settlement(self._halves(), patterns=0 if self.wants_patterns else None)
        self.ledger.cubes += 1
        self.ledger.add(self.regions)
        return self.ledger.settlement((), patterns=attained.found if self.wants_patterns else None)

    def _attained(self) -> AttainedPatterns:
        """The activation patterns of the cube, if they are wanted."""
        if not self.wants_patterns:
            return AttainedPatterns(0, complete=True)
        seconds = None if self.budget.seconds is None else max(1e-3, self.budget.seconds - self.ledger.seconds)
        return count_activation_patterns(
            self.preactivations, self.ledger.counter, Budget(seconds), prefix=self.cube.symbols
        )

    def _enumerated(self) -> bool:
        """Whether the model became infeasible before the budget was spent."""
        known = envelope(self.preactivations, self.cube.symbols, self.solver, closed=True)
        patterns = Expansion(self.preactivations, self.cube.symbols, known.stable, known.free, self.solver)
        if not known.free:
            self._note(patterns.pattern(()))
            return True
        model = CubeModel(known)
        try:
            exhausted = self._exhausted(model, patterns)
        finally:
            self.ledger.milp_solves += model.solves
        return exhausted and self._closed_under_facets()

    def _closed_under_facets(self) -> bool:
        """Add any region across a facet of one found that the solver missed; a net under HiGHS's «infeasible»."""
        if not self.regions:
            inside = self.solver.decide(self.preactivations.system(self.cube.symbols))
            return not isinstance(inside, Inhabited)
        known = envelope(self.preactivations, self.cube.symbols, self.solver)
        net = Expansion(self.preactivations, self.cube.symbols, known.stable, known.free, self.solver)
        net.adopt(self.regions)
        if not net.run(lambda found: self.ledger.spent(self.budget, more=found)):
            return False
        self.regions = sorted(net.regions)
        return True

    def _exhausted(self, model: CubeModel, patterns: Expansion) -> bool:
        found: set[tuple[int, ...]] = set()
        while True:
            if found and self.ledger.spent(self.budget, more=len(self.regions)):
                return False
            seconds = None if self.budget.seconds is None else self.budget.seconds - self.ledger.seconds
            answer = model.next_pattern(seconds)
            if isinstance(answer, Verdict):
                return answer is Verdict.INFEASIBLE
            if answer in found:
                return False
            found.add(answer)
            self._note(patterns.pattern(answer))
            model.exclude([Cut(tuple(model.free), answer)])

    def _note(self, pattern: bytes) -> None:
        """Keep the pattern if it has a region; exact."""
        if isinstance(self.solver.decide(self.preactivations.system(pattern)), Inhabited):
            self.regions.append(pattern)

    def _halves(self) -> list[OpenCube]:
        """The children of the cube that hold something; those without a region hold boundary patterns only."""
        halves = []
        for symbol in (ACTIVE, INACTIVE):
            half = self.cube.extended(symbol)
            if isinstance(self.solver.decide(self.preactivations.system(half.symbols)), Inhabited):
                found = sum(half.contains(pattern) for pattern in self.regions)
                halves.append(self.ledger.open_cube(half, found))
            elif self.wants_patterns and is_attained(self.preactivations, self.solver, half.symbols):
                halves.append(OpenCube(half, found=0, at_most=0))
        return halves
