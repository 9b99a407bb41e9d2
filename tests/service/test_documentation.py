"""docs/http-api.md names every route, setting, problem and state."""

import re
from dataclasses import fields
from pathlib import Path

import httpx

from relucensus_service.jobs import JobState
from relucensus_service.problems import TABLE
from relucensus_service.request_schemas import CountRequest, Limits
from relucensus_service.settings import Settings
from relucensus_service.store import Store
from relucensus_service.store.tables import metadata

PAGE = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text()


OPERATIONS = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()


def test_every_metric_and_table_is_described(client: httpx.Client, api_store: Store) -> None:
    api_store.leases.announce("any", 1)
    names = {re.split(r"[{ ]", line)[0] for line in client.get("/metrics").text.splitlines() if line[0] != "#"}
    api_store.leases.withdraw("any")
    shown = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in names}
    assert [name for name in sorted(shown) if f"`{name}" not in OPERATIONS] == []
    assert [name for name in metadata.tables if f"`{name}`" not in OPERATIONS] == []


def test_every_route_is_described(client: httpx.Client) -> None:
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method in methods:
            assert f"`{method.upper()} {path.replace('job_id', 'id')}`" in PAGE


def test_every_field_of_a_request_is_described() -> None:
    for name in [name for name in CountRequest.model_fields if name != "limits"]:
        assert f"`{name}`" in PAGE
    for name in Limits.model_fields:
        assert f"`limits.{name}`" in PAGE


def test_every_problem_state_and_setting_is_described() -> None:
    names = [*TABLE, *JobState, *(f"RELUCENSUS_{field.name.upper()}" for field in fields(Settings))]
    assert [name for name in names if f"`{name}`" not in PAGE] == []
