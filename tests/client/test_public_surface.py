from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import relucensus_client
from relucensus_client import _errors


def test_all_names_exactly_what_is_importable() -> None:
    importable = {
        name
        for name, value in vars(relucensus_client).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert importable == set(relucensus_client.__all__)


def test_all_is_sorted_with_constants_then_types_then_functions() -> None:
    names = relucensus_client.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


def test_the_error_tree_in_the_docstring_is_complete() -> None:
    errors = [
        name for name, kind in vars(_errors).items() if isinstance(kind, type) and issubclass(kind, _errors.ClientError)
    ]
    assert len(errors) > 10
    assert _errors.__doc__ is not None
    for name in errors:
        assert name in _errors.__doc__
        assert name in relucensus_client.__all__


@pytest.mark.parametrize("statement", ["import relucensus_client", "import relucensus_client.cli"])
def test_importing_the_client_loads_neither_our_other_packages_nor_heavy_ones(statement: str) -> None:
    heavy = "{'torch', 'onnx', 'highspy', 'pyomo', 'numpy', 'flint', 'fastapi', 'relucensus', 'relucensus_service'}"
    code = f"import sys; {statement}; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
