"""`/models`: upload a network, see what was read."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from relucensus_service.context import Context, InContext
from relucensus_service.intake import Intake
from relucensus_service.problems import Refusal, problem
from relucensus_service.routes.documentation import MODEL_BODY, problems_for
from relucensus_service.schemas import ActivationName, ModelView, model_view
from relucensus_service.store import NewModel, StoredModel
from relucensus_service.uploads import read_form

router = APIRouter(tags=["models"])
_LONGEST_ACTIVATION: Final = 20  # characters of its column


def _intake(request: Request) -> Intake:
    intake: Intake = request.app.state.intake
    return intake


InIntake = Annotated[Intake, Depends(_intake)]


@router.post(
    "/models",
    status_code=201,
    response_model=ModelView,
    responses=problems_for(400, 413, 415, 422),
    openapi_extra={"requestBody": MODEL_BODY},
    summary="Upload a network",
)
async def post_model(
    request: Request,
    context: InContext,
    intake: InIntake,
    activation: Annotated[
        ActivationName, Query(description="for a state_dict or safetensors file, which does not say")
    ] = "relu",
) -> JSONResponse:
    """Read a model file and keep it; `POST /count` may then name its digest instead of sending the file again."""
    form = await read_form(request, ("model",))
    if form.model is None:
        raise Refusal(problem("invalid-request", "the form has no part 'model'; needed is the model file"))
    model = await keep_model(context, intake, form.model, activation=activation)
    location = str(request.url_for("get_model", digest=model.digest).path)
    return JSONResponse(model_view(model), status_code=201, headers={"Location": location})


@router.get("/models/{digest}", response_model=ModelView, responses=problems_for(404), summary="A network by digest")
def get_model(digest: Annotated[str, Path(examples=["sha256:4a1f…"])], context: InContext) -> JSONResponse:
    """What was read from a model uploaded before."""
    return JSONResponse(model_view(known_model(context, digest)))


def known_model(context: Context, digest: str) -> StoredModel:
    """The model with this digest.

    Raises:
        Refusal: there is none.
    """
    model = context.store.models.find(digest)
    if model is None:
        raise Refusal(problem("unknown-model", f"no model {digest!r} was uploaded here; needed is a known digest"))
    return model


async def keep_model(context: Context, intake: Intake, data: bytes, *, activation: str) -> StoredModel:
    """The stored network of a file; read in a child process unless this very file was read before."""
    file_sha256 = f"sha256:{hashlib.sha256(data).hexdigest()}"
    asked = _key(activation)
    known = await run_in_threadpool(context.store.models.find_file, file_sha256, asked)
    if known is not None:
        return known
    async with context.readers:
        reading = await run_in_threadpool(partial(intake.read, data, activation=activation))
    model = NewModel(reading.digest, file_sha256, asked, data, reading.network, reading.summary)
    return await run_in_threadpool(context.store.models.save, model)


def _key(activation: str) -> str:
    """The activation as it is kept beside the file: itself, or a hash of one with a long number."""
    if len(activation) <= _LONGEST_ACTIVATION:
        return activation
    return hashlib.sha256(activation.encode()).hexdigest()[:_LONGEST_ACTIVATION]
