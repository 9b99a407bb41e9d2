"""When two requests ask the same: a digest of all that an exact answer depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from relucensus.values.domain import Domain


def question_of(request: Mapping[str, Any], domain: Domain, notes: Sequence[str] = ()) -> str:
    """Equal for requests with the same exact answer: network, domain, definitions, how it has to be found and shown.

    A certificate also has the notes of the file. Limits do not matter to an exact answer. The library's version does: a
    mistake that was found is no answer.
    """
    asked = {
        "model": request["model"],
        "domain": domain.to_json(),
        "definitions": sorted(request["definitions"]),
        "strategy": request["strategy"],
        "cross_check": request["cross_check"],
        "certificate": request["certificate"],
        "version": version("relucensus"),
    }
    if request["certificate"]:
        asked["notes"] = list(notes)
    return f"sha256:{hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()}"
