"""Weights in files beside an ONNX model, as the onnx package writes them: found by name, and never elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import convert_model_to_external_data

from relucensus_client import InvalidArgument, RegionMonitor
from relucensus_client._model_source import model_file


def network(*, width: int = 4) -> onnx.ModelProto:
    """x -> relu(W x + b) -> V, with three tensors."""
    rng = np.random.default_rng(1)
    constants = [
        numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
        for name, shape in (("W", (2, width)), ("b", (width,)), ("V", (width, 1)))
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["wx"]),
        helper.make_node("Add", ["wx", "b"], ["z"]),
        helper.make_node("Relu", ["z"], ["a"]),
        helper.make_node("MatMul", ["a", "V"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(*end) for end in (("x", TensorProto.FLOAT, ("N", 2)), ("y", 1, ("N", 1)))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def saved(folder: Path, name: str = "m.onnx", **options: Any) -> Path:
    """The network in a file, its weights beside it."""
    model = network()
    convert_model_to_external_data(model, size_threshold=0, **options)
    folder.mkdir(exist_ok=True)
    onnx.save(model, folder / name)
    return folder / name


def pointing(path: Path, location: str) -> Path:
    """A model whose first tensor is said to lie there."""
    model = network()
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value=location)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a model, beside a file that is none of its."""
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def test_a_model_without_such_files_has_none(folder: Path) -> None:
    (folder / "m.onnx").write_bytes(network().SerializeToString())
    assert model_file(folder / "m.onnx").files == {}


def test_one_file_beside_the_model_goes_along(folder: Path) -> None:
    path = saved(folder, all_tensors_to_one_file=True, location="m.onnx.data")
    file = model_file(path)
    assert file.data == path.read_bytes()
    assert file.files == {"m.onnx.data": (folder / "m.onnx.data").read_bytes()}
    assert model_file(str(path)) == file


def test_a_file_for_each_tensor_goes_along(folder: Path) -> None:
    path = saved(folder, all_tensors_to_one_file=False)
    beside = {other.name: other.read_bytes() for other in folder.iterdir() if other != path}
    assert len(beside) == 3
    assert model_file(path).files == beside


@pytest.mark.parametrize("name", ["weights/m.data", "ä b.data", "a" * 200 + ".data", "./m.data"])
def test_names_of_every_kind_are_found(folder: Path, name: str) -> None:
    (folder / "weights").mkdir()
    (folder / name).write_bytes(b"data")
    assert model_file(pointing(folder / "m.onnx", name)).files == {name: b"data"}


@pytest.mark.parametrize(
    "name", ["../secret", "inner/../../secret", "{tmp}/secret", "link", "inner/link", "..", ".", ""]
)
def test_nothing_outside_of_the_folder_is_read(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / "inner").mkdir()
    for link in (folder / "link", folder / "inner" / "link"):
        link.symlink_to(tmp_path / "secret")
    assert model_file(pointing(folder / "m.onnx", name.replace("{tmp}", str(tmp_path)))).files == {}


def test_a_link_within_the_folder_is_followed_as_are_links_to_the_folder(folder: Path, tmp_path: Path) -> None:
    (folder / "there").write_bytes(b"data")
    (folder / "here").symlink_to("there")
    pointing(folder / "m.onnx", "here")
    (tmp_path / "alias").symlink_to(folder)
    assert model_file(tmp_path / "alias" / "m.onnx").files == {"here": b"data"}


def test_what_is_missing_is_for_the_reader_to_say(folder: Path) -> None:
    assert model_file(pointing(folder / "m.onnx", "gone.data")).files == {}
    assert model_file(pointing(folder / "m.onnx", "m.onnx")).files == {}, "the model is no file beside itself"


@pytest.mark.parametrize("size", [0, 1, 5])
def test_a_name_that_is_cut_off_is_none(folder: Path, size: int) -> None:
    (folder / "m.data").write_bytes(b"data")
    data = pointing(folder / "m.onnx", "m.data").read_bytes()
    end = data.index(b"m.data") + size
    (folder / "m.onnx").write_bytes(data[:end])
    assert model_file(folder / "m.onnx").files == {}


def test_bytes_and_open_files_have_nothing_beside_them(folder: Path) -> None:
    path = saved(folder, all_tensors_to_one_file=True, location="m.onnx.data")
    assert model_file(path.read_bytes()).files == {}
    with path.open("rb") as file:
        assert model_file(file).files == {}


def test_files_are_sent_along_as_parts_by_their_names(folder: Path, service: Any, documents: Any) -> None:
    (folder / "weights").mkdir()
    (folder / "weights" / "m.data").write_bytes(b"data")
    path = pointing(folder / "m.onnx", "weights/m.data")
    service.answers = [documents.job(), documents.result["network"]]
    with service.client() as client:
        client.submit(path, lower=-1, upper=1)
        client.upload(path, submodel="actor", model_input={"state": np.array([0.5, 1])}, batch_axis=None)
    for number in (0, 1):
        parts = service.parts(number)
        assert parts["data"] == ("weights/m.data", b"data")
        assert parts["model"] == ("m.onnx", path.read_bytes())
    assert dict(service.requests[1].url.params) == {"submodel": "actor", "model_input": '{"state": [0.5, 1.0]}'}


def test_a_monitor_takes_the_files_along(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(folder, all_tensors_to_one_file=True, location="m.onnx.data")
    orders: list[Any] = []
    with RegionMonitor(lower=-1, upper=1, service="http://127.0.0.1:9", patience=0) as monitor:
        monkeypatch.setattr(monitor._process, "order", orders.append)
        monitor.snapshot(path)
        (order,) = orders
        assert Path(order["path"]).read_bytes() == path.read_bytes()
        beside = {name: Path(place).read_bytes() for name, place in order["files"].items()}
        assert beside == {"m.onnx.data": (folder / "m.onnx.data").read_bytes()}
        assert all(Path(place).parent == Path(order["path"]).parent for place in order["files"].values())


def test_a_file_that_cannot_be_read_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(folder, all_tensors_to_one_file=True, location="m.onnx.data")
    read = Path.read_bytes

    def refuse(self: Path) -> bytes:
        if self.name == "m.onnx.data":
            raise PermissionError(13, "Permission denied")
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InvalidArgument, match=r"m\.onnx\.data, which holds weights of .*: Permission denied"):
        model_file(path)
