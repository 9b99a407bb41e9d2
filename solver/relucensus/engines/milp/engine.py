"""Engine `milp`, strategy `cubes`: the work is cut into cubes, each enumerated by expansion and proven by a MILP.

A cube is split, neuron by neuron, until the first layer is decided and few neurons are left unstable. Then its
regions are expanded from an interior point facet by facet, every one found becomes a no-good cut, and the MILP either
finds a pattern not yet decided, from which the expansion goes on, or is infeasible: the cube is complete. A cube
that the MILP cannot finish is split further; a cube without unstable neurons is one region.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from relucensus.affine import Preactivations
from relucensus.arithmetic import RationalPoint
from relucensus.engines.ledger import Ledger
from relucensus.engines.milp.cube_model import CubeModel, Verdict
from relucensus.engines.milp.expansion import Expansion
from relucensus.engines.protocol import Settlement, Support, writes_no_certificates
from relucensus.errors import SolverFailure
from relucensus.feasibility import Inhabited
from relucensus.lp import LpSolver
from relucensus.stability import Envelope, envelope
from relucensus.values.pattern import ACTIVE, INACTIVE, Cube
from relucensus.values.problem import Budget, Problem

_FEW_UNDECIDED: Final = 6
_MOST_FREE: Final = 14
_MOST_EMPTY: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    """A non-empty cube on the stack; `witness` is a point of it where one is known."""

    symbols: bytes
    witness: RationalPoint | None = None
    found: int = 0


class CubesEngine:
    """The reference engine."""

    name = "milp"
    parallel = False

    def supports(self, problem: Problem) -> Support:
        """Every piecewise-linear network."""
        return writes_no_certificates(self.name) if problem.certificate else Support(True)

    def settle(self, problem: Problem, cube: Cube, budget: Budget) -> Settlement:
        """Enumerate the cube, splitting it as needed; what the budget does not reach comes back open, deeper."""
        return _Settling(problem, cube, budget).run()


@dataclass(eq=False)
class _Settling:
    problem: Problem
    cube: Cube
    budget: Budget
    stack: list[_Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.preactivations = Preactivations(self.problem)
        self.ledger = Ledger(self.preactivations, self.cube)
        self.solver = LpSolver(self.preactivations.box, self.ledger.counter)
        self.stack.append(_Node(self.cube.symbols))

    def run(self) -> Settlement:
        while self.stack:
            node = self.stack.pop()
            if self._is_small(node):
                self._enumerate(node)
            else:
                self._split(node, {})
            if self.ledger.spent(self.budget):
                break
        left = [self.ledger.open_cube(Cube(node.symbols), node.found) for node in self.stack]
        return self.ledger.settlement(left)

    def _is_small(self, node: _Node) -> bool:
        starts = self.preactivations.starts
        depth, neurons = len(node.symbols), self.preactivations.neurons
        return neurons - depth <= _FEW_UNDECIDED or depth >= starts[1]

    def _split(self, node: _Node, stable: dict[int, int]) -> None:
        """Push the non-empty children of a cube, past the neurons known to be stable on it."""
        symbols, depth = node.symbols, len(node.symbols)
        while depth in stable:
            symbols += bytes((stable[depth],))
            depth += 1
        witness = node.witness or self._witness(symbols)
        forms = self.preactivations.forms(self.preactivations.layer_of(depth), symbols)
        row = depth - self.preactivations.starts[self.preactivations.layer_of(depth)]
        constant = forms.constant_sign[row]
        if constant is not None:
            self.stack.append(_Node(symbols + bytes((ACTIVE if constant > 0 else INACTIVE,)), witness))
            return
        value = forms.exact.selected([row]).at(witness)[0]
        for symbol, sign in ((ACTIVE, 1), (INACTIVE, -1)):
            child = symbols + bytes((symbol,))
            if value * sign > 0:
                self.stack.append(_Node(child, witness))
                continue
            answer = self.solver.decide(self.preactivations.system(child))
            if isinstance(answer, Inhabited):
                self.stack.append(_Node(child, answer.witness))

    def _witness(self, symbols: bytes) -> RationalPoint:
        answer = self.solver.decide(self.preactivations.system(symbols))
        if not isinstance(answer, Inhabited):
            raise SolverFailure(f"cube {Cube(symbols).to_text()} was handed out as non-empty, but is empty")
        return answer.witness

    def _enumerate(self, node: _Node) -> None:
        """Add all regions of the cube to the ledger, or split it."""
        if len(node.symbols) == self.preactivations.neurons:
            self.ledger.cubes += 1
            self.ledger.add([node.symbols])
            return
        witness = node.witness or self._witness(node.symbols)
        seconds = self._seconds_left()
        known = envelope(self.preactivations, node.symbols, self.solver, seen=witness, seconds=seconds)
        if len(known.free) > _MOST_FREE:
            self._split(node, known.stable)
            return
        expansion = Expansion(self.preactivations, node.symbols, known.stable, known.free, self.solver)
        if not known.free:
            expansion.regions.add(expansion.pattern(()))
        elif not self._complete(witness, known, expansion):
            self._split_again(node, known, expansion)
            return
        self.ledger.cubes += 1
        self.ledger.add(sorted(expansion.regions))

    def _complete(self, witness: RationalPoint, known: Envelope, expansion: Expansion) -> bool:
        """Whether expansion and MILP together enumerated the cube; False: out of budget, or better split."""
        pattern, generic = self.preactivations.pattern_at(witness)
        if generic:
            expansion.decide(pattern)
        if not expansion.run(self._spent):
            return False
        model = CubeModel(known)
        try:
            return self._proven(model, expansion)
        finally:
            self.ledger.milp_solves += model.solves

    def _proven(self, model: CubeModel, expansion: Expansion) -> bool:
        superfluous = 0
        while superfluous < _MOST_EMPTY:
            model.exclude(expansion.new_cuts())
            answer = model.next_pattern(self._seconds_left())
            if isinstance(answer, Verdict):
                return answer is Verdict.INFEASIBLE and bool(expansion.regions)
            pattern = expansion.pattern(answer)
            if expansion.knows(pattern):
                return False
            superfluous += not expansion.decide(pattern)
            if not expansion.run(self._spent):
                return False
        return False

    def _split_again(self, node: _Node, known: Envelope, expansion: Expansion) -> None:
        """Split a cube whose enumeration was not finished; its children know how many regions were seen in them."""
        before = len(self.stack)
        self._split(node, known.stable)
        for i in range(before, len(self.stack)):
            child = self.stack[i]
            seen = sum(pattern.startswith(child.symbols) for pattern in expansion.regions)
            self.stack[i] = _Node(child.symbols, child.witness, seen)

    def _spent(self, found: int) -> bool:
        return self.ledger.spent(self.budget, more=found)

    def _seconds_left(self) -> float | None:
        if self.budget.seconds is None:
            return None
        return max(0.0, self.budget.seconds - self.ledger.seconds)
