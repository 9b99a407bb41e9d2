"""JSON from outside, read without the liberties that Python's reader takes."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Final

from relucensus_service.problems import Refusal, problem, shown

_MOST_FIELDS: Final = 64


def parsed(text: str, what: str = "the request") -> Any:
    """The document in the text, which errors call `what`.

    Raises:
        Refusal: not JSON; NaN or Infinity, which JSON does not have; a field given twice.
    """
    try:
        return json.loads(
            text,
            parse_constant=partial(_refuse_constant, what),
            object_pairs_hook=partial(_fields, what),
        )
    except RecursionError:
        raise _refusal(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise _refusal(f"{what} is not JSON: {error}") from None


def _refuse_constant(what: str, name: str) -> Any:
    raise _refusal(f"{what} holds {name}; needed is JSON, in which every number is finite")


def _fields(what: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > _MOST_FIELDS:
        raise _refusal(f"an object in {what} has {len(pairs)} fields; accepted are at most {_MOST_FIELDS}")
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _refusal(f"the field {shown(twice)} is given twice")
    return fields


def _refusal(detail: str) -> Refusal:
    return Refusal(problem("invalid-request", detail))
