"""Certificates checked on this machine, by the library's checker where it is installed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from relucensus_client import _parts
from relucensus_client._answers import Problem, Verified
from relucensus_client._errors import InvalidArgument, JobFailed, VerificationFailed
from relucensus_client._model_source import Model, model_file

Certificate = str | os.PathLike[str] | bytes

_OF_THE_CERTIFICATE: Final = ("unreadable-certificate", "other-certificate")


def verified(
    model: Model, certificate: Certificate, asked: Mapping[str, Any] | None = None, example_input: Any = None
) -> Verified:
    """What the certificate, a path or bytes, proves about the model.

    `asked` may have a `domain`, which is to be that of the certificate, and what is said about the model
    (`ReadingOptions`).

    Raises:
        InvalidArgument: the model or the certificate cannot be read.
        VerificationFailed: the certificate is of another model or domain, or does not prove what it claims.
        MissingPart: the solver is not installed.
    """
    file = model_file(model, example_input)
    if file.digest:
        raise InvalidArgument(f"{file.digest} names a model that a service keeps; to verify, give the file itself")
    check = _parts.load(_parts.IN_PROCESS, "verify")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "certificate.gz" if isinstance(certificate, bytes) else Path(certificate)
        if isinstance(certificate, bytes):
            path.write_bytes(certificate)
        answer = check(file.data, {**(asked or {}), "certificate": str(path)}, files=file.files)
    if answer["error"] is not None:
        problem = Problem.model_validate(answer["error"])
        raise VerificationFailed(str(problem)) if problem.name in _OF_THE_CERTIFICATE else JobFailed(problem)
    if not answer["result"]["accepted"]:
        raise VerificationFailed(answer["result"]["reason"])
    return Verified.model_validate(answer["result"])
