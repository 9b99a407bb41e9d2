"""`/models`: upload a network, see what was read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from relucensus.values.activation import ACTIVATIONS
from relucensus.values.names import BATCH_AXES, NNET_NORMALISATIONS
from relucensus_service.context import Caller, Context, InContext, owner_of
from relucensus_service.documents import parsed
from relucensus_service.intake import Intake
from relucensus_service.problems import Refusal, problem, shown
from relucensus_service.request_schemas import ReadingRequest, problem_of_validation
from relucensus_service.routes.documentation import MODEL_BODY, problems_for
from relucensus_service.schemas import ModelView, model_view
from relucensus_service.store import ApiKey, NewModel, QuotaUsedUp, StoredModel
from relucensus_service.uploads import Form, read_form

router = APIRouter(tags=["models"])
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


def _described(name: str) -> str:
    return str(ReadingRequest.model_fields[name].description)


def _intake(request: Request) -> Intake:
    intake: Intake = request.app.state.intake
    return intake


def _reading(  # one parameter per choice
    activation: Annotated[str, Query(description=_described("activation"), examples=list(ACTIVATIONS))] = "relu",
    model_output: Annotated[str | None, Query(description=_described("model_output"))] = None,
    model_input: Annotated[
        str | None, Query(description=f"JSON: {_described('model_input')}", examples=['{"state": [0, 0]}'])
    ] = None,
    submodel: Annotated[str | None, Query(description=_described("submodel"))] = None,
    batch_axis: Annotated[str | None, Query(description=_described("batch_axis"), examples=list(BATCH_AXES))] = None,
    nnet_normalisation: Annotated[
        str | None, Query(description=_described("nnet_normalisation"), examples=list(NNET_NORMALISATIONS))
    ] = None,
) -> ReadingRequest:
    """What is said about the file, in the query.

    Raises:
        Refusal: it is not valid.
    """
    said = {
        "activation": activation,
        "model_output": model_output,
        "model_input": None if model_input is None else parsed(model_input, "model_input"),
        "submodel": submodel,
        "batch_axis": batch_axis,
        "nnet_normalisation": nnet_normalisation,
    }
    try:
        return ReadingRequest.model_validate(said)
    except ValidationError as error:
        raise Refusal(problem_of_validation(error)) from None


InIntake = Annotated[Intake, Depends(_intake)]


@router.post(
    "/models",
    status_code=201,
    response_model=ModelView,
    responses=problems_for(400, 401, 408, 413, 415, 422, 429),
    openapi_extra={"requestBody": MODEL_BODY},
    summary="Upload a network",
)
async def post_model(
    request: Request,
    context: InContext,
    intake: InIntake,
    caller: Caller,
    said: Annotated[ReadingRequest, Depends(_reading)],
) -> JSONResponse:
    """Read a model file and keep it; `POST /count` may then name its digest instead of sending the file again."""
    form = await read_form(request, ("model", "data"))
    if form.model is None:
        raise Refusal(problem("invalid-request", "the form has no part 'model'; needed is the model file"))
    model = await keep_model(context, intake, form, caller, said)
    location = str(request.url_for("get_model", digest=model.digest).path)
    return JSONResponse(model_view(model), status_code=201, headers={"Location": location})


@router.get(
    "/models/{digest}", response_model=ModelView, responses=problems_for(401, 404), summary="A network by digest"
)
def get_model(
    digest: Annotated[str, Path(examples=["sha256:4a1f…"])], context: InContext, caller: Caller
) -> JSONResponse:
    """What was read from a model uploaded before."""
    return JSONResponse(model_view(known_model(context, digest, caller)))


def known_model(context: Context, digest: str, caller: ApiKey | None) -> StoredModel:
    """The model with this digest that the caller has uploaded.

    Raises:
        Refusal: there is none.
    """
    model = context.store.models.find(digest, owner=owner_of(caller)) if _DIGEST.fullmatch(digest) else None
    if model is None:
        raise Refusal(problem("unknown-model", f"no model {shown(digest)} was uploaded here; needed is a known digest"))
    return model


async def keep_model(
    context: Context, intake: Intake, form: Form, caller: ApiKey | None, said: ReadingRequest
) -> StoredModel:
    """The stored network of the form's file; read in a child process unless this very file was read in this way."""
    assert form.model is not None
    owner = owner_of(caller)
    if owner is not None:
        await run_in_threadpool(_spend, context, owner, form.size)
    choices = said.choices()
    file_sha256, asked = await run_in_threadpool(_keys, form, choices)
    known = await run_in_threadpool(partial(context.store.models.find_file, file_sha256, asked, owner=owner))
    if known is not None:
        return known
    async with context.readers:
        reading = await run_in_threadpool(partial(intake.read, form.model, files=form.data, choices=choices))
    model = NewModel(reading.digest, file_sha256, asked, form.model, reading.network, reading.summary)
    return await run_in_threadpool(partial(context.store.models.save, model, owner=owner))


def _spend(context: Context, owner: str, size: int) -> None:
    try:
        context.store.keys.spend_upload(owner, size)
    except QuotaUsedUp as error:
        raise Refusal(problem("quota-used-up", str(error))) from None


def _keys(form: Form, choices: Mapping[str, Any]) -> tuple[str, str]:
    """The digest of the file, and that of all else that its reading depends on.

    The library's version is part of it: what was misread once is not remembered.
    """
    assert form.model is not None
    asked = {
        "choices": dict(choices),
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in form.data.items()},
        "version": version("relucensus"),
    }
    text = json.dumps(asked, sort_keys=True).encode()
    return f"sha256:{hashlib.sha256(form.model).hexdigest()}", f"sha256:{hashlib.sha256(text).hexdigest()}"
