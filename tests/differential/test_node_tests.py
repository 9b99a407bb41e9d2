"""Every node test of the onnx package in the families is read right or refused; what was read stays read."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import differential.judge
from differential.case import Case, points_for
from differential.families import FAMILIES, LEFT_OUT
from differential.judge import BAD, Outcome, Verdict, expectation, judge
from differential.node_tests import constant_cases, node_cases
from differential.report import by_operator, expected, share_read
from onnx_models import chain, f32, node
from relucensus.readers import ReadModel, read_model
from relucensus.values.network import Network

LEAST_READ = 0.85


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    return [judge(case) for case in node_cases()[0]]


def test_no_node_test_is_read_wrong(verdicts: list[Verdict]) -> None:
    assert [str(verdict) for verdict in verdicts if verdict.outcome in BAD] == []


def test_a_node_test_that_was_read_is_still_read(verdicts: list[Verdict]) -> None:
    listed = expected()
    lost = [str(v) for v in verdicts if listed.get(v.name) == "read" and v.outcome is not Outcome.READ]
    assert lost == []


def test_the_list_says_which_node_tests_are_read(verdicts: list[Verdict]) -> None:
    listed = expected()
    gained = [v.name for v in verdicts if listed.get(v.name) == "refused" and v.outcome is Outcome.READ]
    assert gained == [], "run differential.report --update"


def test_most_node_tests_are_read(verdicts: list[Verdict]) -> None:
    assert share_read(verdicts) >= LEAST_READ


def test_no_constant_subgraph_is_evaluated_wrong() -> None:
    found = [judge(case) for case in constant_cases()]
    assert [str(verdict) for verdict in found if verdict.outcome in BAD] == []


def test_a_runtime_evaluates_every_case_of_the_families() -> None:
    counts = Counter(expectation(case)[0] for case in node_cases()[0])
    assert counts["onnxruntime"] > 10 * counts["onnx.reference"]


def test_every_operator_of_onnx_is_in_a_family_or_left_out_with_a_reason() -> None:
    _, left_out = node_cases()
    assert [reason for reason in left_out if reason.endswith("is in no table")] == []
    assert set(FAMILIES).isdisjoint(LEFT_OUT)


def _case() -> Case:
    import onnx  # noqa: PLC0415

    model = onnx.load_from_string(chain([node("MatMul", "the value", f32(3, 4)), node("Relu"), node("Neg")], (1, 3)))
    return Case("a case", "Relu", model, points_for(3, np.float32, np.random.default_rng(0)))


def _read_as(change: object) -> object:
    def read(data: bytes, **options: object) -> ReadModel:
        found = read_model(data)
        layers = [(layer.weights.copy(), layer.bias.copy()) for layer in found.network.layers]
        change(layers)  # type: ignore[operator]
        return ReadModel(Network.from_arrays(layers), "onnx")

    return read


def test_a_right_reading_is_called_read() -> None:
    assert judge(_case()).outcome is Outcome.READ


@pytest.mark.parametrize("layer", [0, 1])
def test_a_reading_with_one_other_weight_is_called_wrong(monkeypatch: pytest.MonkeyPatch, layer: int) -> None:
    def change(layers: list[tuple[np.ndarray, np.ndarray]]) -> None:
        layers[layer][0][0, 0] += 0.01

    monkeypatch.setattr(differential.judge, "read_model", _read_as(change))
    assert judge(_case()).outcome is Outcome.WRONG


def test_an_error_that_is_not_the_readers_own_is_called_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(data: bytes, **options: object) -> ReadModel:
        raise IndexError("list index out of range")

    monkeypatch.setattr(differential.judge, "read_model", crash)
    assert judge(_case()).outcome is Outcome.CRASHED


def test_a_last_operator_may_be_left_off_only_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnx  # noqa: PLC0415

    model = onnx.load_from_string(chain([node("MatMul", "the value", f32(3, 4)), node("Softmax", axis=1)], (1, 3)))
    weights = onnx.numpy_helper.to_array(model.graph.initializer[0])
    case = Case("a case", "Softmax", model, points_for(3, np.float32, np.random.default_rng(0)))
    network = Network.from_arrays([(weights.T, np.zeros(4))])
    for notes, outcome in (([], Outcome.WRONG), (["a last Softmax was left off"], Outcome.READ)):
        monkeypatch.setattr(
            differential.judge, "read_model", lambda data, notes=notes: ReadModel(network, "onnx", None, notes)
        )
        assert judge(case).outcome is outcome


def test_the_table_has_a_line_for_each_operator() -> None:
    table = by_operator([Verdict("a", "Relu", Outcome.READ), Verdict("b", "Relu Neg", Outcome.REFUSED, "Neg: no")])
    assert table.splitlines()[2:] == ["| Neg | 1 | 0 | 1 | 0 | Neg: no (1) |", "| Relu | 2 | 1 | 1 | 0 | Neg: no (1) |"]
