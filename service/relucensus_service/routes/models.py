"""`/models`: upload a network, see what was read."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from relucensus_service.context import Caller, Context, InContext, owner_of
from relucensus_service.intake import Intake
from relucensus_service.problems import Refusal, problem, shown
from relucensus_service.routes.documentation import MODEL_BODY, problems_for
from relucensus_service.schemas import ActivationName, ModelView, model_view
from relucensus_service.store import ApiKey, NewModel, QuotaUsedUp, StoredModel
from relucensus_service.uploads import read_form

router = APIRouter(tags=["models"])
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_ACTIVATION: Final = 20  # characters of its column


def _intake(request: Request) -> Intake:
    intake: Intake = request.app.state.intake
    return intake


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
    activation: Annotated[
        ActivationName, Query(description="for a state_dict or safetensors file, which does not say")
    ] = "relu",
) -> JSONResponse:
    """Read a model file and keep it; `POST /count` may then name its digest instead of sending the file again."""
    form = await read_form(request, ("model",))
    if form.model is None:
        raise Refusal(problem("invalid-request", "the form has no part 'model'; needed is the model file"))
    model = await keep_model(context, intake, form.model, caller, activation=activation)
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
    context: Context, intake: Intake, data: bytes, caller: ApiKey | None, *, activation: str
) -> StoredModel:
    """The stored network of a file; read in a child process unless this very file was read before."""
    owner = owner_of(caller)
    if owner is not None:
        await run_in_threadpool(_spend, context, owner, len(data))
    file_sha256 = f"sha256:{hashlib.sha256(data).hexdigest()}"
    asked = _key(activation)
    known = await run_in_threadpool(partial(context.store.models.find_file, file_sha256, asked, owner=owner))
    if known is not None:
        return known
    async with context.readers:
        reading = await run_in_threadpool(partial(intake.read, data, activation=activation))
    model = NewModel(reading.digest, file_sha256, asked, data, reading.network, reading.summary)
    return await run_in_threadpool(partial(context.store.models.save, model, owner=owner))


def _spend(context: Context, owner: str, size: int) -> None:
    try:
        context.store.keys.spend_upload(owner, size)
    except QuotaUsedUp as error:
        raise Refusal(problem("quota-used-up", str(error))) from None


def _key(activation: str) -> str:
    """The activation as it is kept beside the file: itself, or a hash of one with a long number."""
    if len(activation) <= _LONGEST_ACTIVATION:
        return activation
    return hashlib.sha256(activation.encode()).hexdigest()[:_LONGEST_ACTIVATION]
