"""Parts of the OpenAPI document that the framework cannot derive."""

from __future__ import annotations

import re
from typing import Any, Final

from relucensus_service.problems import MEDIA_TYPE, TABLE
from relucensus_service.request_schemas import REQUEST_EXAMPLE, CountRequest
from relucensus_service.schemas import ProblemView

_MODEL_PART: Final = {
    "type": "string",
    "format": "binary",
    "description": "ONNX, a state_dict or checkpoint saved by torch.save, safetensors, or .nnet",
}

_DATA_PARTS: Final = {
    "type": "array",
    "items": {"type": "string", "format": "binary"},
    "description": "files beside an ONNX model that hold its weights; the file name of a part is the model's for it",
}

MODEL_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["model"],
                "properties": {"model": _MODEL_PART, "data": _DATA_PARTS},
            }
        }
    },
}
COUNT_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["request"],
                "properties": {
                    "model": {**_MODEL_PART, "description": f"{_MODEL_PART['description']}; or name a digest"},
                    "data": _DATA_PARTS,
                    "request": {"$ref": "#/components/schemas/CountRequest"},
                },
            },
            "encoding": {"request": {"contentType": "application/json"}},
            "example": {"model": "(the file)", "request": REQUEST_EXAMPLE},
        }
    },
}


def problems_for(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documentation of the problems a route answers with these statuses."""
    return {status: _documented(status) for status in statuses}


def with_request_schema(document: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document with what the framework does not see: the schema of the `request` part, and API keys."""
    schema = CountRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(schema.pop("$defs", {}))
    schemas["CountRequest"] = schema
    document["components"]["securitySchemes"] = {"api_key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{}, {"api_key": []}]  # without one where access is open
    return document


def methods_of(document: dict[str, Any], path: str) -> list[str]:
    """The methods that an address has: the framework knows of one route at a time."""
    for template, operations in document["paths"].items():
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
            return [method.upper() for method in operations]
    return []


def _documented(status: int) -> dict[str, Any]:
    names = [name for name, (its_status, _) in TABLE.items() if its_status == status]
    titles = [TABLE[name][1] for name in names]
    example = {
        "type": f"urn:relucensus:problem:{names[0]}",
        "title": titles[0],
        "status": status,
        "detail": "what was found, where, and what is needed",
    }
    return {
        "model": ProblemView,
        "description": "; ".join(titles),
        "content": {MEDIA_TYPE: {"example": example}},
    }
