"""What a process loads, seen in a fresh interpreter."""

import subprocess
import sys

import pytest

ENGINES = {"highspy", "pyomo"}
HEAVY = {*ENGINES, "torch", "onnx", "onnxruntime", "dask", "distributed"}


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("relucensus_service.server", HEAVY),
        ("relucensus_service.commands", HEAVY),
        ("relucensus_service.serve_command", {*HEAVY, "fastapi", "sqlalchemy"}),
        ("relucensus_service.runner_command", {*ENGINES, "torch", "onnx", "fastapi"}),
        ("relucensus_service.intake_child", {*HEAVY, "numpy"}),
    ],
)
def test_a_process_loads_only_what_it_needs(module: str, never: set[str]) -> None:
    program = f"import sys, {module}; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not never & set(loaded)
