"""`/count`: ask for a count, follow it, stop it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from relucensus.values.domain import domain_from_json
from relucensus_service.context import Caller, Context, InContext, InJob, known_job, owner_of
from relucensus_service.documents import parsed
from relucensus_service.jobs import Job, JobState, NewJob, NothingToRetry, root_of
from relucensus_service.problems import Refusal, problem, shown
from relucensus_service.questions import question_of
from relucensus_service.request_schemas import CountRequest, problem_of_validation
from relucensus_service.routes.documentation import COUNT_BODY, problems_for
from relucensus_service.routes.geometry import SHOWN, varying
from relucensus_service.routes.models import InIntake, keep_model, known_model
from relucensus_service.schemas import JobPage, JobView, job_view
from relucensus_service.store import ApiKey, QueueFull, QueueLimits, QuotaUsedUp, StoredModel
from relucensus_service.uploads import Form, read_form
from relucensus_service.waiting import preferred_wait, wait_until_done

router = APIRouter(tags=["count"])
_RETRY_AFTER = "1"
_NUMBERS = 2**63  # jobs have numbers below; databases compare no larger ones


@router.post(
    "/count",
    response_model=JobView,
    responses={
        200: {"description": "The job, finished within the time of `Prefer: wait=N`, or answered from what is known"},
        202: {"model": JobView, "description": "The job; `Location` says where to follow it"},
        **problems_for(400, 401, 404, 408, 413, 415, 422, 429),
    },
    openapi_extra={"requestBody": COUNT_BODY},
    summary="Count the regions of a network",
)
async def post_count(
    request: Request,
    context: InContext,
    intake: InIntake,
    caller: Caller,
    prefer: Annotated[str | None, Header(description="`wait=N`: answer when finished, but within N seconds")] = None,
    idempotency_key: Annotated[
        str | None, Header(max_length=255, description="the same key and request again: the same job, not a second one")
    ] = None,
) -> JSONResponse:
    """Queue a count. The model is a file, or the digest of one uploaded before in the field `model` of the request."""
    form = await read_form(request, ("model", "data", "request"))
    asked = _count_request(form)
    if form.model is not None:
        model = await keep_model(context, intake, form, caller, asked)
    else:
        model = await run_in_threadpool(known_model, context, str(asked.model), caller)
    job = await run_in_threadpool(_created, context, caller, asked, model, idempotency_key)
    if varying(job) in SHOWN:
        request.app.state.geometry.expect()
    wait = min(preferred_wait(prefer), context.settings.longest_wait)
    if wait:
        await wait_until_done(context.store, job.id, wait, context.stopping)
        job = known_job(await run_in_threadpool(context.store.jobs.find, job.id), job.id, caller)
    headers = {"Location": str(request.url_for("get_count", job_id=job.id).path)}
    if wait:
        headers["Preference-Applied"] = f"wait={wait:g}"
    if not job.state.done:
        headers["Retry-After"] = _RETRY_AFTER
    return JSONResponse(job_view(job), status_code=200 if job.state.done else 202, headers=headers)


@router.get("/count", response_model=JobPage, responses=problems_for(401, 422), summary="The jobs, the newest first")
def list_counts(
    context: InContext,
    caller: Caller,
    state: Annotated[list[JobState] | None, Query(description="only jobs in this state; may be given twice")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
) -> JSONResponse:
    """One page of jobs."""
    jobs = context.store.jobs.page(states=state or [], below=_number(cursor), limit=limit + 1, owner=owner_of(caller))
    more = len(jobs) > limit
    page = jobs[:limit]
    next_cursor = _cursor(page[-1].number) if more else None
    return JSONResponse({"jobs": [job_view(job) for job in page], "next_cursor": next_cursor})


@router.get("/count/{job_id}", response_model=JobView, responses=problems_for(401, 404, 422), summary="A job")
async def get_count(
    job: InJob,
    context: InContext,
    wait: Annotated[float, Query(ge=0, allow_inf_nan=False, description="answer when done, at most so late")] = 0.0,
) -> JSONResponse:
    """The job: state, progress, and the result once it is done."""
    if wait and not job.state.done:
        await wait_until_done(context.store, job.id, min(wait, context.settings.longest_wait), context.stopping)
        job = _present(await run_in_threadpool(context.store.jobs.find, job.id), job.id)
    headers = {} if job.state.done else {"Retry-After": _RETRY_AFTER}
    return JSONResponse(job_view(job), headers=headers)


@router.post(
    "/count/{job_id}/cancel",
    response_model=JobView,
    responses={
        200: {"description": "The job was done before"},
        202: {"model": JobView, "description": "The job is being cancelled"},
        **problems_for(401, 404),
    },
    summary="Stop a job",
)
def cancel_count(job: InJob, context: InContext) -> JSONResponse:
    """Stop counting. The job still gets a result: what was found, as lower bounds. Asking again changes nothing."""
    cancelled = _present(context.store.jobs.cancel(job.id), job.id)
    return JSONResponse(job_view(cancelled), status_code=200 if cancelled.state.done else 202)


@router.post(
    "/count/{job_id}/retry",
    status_code=202,
    response_model=JobView,
    responses=problems_for(401, 404, 409),
    summary="Go on with a job",
)
def retry_count(job: InJob, context: InContext, caller: Caller) -> JSONResponse:
    """Go on with a job that failed, was cancelled or reached a limit, from where it stopped; its limits count anew."""
    try:
        if caller is not None:
            context.store.keys.check_cpu(caller.id)
        queued = _present(context.store.jobs.retry(job.id), job.id)
    except NothingToRetry as error:
        raise Refusal(problem("nothing-to-retry", str(error))) from None
    except QuotaUsedUp as error:
        raise Refusal(problem("quota-used-up", str(error))) from None
    return JSONResponse(job_view(queued), status_code=202, headers={"Retry-After": _RETRY_AFTER})


@router.delete("/count/{job_id}", status_code=204, responses=problems_for(401, 404), summary="Forget a job")
def delete_count(job: InJob, context: InContext) -> Response:
    """Forget a job and its result; if it is running, it stops."""
    if not context.store.jobs.delete(job.id):
        _present(None, job.id)
    return Response(status_code=204)


def _count_request(form: Form) -> CountRequest:
    if form.request is None:
        raise Refusal(problem("invalid-request", "the form has no part 'request'; needed is JSON with a domain"))
    try:
        asked = CountRequest.model_validate(parsed(form.request))
    except ValidationError as error:
        raise Refusal(problem_of_validation(error)) from None
    if (form.model is None) == (asked.model is None):
        found = "neither" if form.model is None else "both"
        detail = f"the request has {found} of them; needed is the part 'model' (a file) or the field 'model' (a digest)"
        raise Refusal(problem("invalid-request", detail))
    if asked.model is not None:
        _check_only_named(form, asked)
    return asked


def _check_only_named(form: Form, asked: CountRequest) -> None:
    """What only says how a file is read is refused where no file is: it would change nothing."""
    if form.data:
        raise Refusal(problem("invalid-request", "the form has parts 'data' but no part 'model', which they belong to"))
    idle = [name for name in asked.choices() if name != "activation"]
    if idle:
        detail = (
            f"{idle[0]} says how a file is read, and the request names a network that was read before; send the file"
        )
        raise Refusal(problem("invalid-request", detail))


def _created(
    context: Context, caller: ApiKey | None, asked: CountRequest, model: StoredModel, idempotency_key: str | None
) -> Job:
    """The new job, the one that was created before with the same key, or one that is answered already."""
    document = {**asked.model_dump(mode="json"), "model": model.digest}
    domain = domain_from_json(document["domain"], model.summary["inputs"])
    owner = owner_of(caller)
    notes = tuple(model.summary.get("notes", ()))
    question = question_of(document, domain, notes)
    new = NewJob(
        _job_id(idempotency_key, owner),
        model.digest,
        document,
        root_of(model.summary),
        question=question,
        deadline=asked.limits.deadline.timestamp() if asked.limits.deadline is not None else None,
        owner=owner,
        notes=notes,
        answer=None if asked.fresh else context.store.jobs.known(question, owner=owner, engine=asked.engine),
    )
    job = _queued(context, caller, new)
    if job.request != document:
        detail = f"the Idempotency-Key {idempotency_key!r} was sent before with another request; take a new key"
        raise Refusal(problem("idempotency-key-reused", detail))
    return job


def _queued(context: Context, caller: ApiKey | None, new: NewJob) -> Job:
    limits = QueueLimits(context.settings.queue_limit, caller.quota.open_jobs if caller is not None else None)
    try:
        if caller is not None and new.answer is None and context.store.jobs.state(new.id) is None:
            context.store.keys.check_cpu(caller.id)
        return context.store.jobs.create(new, limits)
    except QueueFull as error:
        raise Refusal(problem("too-many-jobs", str(error))) from None
    except QuotaUsedUp as error:
        raise Refusal(problem("quota-used-up", str(error))) from None


def _job_id(idempotency_key: str | None, owner: str | None) -> str:
    """A new id; with a key, the id that every request of this owner with this key gets."""
    if idempotency_key is None:
        return uuid.uuid4().hex
    whose = "" if owner is None else f" of {owner}"
    return hashlib.sha256(f"Idempotency-Key{whose} {idempotency_key}".encode()).hexdigest()[:32]


def _present(job: Job | None, job_id: str) -> Job:
    if job is None:
        raise Refusal(problem("unknown-job", f"there is no job {job_id!r}; it may have been deleted"))
    return job


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(str(number).encode()).decode()


def _number(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        number = int(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, binascii.Error):
        number = 0
    if not 0 < number < _NUMBERS:
        raise Refusal(problem("invalid-request", f"cursor {shown(cursor)} is not the next_cursor of a page"))
    return number
