"""Pictures, measures and distances over HTTP, each computed by a child process."""

import json
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest

from relucensus import Network
from relucensus_service import geometry_child
from relucensus_service.routes.geometry import _accepted
from relucensus_service.settings import Settings
from relucensus_service.store import Store

CASES = Path(__file__).parents[1] / "cases"

Expect = Callable[..., dict[str, Any]]
Finish = Callable[..., None]
Submit = Callable[..., str]


@pytest.fixture(scope="module")
def submit(client: httpx.Client, api_store: Store, finish: Finish) -> Submit:
    """A job that found so many regions."""

    def submit(name: str, regions: int, *, exact: bool = True, **domain: Any) -> str:
        document = {"domain": domain or {"lower": -1, "upper": 1}, "fresh": True}
        model = (CASES / f"{name}.onnx").read_bytes()
        job: str = client.post("/count", files={"model": ("m", model)}, data={"request": json.dumps(document)}).json()[
            "id"
        ]
        finish(api_store, job, regions, exact=exact)
        return job

    return submit


@pytest.fixture(scope="module")
def plane(submit: Submit) -> str:
    return submit("planar_8x3", 40)


def test_browsers_keep_pictures_for_one_key_only(client: httpx.Client, plane: str) -> None:
    for path in ("picture?format=json", "geometry"):
        answer = client.get(f"/count/{plane}/{path}", timeout=120)
        assert "Authorization" in answer.headers["vary"]


def test_a_picture_as_numbers_has_every_region(client: httpx.Client, plane: str) -> None:
    answer = client.get(f"/count/{plane}/picture?format=json", timeout=120)
    assert answer.headers["content-type"] == "application/json"
    picture = answer.json()
    assert (picture["kind"], picture["regions"], len(picture["patterns"])) == ("plane", 40, 40)
    vertices, offsets = np.array(picture["vertices"]).reshape(-1, 2), picture["offsets"]
    corners = vertices[picture["rings"]]
    area = 0.0
    for start, end in pairwise(offsets):
        x, y = corners[start:end].T
        area += float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    assert area == pytest.approx(4, abs=1e-9)
    assert set(picture["rows"]) <= set(range(-1, 24))
    assert len(picture["maps"]) == 3 * picture["outputs"] * (1 + max(picture["map_of"]))


def test_a_picture_is_drawn_as_png_and_svg(client: httpx.Client, plane: str) -> None:
    png = client.get(f"/count/{plane}/picture", timeout=120)
    assert png.headers["content-type"] == "image/png"
    assert png.content.startswith(b"\x89PNG\r\n\x1a\n")
    size = {"width": 320, "height": 300, "colour": "map", "theme": "dark", "decision": True}
    svg = client.get(f"/count/{plane}/picture", params=size, headers={"Accept": "image/svg+xml"}, timeout=120)
    assert svg.headers["content-type"] == "image/svg+xml"
    assert svg.headers["vary"] == "Accept, Authorization"
    root = ElementTree.fromstring(svg.text)
    assert (root.tag, root.get("viewBox")) == ("{http://www.w3.org/2000/svg}svg", "0 0 230.4 216")


def test_a_line_is_drawn_and_measured(client: httpx.Client, submit: Submit) -> None:
    job = submit("line_32x3", 42)
    picture = client.get(f"/count/{job}/picture?format=json", timeout=120).json()
    assert (picture["kind"], len(picture["positions"]), len(picture["rows"])) == ("line", 43, 41)
    assert client.get(f"/count/{job}/picture", timeout=120).content.startswith(b"\x89PNG")
    measured = client.get(f"/count/{job}/geometry?volumes=exact", timeout=120).json()
    assert (measured["dimension"], measured["regions"], measured["boundary"]) == (1, 42, 41.0)
    assert len(measured["volumes"]) == len(measured["patterns"]) == 42
    assert np.allclose(measured["breakpoints"], picture["positions"][1:-1])


def test_a_plane_is_measured(client: httpx.Client, plane: str) -> None:
    measured = client.get(f"/count/{plane}/geometry", timeout=120).json()
    assert (measured["dimension"], measured["regions"], measured["volume"]) == (2, 40, 4.0)
    assert len(measured["boundary_of_layer"]) == 3
    assert "volumes" not in measured


def test_what_has_no_picture_is_refused(
    client: httpx.Client, submit: Submit, plane: str, expect_problem: Expect
) -> None:
    expect_problem(client.get("/count/none/picture"), 404, "unknown-job")
    expect_problem(client.get("/count/none/geometry"), 404, "unknown-job")
    stopped = submit("planar_8x3", 3, exact=False, lower=-2, upper=2)
    expect_problem(client.get(f"/count/{stopped}/picture"), 409, "not-finished", "no exact count")
    many = submit("seven_7_3", 706)
    expect_problem(client.get(f"/count/{many}/picture"), 409, "no-geometry", "7 do")
    expect_problem(client.get(f"/count/{many}/geometry"), 409, "no-geometry", "7 do")
    expect_problem(client.get(f"/count/{plane}/picture?colour=gold"), 422, "invalid-request", "colour")
    expect_problem(client.get(f"/count/{plane}/picture?width=100000"), 422, "invalid-request", "width")
    answer = client.get(f"/count/{plane}/picture?colour=output&output=9", timeout=120)
    expect_problem(answer, 422, "invalid-request", "output is 9")


def test_a_picture_that_does_not_confirm_the_count_is_no_answer(
    client: httpx.Client, submit: Submit, expect_problem: Expect
) -> None:
    wrong = submit("planar_8x3", 41, lower=-1, upper=[1, 1])
    answer = client.get(f"/count/{wrong}/picture", timeout=120)
    expect_problem(answer, 500, "disagreement", "40 regions, 41 were counted")
    answer = client.get(f"/count/{wrong}/geometry", timeout=120)
    expect_problem(answer, 500, "disagreement", "41 were counted")


def test_distances_of_points(client: httpx.Client, expect_problem: Expect) -> None:
    model = (CASES / "planar_8x3.onnx").read_bytes()
    digest = client.post("/models", files={"model": ("m", model)}).json()["digest"]
    address = f"/models/{digest}/distances"
    asked = {"points": [[0.1, 0.2], [0.5, -0.5]], "exact": True}
    found = client.post(address, json=asked, timeout=120).json()
    assert found["mean"] == pytest.approx(np.mean(found["distances"]))
    assert [one["distance"] for one in found["exact"]] == pytest.approx(found["distances"])
    foot = np.array(found["exact"][0]["foot"])
    assert float(np.linalg.norm(foot - [0.1, 0.2])) == pytest.approx(found["distances"][0])
    assert "exact" not in client.post(address, json={"points": [[0.0, 0.0]]}, timeout=120).json()
    for wrong, words in (
        ({"points": [[0.1]]}, "2 numbers"),
        ({"points": []}, "points"),
        ({"points": [["a", 0]]}, "not a number"),
        ({"points": [[0.0, 0.0]] * 10_001}, "at most 10000"),
        ({"points": [[0.0, 0.0]], "norm": 1}, "norm"),
        ({"points": [[0.0, 0.0]] * 17, "exact": True}, "16"),
    ):
        expect_problem(client.post(address, json=wrong, timeout=120), 422, "invalid-request", words)
    expect_problem(client.post(address, content=b"{"), 422, "invalid-request", "JSON")
    expect_problem(client.post(f"/models/sha256:{'0' * 64}/distances", json=asked), 404, "unknown-model")


def test_limits_are_kept(listening: Any, api_store: Store, submit: Submit, plane: str, expect_problem: Expect) -> None:
    with listening(Settings(geometry_regions=39), api_store) as strict:
        answer = strict.get(f"/count/{plane}/picture", timeout=120)
        expect_problem(answer, 422, "unsupported-problem", "limits of the picture")
    with listening(Settings(geometry_memory=2**20), api_store) as poor:
        expect_problem(poor.get(f"/count/{plane}/picture", timeout=120), 422, "too-costly")


@pytest.mark.parametrize(
    ("accept", "format_"),
    [
        ("", "png"),
        ("*/*", "png"),
        ("application/json", "json"),
        ("image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5", "png"),
        ("text/html,image/svg+xml;q=0.9,application/json;q=0.8", "svg"),
        ("image/svg+xml;q=high", "svg"),
        ("image/svg+xml;q=\xb2", "svg"),
    ],
)
def test_the_format_is_that_which_is_preferred(accept: str, format_: str) -> None:
    assert _accepted(accept) == format_


def test_a_mistake_of_the_child_is_ours_and_logged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(network: Network, asked: dict[str, Any]) -> bytes:
        raise OverflowError("a secret")

    monkeypatch.setitem(geometry_child._TASKS, "picture", broken)
    monkeypatch.setattr(geometry_child, "_load_until_asked", lambda stdin: None)
    monkeypatch.setattr(geometry_child, "_limit", lambda asked: None)
    monkeypatch.setattr(geometry_child, "watch_parent", lambda ended: None)
    network = Network.from_arrays([([[1.0]], [0.0])]).to_bytes()
    answer = BytesIO()
    question = json.dumps({"task": "picture", "size": len(network)}).encode() + b"\n" + network
    assert geometry_child.main(BytesIO(question), answer) == 1
    assert json.loads(answer.getvalue())["error"]["kind"] == "Failed"
    assert b"secret" not in answer.getvalue()
    assert "a secret" in capsys.readouterr().err
