"""What every answer of the service is, and those that describe a problem or a model."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """Base of all answers: immutable, and `to_json` gives back what was received."""

    model_config = ConfigDict(frozen=True, extra="allow")

    def to_json(self) -> dict[str, Any]:
        """The document this was read from, as JSON values."""
        return self.model_dump(mode="json", exclude_unset=True)


class FieldError(Answer):
    """What is wrong with one field of a request."""

    field: str = ""
    message: str = ""


class Problem(Answer):
    """An RFC 9457 problem document: what went wrong, in words for the user. `errors` are those of single fields.

    Of "ambiguous-model", `option` is what has to be said about the file, one of `ReadingOptions`, and `choices` what it
    may be.

    >>> Problem(type="urn:relucensus:problem:invalid-domain").name
    'invalid-domain'
    """

    type: str = "about:blank"
    title: str = "Error"
    status: int | None = None
    detail: str | None = None
    errors: tuple[FieldError, ...] | None = None
    option: str | None = None
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The last part of `type`, which never changes for the same kind of problem."""
        return self.type.rpartition(":")[2]

    def __str__(self) -> str:
        return f"{self.title}: {self.detail}" if self.detail else self.title


class Network(Answer):
    """What was read from the model file."""

    digest: str | None = None
    inputs: int | None = None
    hidden: tuple[int, ...] = ()
    outputs: int | None = None
    neurons: int | None = None
    stable_neurons: int | None = None
    activation: str | None = None


class UploadedModel(Network):
    """A model kept by the service: pass it, or its `digest`, to `submit` instead of a file.

    `notes` are what its reader assumed or left off.
    """

    digest: str
    format: str | None = None
    input_shape: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()


class Verified(Answer):
    """What an accepted certificate proves: these counts, of the network with this digest, on this domain.

    `notes` are what the reader of the model assumed or left off here, where the certificate was checked.
    """

    network: str
    domain: dict[str, Any]
    counts: dict[str, int]
    notes: tuple[str, ...] = ()
