"""The web page's files, as the API serves them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

import relucensus_service

WEB = Path(relucensus_service.__file__).parent / "web"
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def test_a_browser_gets_the_page_and_a_program_json(client: httpx.Client) -> None:
    page = client.get("/", headers=BROWSER)
    assert page.headers["content-type"].startswith("text/html")
    assert page.text == (WEB / "index.html").read_text()
    told = client.get("/")
    assert told.json()["name"] == "relucensus"
    assert page.headers["vary"] == told.headers["vary"] == "Accept"


def test_the_page_may_load_its_own_files_and_nothing_else(client: httpx.Client) -> None:
    for answer in (client.get("/", headers=BROWSER), client.get("/web/app.js")):
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert {policy[f"{kind}-src"] for kind in ("script", "style", "img", "connect")} == {"'self'"}
        assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "script-src" not in client.get("/count/none").headers["content-security-policy"]
    assert "'unsafe-inline'" in client.get("/docs").headers["content-security-policy"]


def test_every_file_is_served_with_its_type_and_once_only(client: httpx.Client) -> None:
    types = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
    for path in WEB.iterdir():
        answer = client.get(f"/web/{path.name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].partition(";")[0] == types[path.suffix]
        assert answer.headers["cache-control"] == "no-cache"
        known = client.get(f"/web/{path.name}", headers={"If-None-Match": answer.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")


def test_other_files_are_not_served(client: httpx.Client, expect_problem: Callable[..., dict[str, Any]]) -> None:
    for name in ("nothing.js", "..%2Fapp.py", "%2e%2e/app.py", "%2e%2e%2fapp.py", "", "%00", "a" * 5000):
        assert client.get(f"/web/{name}").status_code == 404
    expect_problem(client.get("/web/nothing.js"), 404, "not-found")
    refused = client.post("/web/app.js")
    expect_problem(refused, 405, "method-not-allowed")
    assert "GET" in refused.headers["allow"]


def test_all_scripts_are_asked_for_at_once() -> None:
    page = (WEB / "index.html").read_text()
    named = set(re.findall(r'(?:src|href)="web/([\w.-]+)"', page))
    assert named == {path.name for path in WEB.iterdir()} - {"index.html"}


def test_nothing_in_the_files_needs_what_the_policy_forbids() -> None:
    for path in WEB.iterdir():
        text = path.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            path
        )
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), path
        assert not re.search(r"<style|style=|\son\w+=", (WEB / "index.html").read_text())
