"""The MILP of one cube: a Pyomo model of its undecided neurons, solved by HiGHS, with no-good cuts.

Throughout (Serra, Tjandraatmadja & Ramalingam, ICML 2018): u is the input in box coordinates; each unstable neuron has
``W a + b = p - q``, ``0 <= p <= U z``, ``0 <= q <= -L (1 - z)`` with z binary and proven L < 0 < U, everything
divided by the neuron's scale, and the activation ``a = s_1 p - s_0 q``, written as ``s_0 (W a + b) + (s_1 - s_0) p`` so
that the columns are u and p. Stable neurons need no binary, nor do neurons without a breakpoint. Cells are closed and
the objective is zero, so the patterns that the model admits are a superset of those of the cube's regions, up to the
solver's tolerances.

The only module that names pyomo.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import pyomo.environ as pyo
from pyomo.contrib.solver.common.results import SolutionStatus, TerminationCondition
from pyomo.contrib.solver.solvers.highs import Highs
from pyomo.core.expr.numeric_expr import LinearExpression

from relucensus.lp import greet
from relucensus.stability import Envelope
from relucensus.values.pattern import ACTIVE, INACTIVE

# The tolerance on integrality stays at its default of 1e-6: at 1e-9, HiGHS 1.15 calls feasible models infeasible.
_OPTIONS: Final = {
    "output_flag": False,
    "threads": 1,
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
    "mip_heuristic_effort": 0.0,
}

# What Pyomo compares with its model before every solve; here only cuts are added, and the solver is told of them.
_LOOKED_FOR_BY_DEFAULT: Final = (
    "check_for_new_or_removed_constraints",
    "check_for_new_or_removed_vars",
    "check_for_new_or_removed_params",
    "check_for_new_objective",
    "update_constraints",
    "update_vars",
    "update_parameters",
    "update_named_expressions",
)


class Verdict(Enum):
    """Why a search ended without a pattern."""

    INFEASIBLE = "infeasible"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


_MEANING: Final = {
    TerminationCondition.provenInfeasible: Verdict.INFEASIBLE,
    TerminationCondition.maxTimeLimit: Verdict.STOPPED,
}


@dataclass(frozen=True, slots=True)
class Cut:
    """A no-good cut: not all of these neurons have these symbols at once."""

    neurons: tuple[int, ...]
    symbols: tuple[int, ...]


class _SilentHighs(Highs):  # type: ignore[misc]
    """Pyomo's persistent HiGHS without its log capture and its keyboard handler.

    Pyomo redirects the process's file descriptors during a solve, and registers one more interrupt callback on
    every solve, which it never removes.
    """

    def _solve(self) -> Any:
        config = self._active_config
        for key, option in config.solver_options.items():
            self._solver_model.setOptionValue(key, option)
        if config.time_limit is not None:
            self._solver_model.setOptionValue("time_limit", config.time_limit)
        self._solver_model.run()
        return self._postsolve(io.StringIO())

    def forget(self) -> None:
        """Start the next solve from scratch."""
        self._solver_model.clearSolver()

    def seconds_run(self) -> float:
        """What HiGHS counts as its run time: the sum over all solves, which its time limit is compared with."""
        return float(self._solver_model.getRunTime())


class CubeModel:
    """The model of one cube; `next_pattern` finds patterns until it is infeasible.

    Args:
        envelope: the cube's half-spaces and the proven bounds of its unstable neurons.
    """

    def __init__(self, envelope: Envelope) -> None:
        self.free = envelope.free
        self.solves = 0
        self._position = {neuron: k for k, neuron in enumerate(self.free)}
        self._model = _model(envelope)
        greet()
        self._solver = _SilentHighs()
        self._solver.config.load_solutions = False
        self._solver.config.raise_exception_on_nonoptimal_result = False
        self._solver.config.solver_options = dict(_OPTIONS)
        for update in _LOOKED_FOR_BY_DEFAULT:
            setattr(self._solver.config.auto_updates, update, False)
        self._started = False

    def exclude(self, cuts: Sequence[Cut]) -> None:
        """Add no-good cuts."""
        added = [self._model.cuts.add(self._cut(cut)) for cut in cuts]
        if self._started and added:
            self._solver.add_constraints(added)

    def next_pattern(self, seconds: float | None) -> tuple[int, ...] | Verdict:
        """Symbols of the free neurons that the model still admits; `INFEASIBLE` only if presolve on and off agree."""
        answer = self._solve(seconds, presolve=True)
        if answer is Verdict.INFEASIBLE or answer is Verdict.UNKNOWN:
            self._solver.forget()
            answer = self._solve(seconds, presolve=False)
        return answer

    def _solve(self, seconds: float | None, *, presolve: bool) -> tuple[int, ...] | Verdict:
        self.solves += 1
        self._solver.config.solver_options["presolve"] = "choose" if presolve else "off"
        if seconds is not None:
            before = self._solver.seconds_run() if self._started else 0.0
            self._solver.config.time_limit = before + max(seconds, 1e-3)
        results = self._solver.solve(self._model)
        self._started = True
        if results.solution_status in (SolutionStatus.optimal, SolutionStatus.feasible):
            values = results.solution_loader.get_vars([self._model.z[k] for k in range(len(self.free))])
            return tuple(ACTIVE if value > 0.5 else INACTIVE for value in values.values())
        return _MEANING.get(results.termination_condition, Verdict.UNKNOWN)

    def _cut(self, cut: Cut) -> Any:
        variables, coefficients, constant = [], [], -1.0
        for neuron, symbol in zip(cut.neurons, cut.symbols, strict=True):
            variables.append(self._model.z[self._position[neuron]])
            coefficients.append(-1.0 if symbol == ACTIVE else 1.0)
            constant += 1.0 if symbol == ACTIVE else 0.0
        return LinearExpression(constant=constant, linear_coefs=coefficients, linear_vars=variables) >= 0


def _model(envelope: Envelope) -> Any:
    walls, shifts = envelope.walls
    unstable = envelope.unstable
    model = pyo.ConcreteModel()
    model.u = pyo.Var(range(walls.shape[1]), bounds=(-1.0, 1.0))
    model.p = pyo.Var(range(len(unstable)), bounds=lambda _, k: (0.0, unstable[k].upper))
    model.q = pyo.Var(range(len(unstable)), bounds=lambda _, k: (0.0, -unstable[k].lower))
    model.z = pyo.Var(range(len(unstable)), domain=pyo.Binary)
    columns = [*model.u.values(), *model.p.values()]
    model.objective = pyo.Objective(expr=0.0 * model.z[0])
    model.rows = pyo.ConstraintList()
    model.cuts = pyo.ConstraintList()
    for weights, shift in zip(walls.tolist(), shifts.tolist(), strict=True):
        model.rows.add(_linear(weights, columns, shift) >= 0)
    for k, neuron in enumerate(unstable):
        p, q, z = model.p[k], model.q[k], model.z[k]
        row = neuron.weights.tolist()
        model.rows.add(_linear([*row, -1.0, 1.0], [*columns[: len(row)], p, q], neuron.constant) == 0)
        model.rows.add(p - neuron.upper * z <= 0)
        model.rows.add(q - neuron.lower * z <= -neuron.lower)
    return model


def _linear(weights: list[float], variables: list[Any], constant: float) -> Any:
    terms = [(weight, variable) for weight, variable in zip(weights, variables, strict=False) if weight != 0.0]
    return LinearExpression(
        constant=constant, linear_coefs=[weight for weight, _ in terms], linear_vars=[variable for _, variable in terms]
    )
