"""Files that are not a network we count, over HTTP: a clear problem, and the service stays healthy."""

import io
import pickle
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from relucensus_service.intake import Intake, Reading
from relucensus_service.problems import Refusal
from relucensus_service.settings import Settings

CASES = Path(__file__).parents[1] / "cases"
GOOD = (CASES / "seven_7_3.onnx").read_bytes()
Expect = Callable[..., dict[str, Any]]


def onnx_file(*operators: str, weight: float = 1.0, **attributes: Any) -> bytes:
    """x -> MatMul -> the operators -> y, two values wide."""
    matrix = numpy_helper.from_array(np.full((2, 2), weight, dtype=np.float32), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["v0"])]
    for number, operator in enumerate(operators):
        names = [f"v{number}"] if operator != "Conv" else [f"v{number}", "w"]
        nodes.append(helper.make_node(operator, names, [f"v{number + 1}"], name=f"the_{operator}", **attributes))
    shape = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])
    result = helper.make_tensor_value_info(f"v{len(operators)}", TensorProto.FLOAT, [1, 2])
    graph = helper.make_graph(nodes, "graph", [shape], [result], [matrix])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return bytes(model.SerializeToString())


def with_external_data() -> bytes:
    model = onnx.load_from_string(onnx_file("Relu"))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    return bytes(model.SerializeToString())


class _Payload:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


def pickled(value: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(value, protocol=2))
        archive.writestr("archive/version", "3")
    return file.getvalue()


BAD_MODELS: dict[str, tuple[bytes, int, list[str]]] = {
    "empty": (b"", 415, ["empty"]),
    "not a model": (b"these are not the weights you are looking for", 415, []),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), 415, []),
    "truncated": (GOOD[: len(GOOD) // 2], 415, []),
    "unsupported operator": (onnx_file("Sin"), 422, ["Sin"]),
    "an ELU": (onnx_file("Elu"), 422, ["Elu"]),
    "convolution": (onnx_file("Conv"), 422, ["Conv"]),
    "weights that are NaN": (onnx_file("Relu", weight=float("nan")), 422, ["nan"]),
    "weights that are infinite": (onnx_file("Relu", weight=float("inf")), 422, ["inf"]),
    "a zip that is no state_dict": (pickled([1, 2, 3]), 415, ["state_dict"]),
}


@pytest.mark.parametrize(("file", "status", "words"), BAD_MODELS.values(), ids=BAD_MODELS.keys())
def test_a_bad_model_is_refused(client: httpx.Client, file: bytes, status: int, words: list[str]) -> None:
    response = client.post("/models", files={"model": ("m", file)})
    assert response.status_code == status, response.text
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == response.status_code
    for word in words:
        assert word.lower() in problem["detail"].lower()
    assert client.get("/healthz").status_code == 200


def test_external_data_is_refused_and_the_way_out_is_named(client: httpx.Client) -> None:
    response = client.post("/models", files={"model": ("m", with_external_data())})
    assert response.status_code in (415, 422)
    assert "external" in response.json()["detail"]


def test_nothing_of_a_pickled_payload_is_run(client: httpx.Client, tmp_path: Path) -> None:
    trace = tmp_path / "it ran"
    for file in (pickled(_Payload(trace)), pickled({"weight": _Payload(trace)}), pickle.dumps(_Payload(trace))):
        response = client.post("/models", files={"model": ("m", file)})
        assert response.status_code in (415, 422), response.text
        assert response.headers["content-type"] == "application/problem+json"
        assert not trace.exists()


def test_shapes_that_do_not_chain_are_refused(client: httpx.Client, expect_problem: Expect) -> None:
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.save({"0.weight": torch.ones(3, 2), "0.bias": torch.ones(3), "2.weight": torch.ones(1, 4)}, file)
    response = client.post("/models", files={"model": ("m", file.getvalue())})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


def test_a_module_that_was_pickled_whole_is_refused(client: httpx.Client) -> None:
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU()), file)
    response = client.post("/models", files={"model": ("m", file.getvalue())})
    assert response.status_code in (415, 422)
    assert "state_dict" in response.json()["detail"]


def read(file: bytes, **settings: Any) -> Reading:
    with closing(Intake(Settings(**settings))) as intake:
        return intake.read(file, choices={})


def test_a_reader_that_needs_too_much_memory_is_a_problem() -> None:
    with pytest.raises(Refusal) as refusal:
        read(GOOD, parse_memory=80 * 2**20)
    assert refusal.value.problem.status == 422
    assert refusal.value.problem.type == "urn:relucensus:problem:model-too-costly"


def test_a_reader_that_needs_too_much_time_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relucensus_service.intake._STARTING_SECONDS", 0.01)
    with pytest.raises(Refusal) as refusal:
        read(GOOD, parse_seconds=0.01)
    assert refusal.value.problem.type == "urn:relucensus:problem:model-too-costly"


def test_a_zip_bomb_is_refused(client: httpx.Client) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(150_000_000))
    response = client.post("/models", files={"model": ("m", file.getvalue())})
    assert response.status_code in (415, 422)
    assert client.get("/healthz").status_code == 200
