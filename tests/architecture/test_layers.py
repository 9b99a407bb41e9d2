"""What the import linter cannot see: what an import really loads, and how large files and functions are."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [ROOT / "solver", ROOT / "service", ROOT / "clients" / "python"]
SOURCES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
MOST_FILE_LINES = 400
MOST_FUNCTION_LINES = 60


def loaded_by(statement: str) -> set[str]:
    """The top-level modules in memory after a statement in a fresh interpreter."""
    program = f"{statement}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import relucensus", {"highspy", "pyomo", "torch", "onnx", "safetensors", "distributed", "pyarrow"}),
        ("from relucensus import verify; verify", {"highspy", "pyomo", "torch", "onnx", "numba", "scipy"}),
        ("import relucensus.command", {"torch", "pyarrow", "distributed"}),
        ("import relucensus.readers", {"highspy", "pyomo", "torch", "onnx"}),
        (
            "from relucensus_service.app import create_app; from relucensus_service.settings import Settings",
            {"highspy", "pyomo", "torch", "distributed"},
        ),
        ("import relucensus_client", {"relucensus", "relucensus_service", "numpy", "torch", "onnx", "highspy"}),
    ],
)
def test_an_import_loads_no_more_than_it_needs(statement: str, absent: set[str]) -> None:
    assert not loaded_by(statement) & absent


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    source = path.read_text()
    assert source.count("\n") <= MOST_FILE_LINES
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            assert node.end_lineno - node.lineno < MOST_FUNCTION_LINES, f"{node.name} is too long"


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("highspy", {"solver/relucensus/lp.py"}),
        ("pyomo", {"solver/relucensus/engines/milp/cube_model.py"}),
        ("pyarrow", {"solver/relucensus/writers.py"}),
        (
            "torch",
            {
                "clients/python/relucensus_client/_torch_module.py",
                "clients/python/relucensus_client/_exporter.py",
                "clients/python/relucensus_client/_evaluation.py",
                "solver/relucensus/readers/torch/exporter.py",
                "solver/relucensus/readers/torch/evaluation.py",
            },
        ),
    ],
)
def test_only_one_file_names_a_heavy_library(module: str, allowed: set[str]) -> None:
    naming = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            if any(name.partition(".")[0] == module for name in names):
                naming.add(str(path.relative_to(ROOT)))
    assert naming <= allowed


@pytest.mark.parametrize("name", ["certificate", "exact", "linear", "checker"])
def test_the_checker_imports_nothing_of_ours_but_values_and_arithmetic(name: str) -> None:
    allowed = {"relucensus.arithmetic", "relucensus.errors", "relucensus.proof"}
    ours = {f"relucensus.proof.{part}" for part in ("certificate", "exact", "linear")}
    for node in ast.walk(ast.parse((ROOT / "solver" / "relucensus" / "proof" / f"{name}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("relucensus"):
            assert node.module in allowed | ours or str(node.module).startswith("relucensus.values.")


def test_no_file_is_called_utils() -> None:
    assert not [path for path in SOURCES if path.stem in {"utils", "util", "helpers", "misc"}]
