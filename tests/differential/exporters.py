"""Modules as people write them, through both of PyTorch's exporters; what is read is compared with the module."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import os
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional

from differential.case import Case, points_for
from relucensus.readers import FolderFiles

EXPORTERS: Final = ("torchscript", "dynamo")


class Function(nn.Module):
    """A module that applies a function to itself and x; its layers are attributes."""

    def __init__(self, function: Callable[..., torch.Tensor], **layers: Any) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self, x)


def _mlp(*widths: int, between: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), between()]
    return nn.Sequential(*layers[:-1])


def _ended(function: Callable[[torch.Tensor], torch.Tensor], width: int, before: int = 4) -> nn.Module:
    """Linear, relu, the function, Linear of as many inputs as that gives."""
    return Function(
        lambda m, x: m.last(function(torch.relu(m.first(x)))),
        first=nn.Linear(4, before),
        last=nn.Linear(width, 3),
    )


def _image(function: Callable[[torch.Tensor], torch.Tensor], *, before: bool = True) -> nn.Module:
    """A convolution, relu, the function, all of it in one row."""
    layer = nn.Conv2d(1, 2, 3, padding=1) if before else nn.Identity()
    return Function(lambda m, x: torch.flatten(function(torch.relu(m.first(x))), 1), first=layer)


def _dueling(m: Any, x: torch.Tensor) -> torch.Tensor:
    a = torch.relu(m.body(x))
    advantage = m.advantage(a)
    value: torch.Tensor = m.value(a) + advantage - advantage.mean(dim=1, keepdim=True)
    return value


def _residual(m: Any, x: torch.Tensor) -> torch.Tensor:
    a = torch.relu(m.first(x))
    for layer in m.blocks:
        a = a + torch.relu(layer(a))
    return torch.as_tensor(m.last(a))


def _masked(m: Any, x: torch.Tensor) -> torch.Tensor:
    return torch.relu(functional.linear(x, torch.tril(m.weight))) @ m.other


ROW: Final = (4,)
IMAGE: Final = (1, 6, 6)
MODULES: Final[dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]]] = {
    "mlp": (lambda: _mlp(4, 6, 5, 3), ROW),
    "layers without an activation": (
        lambda: nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 2), nn.Linear(2, 2)),
        ROW,
    ),
    "slicing": (lambda: _ended(lambda a: torch.cat([a[:, 1:3], a[:, ::2], a[:, -1:]], 1), 5), ROW),
    "chunk": (lambda: _ended(lambda a: a.chunk(2, dim=-1)[0] - a.chunk(2, dim=-1)[1], 2), ROW),
    "split": (lambda: _ended(lambda a: torch.cat(a.split([1, 3], dim=1)[::-1], dim=1), 4), ROW),
    "stack and mean": (lambda: _ended(lambda a: torch.stack([a, -a, a.abs()], dim=1).mean(dim=1), 4), ROW),
    "stack and sum": (lambda: _ended(lambda a: torch.stack([a, 2 * a], dim=-1).sum(dim=-1), 4), ROW),
    "maximum over an axis": (lambda: _ended(lambda a: a.view(-1, 2, 2).amax(dim=2), 2), ROW),
    "minimum over an axis": (lambda: _ended(lambda a: a.reshape(a.shape[0], 2, 2).min(dim=1).values, 2), ROW),
    "maxout": (
        lambda: Function(
            lambda m, x: m.last(m.first(x).view(x.size(0), 3, 2).max(dim=2)[0]),
            first=nn.Linear(4, 6),
            last=nn.Linear(3, 2),
        ),
        ROW,
    ),
    "maximum and minimum": (lambda: _ended(lambda a: torch.maximum(a, 1 - a) + torch.minimum(a, a.flip(1)), 4), ROW),
    "clamp": (lambda: _ended(lambda a: a.clamp(min=0.2) + (a - 1).clamp(-0.5, 0.5) + a.clamp(max=0.7), 4), ROW),
    "relu6": (lambda: _mlp(4, 5, 3, between=nn.ReLU6), ROW),
    "hardtanh": (lambda: _mlp(4, 5, 3, between=lambda: nn.Hardtanh(-0.5, 2.0)), ROW),
    "hardsigmoid": (lambda: _mlp(4, 5, 3, between=nn.Hardsigmoid), ROW),
    "leaky_relu": (lambda: _mlp(4, 5, 3, between=lambda: nn.LeakyReLU(0.2)), ROW),
    "prelu": (lambda: nn.Sequential(nn.Linear(4, 5), nn.PReLU(5), nn.Linear(5, 3), nn.PReLU(), nn.Linear(3, 2)), ROW),
    "threshold": (lambda: _mlp(4, 5, 3, between=lambda: nn.Threshold(0.0, 0.0)), ROW),
    "softshrink": (lambda: _mlp(4, 5, 3, between=lambda: nn.Softshrink(0.3)), ROW),
    "where": (
        lambda: Function(
            lambda m, x: m.last(torch.where(m.first(x) > 0, m.first(x), 0.1 * m.first(x))),
            first=nn.Linear(4, 5),
            last=nn.Linear(5, 2),
        ),
        ROW,
    ),
    "times its sign": (
        lambda: Function(
            lambda m, x: m.last(m.first(x) * (m.first(x) > 0)), first=nn.Linear(4, 5), last=nn.Linear(5, 2)
        ),
        ROW,
    ),
    "abs": (lambda: _ended(torch.abs, 4), ROW),
    "einsum": (
        lambda: Function(
            lambda m, x: torch.relu(torch.einsum("bi,oi->bo", x, m.weight)), weight=nn.Parameter(torch.randn(3, 4))
        ),
        ROW,
    ),
    "weight on the left": (
        lambda: Function(
            lambda m, x: torch.relu((m.weight @ x.unsqueeze(-1)).squeeze(-1)), weight=nn.Parameter(torch.randn(3, 4))
        ),
        ROW,
    ),
    "flip and roll": (lambda: _ended(lambda a: a.flip(1) + a.roll(1, 1), 4), ROW),
    "cumsum": (lambda: _ended(lambda a: a.cumsum(1), 4), ROW),
    "masked weights": (
        lambda: Function(_masked, weight=nn.Parameter(torch.randn(4, 4)), other=nn.Parameter(torch.randn(4, 2))),
        ROW,
    ),
    "dueling head": (
        lambda: Function(_dueling, body=nn.Linear(4, 5), advantage=nn.Linear(5, 3), value=nn.Linear(5, 1)),
        ROW,
    ),
    "residual blocks": (
        lambda: Function(
            _residual,
            first=nn.Linear(4, 5),
            blocks=nn.ModuleList([nn.Linear(5, 5), nn.Linear(5, 5)]),
            last=nn.Linear(5, 2),
        ),
        ROW,
    ),
    "batch norm": (
        lambda: nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2), nn.BatchNorm1d(2)),
        ROW,
    ),
    "weight norm": (
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 5)), nn.ReLU(), nn.Linear(5, 2)),
        ROW,
    ),
    "softmax last": (lambda: nn.Sequential(_mlp(4, 5, 3), nn.Softmax(dim=1)), ROW),
    "sigmoid last": (lambda: nn.Sequential(_mlp(4, 5, 1), nn.Sigmoid()), ROW),
    "argmax last": (lambda: Function(lambda m, x: m.body(x).argmax(dim=1), body=_mlp(4, 5, 3)), ROW),
    "dropout": (lambda: nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Dropout(0.4), nn.Linear(5, 2)), ROW),
    "unflatten and permute": (lambda: _ended(lambda a: a.unflatten(1, (2, 3)).permute(0, 2, 1).flatten(1), 6, 6), ROW),
    "normalised input": (
        lambda: Function(
            lambda m, x: m.body((x - m.mean) / m.deviation),
            body=_mlp(4, 5, 2),
            mean=nn.Parameter(torch.randn(4)),
            deviation=nn.Parameter(torch.rand(4) + 0.5),
        ),
        ROW,
    ),
    "conv, norm and pool": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 3, stride=2), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(2, 2)
        ),
        IMAGE,
    ),
    "convolution in groups": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 4, 2, groups=2, dilation=2), nn.ReLU(), nn.Flatten()
        ),
        IMAGE,
    ),
    "transposed convolution": (
        lambda: nn.Sequential(
            nn.Unflatten(1, (2, 2)),
            nn.ConvTranspose1d(2, 2, 3, stride=2, padding=1, output_padding=1, groups=2),
            nn.ReLU(),
            nn.Flatten(),
        ),
        ROW,
    ),
    "max pool, padded and dilated": (
        lambda: _image(lambda a: functional.max_pool2d(a, 3, 2, padding=1, dilation=1, ceil_mode=True)),
        IMAGE,
    ),
    "max_pool1d": (
        lambda: nn.Sequential(nn.Unflatten(1, (1, 4)), nn.MaxPool1d(2, 1), nn.Flatten(), nn.Linear(3, 2)),
        ROW,
    ),
    "average pool": (
        lambda: _image(lambda a: functional.avg_pool2d(a, 3, 2, padding=1, ceil_mode=True, count_include_pad=False)),
        IMAGE,
    ),
    "adaptive pools": (
        lambda: _image(lambda a: functional.adaptive_avg_pool2d(a, 2) - functional.adaptive_max_pool2d(a, 1)),
        IMAGE,
    ),
    "pads": (
        lambda: _image(
            lambda a: functional.pad(functional.pad(a, (1, 0, 0, 2), mode="reflect"), (0, 1, 1, 0), value=0.3)
        ),
        (1, 3, 3),
    ),
    "edge pad and crop": (
        lambda: _image(lambda a: functional.pad(functional.pad(a, (1, 1, 1, 1), mode="replicate"), (-1, 0, 0, -2))),
        (1, 3, 3),
    ),
    "nearest": (lambda: _image(lambda a: functional.interpolate(a, scale_factor=2, mode="nearest")), (1, 3, 3)),
    "bilinear": (
        lambda: _image(lambda a: functional.interpolate(a, size=(5, 4), mode="bilinear", align_corners=False)),
        (1, 3, 3),
    ),
    "pixel shuffle": (
        lambda: nn.Sequential(nn.Conv2d(1, 4, 2), nn.ReLU(), nn.PixelShuffle(2), nn.Flatten(), nn.Linear(16, 2)),
        (1, 3, 3),
    ),
    "mean over an image": (
        lambda: Function(
            lambda m, x: m.last(torch.relu(m.first(x)).mean(dim=(-2, -1))),
            first=nn.Conv2d(1, 3, 2),
            last=nn.Linear(3, 2),
        ),
        IMAGE,
    ),
}
FEW: Final = tuple(list(MODULES)[::4])


def exported(name: str, exporter: str, folder: Path, *, dynamic: bool) -> Case:
    """The module of this name through an exporter: with a batch of any size, or at PyTorch's defaults."""
    torch.manual_seed(0)
    make, shape = MODULES[name]
    module = make().eval()
    path = folder / "m.onnx"
    _export(module, torch.randn(2 if dynamic else 1, *shape), path, exporter, dynamic=dynamic)
    exact = copy.deepcopy(module).double()

    def answer(points: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            found = exact(torch.from_numpy(points.reshape(-1, *shape)))
        return np.asarray(found.reshape(len(points), -1), dtype=np.float64)

    points = points_for(int(np.prod(shape)), np.float32, np.random.default_rng(0))
    return Case(
        f"{name} ({exporter}, {'any batch' if dynamic else 'defaults'})",
        exporter,
        onnx.load(path),
        points,
        len(points) if dynamic else None,
        files=FolderFiles(folder),
        data=path.read_bytes(),
        answer=answer,
    )


def _export(module: nn.Module, x: torch.Tensor, path: Path, exporter: str, *, dynamic: bool) -> None:
    options: dict[str, Any] = {"dynamo": exporter == "dynamo"}
    if dynamic and exporter == "dynamo":
        options["dynamic_shapes"] = {"x" if isinstance(module, Function) else "input": {0: torch.export.Dim("batch")}}
    elif dynamic:
        options |= {"input_names": ["x"], "dynamic_axes": {"x": {0: "batch"}}}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), open(os.devnull, "w") as nowhere:
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            with contextlib.redirect_stderr(nowhere):
                torch.onnx.export(module, (x,), str(path), **options)
        finally:
            logging.disable(logging.NOTSET)
