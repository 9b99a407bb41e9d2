"""Modules of every kind through both of PyTorch's exporters: the file computes what the module computes."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from relucensus_client import InvalidArgument
from relucensus_client._model_source import model_file, snapshot_file

torch = pytest.importorskip("torch")
nn = torch.nn
ROOT = Path(__file__).parents[2]


def made(parts: Callable[[], dict[str, Any]], forward: Callable[..., Any]) -> Any:
    class Made(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, part in parts().items():
                setattr(self, name, part)

    Made.forward = forward
    return Made()


def two() -> dict[str, Any]:
    return {"a": nn.Linear(3, 6), "b": nn.Linear(6, 2)}


def plain() -> Any:
    return nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2))


def with_first(change: Callable[[Any], Any]) -> Any:
    module = plain()
    module[0] = change(module[0])
    return module


def dueling(self: Any, x: Any) -> Any:
    h = torch.relu(self.a(x))
    return self.b(h).mean(1, keepdim=True) + self.b(h)


def low_rank(self: Any, x: Any) -> Any:
    return self.b(torch.relu(nn.functional.linear(x, self.u @ self.v)))


MODULES: dict[str, Callable[[], Any]] = {
    "plain": plain,
    "parallel": lambda: nn.DataParallel(plain()),
    "parallel inside": lambda: nn.Sequential(nn.DataParallel(plain()), nn.ReLU()),
    "compiled": lambda: torch.compile(plain()),
    "compiled part": lambda: nn.Sequential(torch.compile(plain()), nn.ReLU()),
    "compiled in place": lambda: nn.Sequential(compiled_in_place(), nn.ReLU()),
    "spectral norm": lambda: with_first(nn.utils.parametrizations.spectral_norm),
    "weight norm": lambda: with_first(nn.utils.parametrizations.weight_norm),
    "orthogonal": lambda: with_first(nn.utils.parametrizations.orthogonal),
    "old spectral norm": lambda: with_first(nn.utils.spectral_norm),
    "parametrized alone": lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2)),
    "unflatten": lambda: nn.Sequential(nn.Linear(3, 8), nn.Unflatten(1, (2, 4)), nn.ReLU(), nn.Flatten()),
    "slices": lambda: made(two, lambda self, x: torch.cat([self.a(x)[:, 2:], x[:, :2]], 1)),
    "permuted": lambda: made(two, lambda self, x: self.b(torch.relu(self.a(x[:, [2, 0, 1]])))),
    "dueling": lambda: made(two, dueling),
    "low rank": lambda: made(lambda: {**two(), "u": parameter(6, 2), "v": parameter(2, 3)}, low_rank),
    "hard sigmoid": lambda: nn.Sequential(nn.Linear(3, 6), nn.Hardsigmoid(), nn.Linear(6, 2)),
    "largest": lambda: made(two, lambda self, x: self.b(torch.maximum(self.a(x), torch.zeros(())))),
    "two outputs": lambda: made(two, lambda self, x: (self.a(x), self.b(torch.relu(self.a(x))))),
    "outputs by name": lambda: made(two, lambda self, x: {"hidden": self.a(x), "logits": self.b(self.a(x).relu())}),
}


def compiled_in_place() -> Any:
    module = plain()
    module.compile()
    return module


def parameter(*shape: int) -> Any:
    return nn.Parameter(torch.randn(*shape))


@pytest.fixture(params=["current", "older"])
def exporter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "current":
        pytest.importorskip("onnxscript")
        monkeypatch.setattr("relucensus_client._exporter._is_chain", lambda _module: False)
    else:
        monkeypatch.setattr("relucensus_client._exporter._installed", lambda _package: False)
    return str(request.param)


def run(data: bytes, *inputs: np.ndarray) -> list[np.ndarray]:
    onnx.checker.check_model(onnx.load_from_string(data))
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return list(session.run(None, dict(zip(names, inputs, strict=True))))


def flattened(outputs: Any) -> np.ndarray:
    parts = outputs.values() if isinstance(outputs, dict) else outputs
    tensors = [parts] if isinstance(parts, torch.Tensor) else list(parts)
    return np.concatenate([tensor.detach().numpy().ravel() for tensor in tensors])


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.filterwarnings("ignore::FutureWarning:torch")
@pytest.mark.parametrize("name", MODULES)
def test_the_file_computes_what_the_module_computes_and_the_module_is_left_as_it_was(name: str, exporter: str) -> None:
    module = MODULES[name]()
    modes = [(id(part), part.training) for part in module.modules()]
    attributes = [list(vars(part)) for part in module.modules()]
    before = {key: value.clone() for key, value in module.state_dict().items()}
    data = model_file(module, torch.zeros(1, 3)).data
    assert [(id(part), part.training) for part in module.modules()] == modes
    assert [list(vars(part)) for part in module.modules()] == attributes
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    inner = getattr(module.eval(), "_orig_mod", module)
    for point in np.random.default_rng(2).normal(size=(5, 1, 3)).astype(np.float32):
        got = np.concatenate([part.ravel() for part in run(data, point)])
        want = flattened(without_compilation(inner)(torch.from_numpy(point)))
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def without_compilation(module: Any) -> Any:
    for parent in list(module.modules()):
        if vars(parent).get("_compiled_call_impl") is not None:
            parent._compiled_call_impl = None
        for key, part in parent._modules.items():
            parent._modules[key] = getattr(part, "_orig_mod", part)
    return module


def test_several_inputs_and_outputs_have_the_names_that_the_module_gives_them(exporter: str) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(5, 2)

        def forward(self, state: Any, action: Any) -> Any:
            y = self.layer(torch.cat([state, action], 1))
            return {"mean": y, "rectified": torch.relu(y)}

    module = Two()
    state, action = torch.randn(1, 3), torch.randn(1, 2)
    data = model_file(module, (state, action)).data
    graph = onnx.load_from_string(data).graph
    assert [one.name for one in graph.input] == ["state", "action"]
    assert [one.name for one in graph.output] == ["mean", "rectified"]
    want = flattened(module(state, action))
    np.testing.assert_allclose(
        np.concatenate(run(data, state.numpy(), action.numpy())).ravel(), want, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    "example", [torch.zeros(3), torch.zeros(7, 3), np.zeros(3), np.zeros((1, 3)), [0, 0, 0], [[0.0, 0.0, 0.0]]]
)
def test_an_example_may_have_any_batch_or_none_and_be_an_array(example: Any) -> None:
    module = plain()
    data = model_file(module, example).data
    point = np.random.default_rng(3).normal(size=(1, 3)).astype(np.float32)
    assert onnx.load_from_string(data).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    np.testing.assert_allclose(
        run(data, point)[0], module(torch.from_numpy(point)).detach().numpy(), rtol=1e-4, atol=1e-6
    )


class Mixing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Any) -> Any:
        return self.layer(x).mean(0, keepdim=True) if x.dim() == 2 else self.layer(x)


@pytest.mark.parametrize(
    ("module", "example", "words"),
    [
        (Mixing(), torch.randn(4, 3), "its first axis is no batch; add one: example_input"),
        (made(two, lambda self, x: self.a(x - x.mean(0))), None, "of an input beside another one than of it alone"),
        (made(two, lambda self, x: self.a(x * torch.rand(3))), None, "than of it alone, or at random"),
        (plain(), torch.zeros(()), r"an input of shape \[\]; needed is a batch of one"),
        (plain(), torch.zeros(0, 3), "needed is a batch of one, of at least one number"),
        (plain(), "text", "example_input has a str"),
        (plain(), torch.zeros(1, 4), r"with an input of shape \[1, 4\] it raises RuntimeError: mat1 and mat2"),
        (nn.Linear(3, 2, device="meta"), None, "weight of the module Linear is on the meta device"),
        (nn.Sequential(nn.LazyLinear(2)), None, r"0\.weight of the module Sequential has no shape yet"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_the_reason(module: Any, example: Any, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        model_file(module, example)


@pytest.mark.parametrize("kind", [nn.Sequential, nn.DataParallel])
def test_a_stack_without_values_is_refused_and_one_in_parallel_is_a_stack(kind: Any) -> None:
    meta = nn.Sequential(nn.Linear(3, 6, device="meta"), nn.ReLU(), nn.Linear(6, 2, device="meta"))
    with pytest.raises(InvalidArgument, match="meta device"):
        snapshot_file(kind(meta))
    with pytest.raises(InvalidArgument, match="meta device"):
        model_file(meta.state_dict())
    assert snapshot_file(kind(plain()))[0].name == "stack.safetensors"


PRINTING = """
import torch
{patch}
from relucensus_client import InvalidArgument
from relucensus_client._model_source import model_file

class Exponential(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 3)

    def forward(self, x):
        print("from within the module")
        return self.layer(torch.linalg.matrix_exp(x[:, :, None])[:, 0])

class Slicing(Exponential):
    def forward(self, x):
        print("from within the module")
        return self.layer(x)[:, 1:]

print("before")
model_file(Slicing())
try:
    model_file(Exponential(), torch.zeros(1, 3))
except InvalidArgument as error:
    assert "could not be exported" in str(error), error
    print("refused")
"""
ONLY_OLDER = "import relucensus_client._exporter as e; e._installed = lambda package: False"


@pytest.mark.parametrize("patch", ["", ONLY_OLDER], ids=["both", "older"])
def test_nothing_is_printed_on_stdout_by_an_export_that_succeeds_or_fails(patch: str) -> None:
    program = [sys.executable, "-c", PRINTING.format(patch=patch)]
    done = subprocess.run(program, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "before\nrefused\n"
    assert "Warning" not in done.stderr


def test_the_library_and_the_client_export_in_the_same_way() -> None:
    for name in ("exporter", "evaluation"):
        ours = (ROOT / f"solver/relucensus/readers/torch/{name}.py").read_text()
        theirs = (ROOT / f"clients/python/relucensus_client/_{name}.py").read_text()
        assert ours.replace("relucensus.readers.torch.", "relucensus_client._") == theirs


@pytest.mark.filterwarnings("ignore:ONNX Preprocess")
def test_a_module_that_counts_its_calls_is_left_as_it_was() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)
            self.register_buffer("calls", torch.zeros((), dtype=torch.long))

        def forward(self, x: Any) -> Any:
            self.calls += 1
            self.last = x
            return self.layer(x)

    module = Counting()
    copied = copy.deepcopy(module)
    model_file(module)
    assert torch.equal(module.calls, copied.calls)
    assert not hasattr(module, "last")


def test_a_snapshot_asks_the_older_exporter_first_and_the_current_one_where_the_data_decide() -> None:
    class Halved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x: Any) -> Any:
            return self.layer(x) if x[0, 0] > 0 else self.layer(-x)

    def opset(file: Any) -> int:
        return int(onnx.load_from_string(file.data).opset_import[0].version)

    module = made(two, lambda self, x: self.b(torch.relu(self.a(x))))
    assert opset(snapshot_file(module)[0]) == 17
    pytest.importorskip("onnxscript")
    assert opset(model_file(module)) > 17
    with pytest.raises(InvalidArgument, match=r"older exporter says TracerWarning.*current exporter says Guard"):
        snapshot_file(Halved())
