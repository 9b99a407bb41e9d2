"""The entries of the ONNX operators beside the schemas of the onnx package: nothing of an operator is passed over.

Every version that is known has the inputs of its schema, in order, and of its attributes all but those that are listed
here, which are refused where a file has them. The newest version of every operator is known.
"""

from __future__ import annotations

import onnx
import pytest

from relucensus.readers.onnx.forms import Form, Operator
from relucensus.readers.onnx.operators.registry import OPERATORS

SCHEMAS = {(s.domain, s.name, s.since_version): s for s in onnx.defs.get_all_schemas_with_history()}
VARIADIC = onnx.defs.OpSchema.FormalParameterOption.Variadic
NOT_READ = {
    ("Constant", "sparse_value"),
    ("Constant", "value_string"),
    ("Constant", "value_strings"),
}
VERSIONS = [
    pytest.param(key, operator, version, form, id=f"{key[0]}:{key[1]}-{version}")
    for key, operator in OPERATORS.items()
    for version, form in operator.forms.items()
    if key[0] != "com.microsoft"  # no schemas of these come with onnx
]


@pytest.mark.parametrize(("key", "operator", "version", "form"), VERSIONS)
def test_a_version_is_looked_at_whole(key: tuple[str, str], operator: Operator, version: int, form: Form) -> None:
    schema = SCHEMAS[(*key, version)]
    variadic = [one.option == VARIADIC for one in schema.inputs]
    names = ["*" if many else one.name for one, many in zip(schema.inputs, variadic, strict=True)]
    assert list(form.inputs) == names
    assert form.attributes <= set(schema.attributes)
    assert {(key[1], name) for name in set(schema.attributes) - form.attributes} <= NOT_READ


@pytest.mark.parametrize("key", [key for key in OPERATORS if key[0] != "com.microsoft"], ids=":".join)
def test_the_newest_version_of_an_operator_is_known(key: tuple[str, str]) -> None:
    versions = [version for domain, name, version in SCHEMAS if (domain, name) == key]
    assert max(versions) in OPERATORS[key].forms
