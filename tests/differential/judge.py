"""Reads a case and says whether it was refused, or read as the function that a runtime computes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final

import numpy as np

from differential.case import Case, without_last
from differential.runtime import RUNTIMES, CannotRun, outputs_of
from relucensus.errors import CensusError
from relucensus.readers import ReadModel, read_model
from relucensus.values.network import Layer, Network

MOST_SECONDS: Final = 5.0
_TOLERANCE: Final = {np.float16: 2e-2, np.float32: 2e-4, np.float64: 1e-6}
_EXACT_TOLERANCE: Final = 1e-9
_MOST_EXACT_WEIGHTS: Final = 4000


class Outcome(StrEnum):
    """What became of a case; only the first two are right."""

    READ = "read"
    REFUSED = "refused"
    WRONG = "wrong"
    CRASHED = "crashed"
    SLOW = "slow"
    NOT_RUN = "not run"


BAD: Final = (Outcome.WRONG, Outcome.CRASHED, Outcome.SLOW)


@dataclass(frozen=True)
class Verdict:
    """What became of the case of this name, and why."""

    name: str
    operator: str
    outcome: Outcome
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome.value}: {self.reason}"


@dataclass(frozen=True)
class Expectation:
    """What a runtime answers: (points, outputs), and the same for the model without what may be left off."""

    full: np.ndarray
    before: np.ndarray | None


def judge(case: Case) -> Verdict:
    """The verdict on a case; runtimes are asked only where something was read."""
    started = time.process_time()
    try:
        read = _read(case)
    except CensusError as error:
        return _timed(case, Outcome.REFUSED, str(error), started)
    except Exception as error:  # anything else is a failure of the reader
        return Verdict(case.name, case.operator, Outcome.CRASHED, f"{type(error).__name__}: {error}")
    verdict = _timed(case, Outcome.READ, "; ".join(read.notes), started)
    if verdict.outcome is Outcome.SLOW:
        return verdict
    try:
        fault = _fault(case, read)
    except CannotRun as error:
        return Verdict(case.name, case.operator, Outcome.NOT_RUN, str(error))
    return verdict if fault is None else Verdict(case.name, case.operator, Outcome.WRONG, fault)


def _read(case: Case) -> ReadModel:
    beside = {} if case.files is None else {"files": case.files}
    return read_model(case.data or case.model.SerializeToString(), **beside, **case.options)


def _timed(case: Case, outcome: Outcome, reason: str, started: float) -> Verdict:
    seconds = time.process_time() - started
    if seconds > MOST_SECONDS:
        return Verdict(case.name, case.operator, Outcome.SLOW, f"{seconds:.1f} s of a processor")
    return Verdict(case.name, case.operator, outcome, reason)


def _fault(case: Case, read: ReadModel) -> str | None:
    """What is wrong with a reading, None if it agrees with a runtime at every point."""
    network = read.network
    if network.inputs != case.inputs:
        return f"read with {network.inputs} inputs, it has {case.inputs}"
    points = np.concatenate(case.groups)
    found = network.forward(points)
    fault = _inexact(network, points, found)
    if fault is not None:
        return fault
    if case.answer is not None and without_last(case.model) is None:
        return _unlike(case, found, case.answer(points))
    return _disagreement(case, read, found)


def _disagreement(case: Case, read: ReadModel, found: np.ndarray) -> str | None:
    """What differs from the runtimes: two of them may differ, and a reading is wrong if it agrees with neither."""
    name, expected = expectation(case)
    fault = _difference(case, read, found, expected)
    if fault is None or name != "onnxruntime":
        return fault and f"{fault} ({name})"
    try:
        second = _difference(case, read, found, _expectation_by("onnx.reference", case))
    except Exception as error:  # runtimes raise what they like
        return f"{fault} (onnxruntime; onnx.reference cannot run it: {type(error).__name__})"
    return second and f"{fault} (onnxruntime)"


def expectation(case: Case) -> tuple[str, Expectation]:
    """What the first runtime that evaluates the case answers, and its name.

    Raises:
        CannotRun: none does.
    """
    why = []
    for name in RUNTIMES:
        try:
            return name, _expectation_by(name, case)
        except Exception as error:  # runtimes raise what they like
            why.append(f"{name}: {(str(error) or type(error).__name__).splitlines()[0]}")
    raise CannotRun("; ".join(why))


def _expectation_by(name: str, case: Case) -> Expectation:
    feeds = [case.feeds(group) for group in case.groups]
    cut = without_last(case.model)
    before = None if cut is None else _rows(outputs_of(name, cut, feeds), case)
    return Expectation(_rows(outputs_of(name, case.model, feeds), case), before)


def _rows(outputs: Sequence[Sequence[Any]], case: Case) -> np.ndarray:
    """The outputs of every run side by side, one row a point."""
    count = case.batch or 1
    rows = [
        np.concatenate([np.asarray(one).astype(np.float64).reshape(count, -1) for one in given], axis=1)
        for given in outputs
    ]
    return np.concatenate(rows)


def _difference(case: Case, read: ReadModel, found: np.ndarray, expected: Expectation) -> str | None:
    if expected.before is None:
        return _unlike(case, found, expected.full)
    fault = _unlike(case, found, expected.before)
    if fault is not None:
        return fault if _unlike(case, found, expected.full) is not None else None
    return None if read.notes else "the last operator was left off without a note"


def _unlike(case: Case, found: np.ndarray, expected: np.ndarray) -> str | None:
    if found.shape != expected.shape:
        return f"read with {found.shape[1]} outputs, it has {expected.shape[1]}"
    points = np.concatenate(case.groups)
    for point, mine, theirs in zip(points, found, expected, strict=True):
        if case.dtype is np.float16 and not np.isfinite(theirs).all():
            continue
        scale = max(1.0, np.abs(theirs).max(initial=0), np.abs(point).max(initial=0))
        off = np.abs(mine - theirs)
        if not (off <= _TOLERANCE[case.dtype] * scale).all():
            at = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
            return f"output {at} is {mine[at]:.6g}, not {theirs[at]:.6g}, at {_shown(point)}"
    return None


def _shown(point: np.ndarray) -> str:
    numbers = ", ".join(f"{c:.4g}" for c in point[:8])
    return f"({numbers}{', …' if len(point) > 8 else ''})"


def _inexact(network: Network, points: np.ndarray, found: np.ndarray) -> str | None:
    """Where the exact weights and the floats of a small network are two functions."""
    if sum(layer.rows * layer.columns for layer in network.layers) > _MOST_EXACT_WEIGHTS:
        return None
    middle = len(points) // 2
    exact = np.array([float(c) for c in exact_image(network, points[middle])])
    scale = max(1.0, np.abs(exact).max(initial=0), np.abs(points[middle]).max(initial=0))
    if np.abs(exact - found[middle]).max(initial=0) <= _EXACT_TOLERANCE * scale:
        return None
    return f"the exact weights and the floats differ at {_shown(points[middle])}"


def exact_image(network: Network, point: np.ndarray) -> list[Fraction]:
    """The network's value at a point of floats, in rational numbers."""
    values = [Fraction(float(c)) for c in point]
    for layer in network.hidden:
        z = _affine(layer, values)
        values = [activation(v) for activation, v in zip(layer.row_activations, z, strict=True)]
    return _affine(network.output, values)


def _affine(layer: Layer, values: Sequence[Fraction]) -> list[Fraction]:
    exact = layer.exact
    q = exact.denominator
    return [
        (sum((int(w) * v for w, v in zip(row, values, strict=True) if w), Fraction(0)) + int(b)) / q
        for row, b in zip(exact.coefficients.tolist(), exact.constants.entries(), strict=True)
    ]
