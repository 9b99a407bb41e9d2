"""Modules through both exporters of PyTorch are read as the function that the module is, or refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from differential.exporters import EXPORTERS, FEW, MODULES, exported
from differential.judge import Outcome, judge

# The newer exporter writes it as a product with Sign, which is not continuous.
REFUSED = {("softshrink", "dynamo")}
INSTALLED = EXPORTERS if importlib.util.find_spec("onnxscript") else EXPORTERS[:1]


@pytest.mark.parametrize("dynamic", [True, False], ids=["any batch", "defaults"])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_read_from_the_older_exporter(name: str, dynamic: bool, tmp_path: Path) -> None:
    _check(name, "torchscript", tmp_path, dynamic=dynamic)


@pytest.mark.skipif("dynamo" not in INSTALLED, reason="needs onnxscript")
@pytest.mark.parametrize("name", FEW)
def test_a_module_is_read_at_the_defaults_of_torch(name: str, tmp_path: Path) -> None:
    _check(name, "dynamo", tmp_path, dynamic=False)


@pytest.mark.long
@pytest.mark.skipif("dynamo" not in INSTALLED, reason="needs onnxscript")
@pytest.mark.parametrize("dynamic", [True, False], ids=["any batch", "defaults"])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_read_from_the_newer_exporter(name: str, dynamic: bool, tmp_path: Path) -> None:
    _check(name, "dynamo", tmp_path, dynamic=dynamic)


def _check(name: str, exporter: str, folder: Path, *, dynamic: bool) -> None:
    verdict = judge(exported(name, exporter, folder, dynamic=dynamic))
    wanted = Outcome.REFUSED if (name, exporter) in REFUSED else Outcome.READ
    assert verdict.outcome is wanted, str(verdict)
