"""Pictures, measures and distances: asked of a service, computed in this process, drawn with matplotlib."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from relucensus_client import InvalidArgument, Job, MissingPart, Picture, UnexpectedAnswer
from relucensus_client import drawing as drawings
from relucensus_client.cli import app

CASES = Path(__file__).parent.parent / "cases"
BOX = ("--lower", "-1", "--upper", "1")

# Two neurons: x[0] in layer 1, and x[1] - |x[0]| / 2 in layer 2, which bends; four regions, two affine maps.
PLANE: dict[str, Any] = {
    "kind": "plane",
    "regions": 4,
    "coordinates": ["x[0]", "x[1]"],
    "lower": [-1.0, -1.0],
    "upper": [1.0, 1.0],
    "outputs": 1,
    "row_layers": [0, 1],
    "row_neurons": [0, 0],
    "vertices": [-1, -1, 0, -1, 1, -1, 1, 0.5, 0, 0, -1, 0.5, -1, 1, 0, 1, 1, 1],
    "rings": [0, 1, 4, 5, 5, 4, 7, 6, 1, 2, 3, 4, 4, 3, 8, 7],
    "offsets": [0, 4, 8, 12, 16],
    "rows": [-1, 0, 1, -1, 1, 0, -1, -1, -1, -1, 1, 0, 1, -1, -1, 0],
    "patterns": ["00", "40", "80", "c0"],
    "centres": [-0.5, -0.4, -0.5, 0.6, 0.5, -0.4, 0.5, 0.6],
    "values": [-0.65, 0.35, -0.65, 0.35],
    "map_of": [0, 0, 1, 1],
    "maps": [0.5, 1, 0, -0.5, 1, 0],
    "decision": [-1, 0.5, 0, 0, 0, 0, 1, 0.5],
}
LINE: dict[str, Any] = {
    "kind": "line",
    "regions": 2,
    "coordinates": ["u[0]"],
    "lower": [0.0],
    "upper": [2.0],
    "outputs": 2,
    "row_layers": [0],
    "row_neurons": [0],
    "positions": [0.0, 0.5, 2.0],
    "rows": [0],
    "values": [0, 1, 0, 0.5, 3, -1],
    "patterns": ["00", "80"],
    "map_of": [0, 1],
    "maps": [0, 0, -1, 1, 2, -1, -1, 1],
}


@pytest.fixture
def job(service: Any, documents: Any) -> Any:
    service.answers = [documents.finished()]
    with service.client() as client:
        job = client.job("job-1")
        service.requests.clear()
        yield job


def test_a_picture_is_arrays(job: Job, service: Any) -> None:
    service.answers = [httpx.Response(200, json=PLANE)]
    picture = job.picture()
    assert dict(service.requests[0].url.params) == {"format": "json"}
    assert (repr(picture), len(picture), picture.layers) == ("<Picture of a plane: 4 regions>", 4, 2)
    assert picture.polygon(1).tolist() == [[-1, 0.5], [0, 0], [0, 1], [-1, 1]]
    assert picture.symbols.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert picture.side_layers.tolist()[:4] == [-1, 0, 1, -1]
    assert picture.maps.shape == (2, 1, 3)
    assert picture.decision.shape == (2, 2, 2)


def test_what_is_no_picture_is_not_taken_for_one(job: Job, service: Any) -> None:
    with pytest.raises(UnexpectedAnswer, match="lacks 'rings'"):
        Picture({name: value for name, value in PLANE.items() if name != "rings"})
    service.answers = [httpx.Response(200, json=[1])]
    with pytest.raises(UnexpectedAnswer, match="not a JSON object"):
        job.picture()


@pytest.mark.parametrize("colour", ["region", "output", "layer", "map", "none"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_plane_is_drawn_in_every_way(colour: Any, theme: Any) -> None:
    points, labels = [[0.0, 0.0], [0.5, 0.5]], ["a", "b"]
    options = {"colour": colour, "theme": theme, "decision": True, "points": points, "labels": labels}
    assert drawings.rendered(Picture(PLANE), "png", width=200, height=180, **options).startswith(b"\x89PNG")


def test_an_svg_has_a_path_for_each_colour_and_layer_and_is_the_same_again() -> None:
    picture = Picture(PLANE)
    first = drawings.rendered(picture, "svg", width=300, height=300, colour="map")
    assert first == drawings.rendered(picture, "svg", width=300, height=300, colour="map")
    text = first.decode()
    ElementTree.fromstring(text)
    assert text.count("#0072b2") == 2  # the edges of layer 1, and its line in the legend
    assert "4 activation regions" in text


def test_many_polygons_are_few_paths() -> None:
    side = 60
    corner = np.arange((side + 1) ** 2).reshape(side + 1, side + 1)
    rings = np.stack([corner[:-1, :-1], corner[1:, :-1], corner[1:, 1:], corner[:-1, 1:]], axis=2).reshape(-1)
    x, y = np.meshgrid(np.linspace(-1, 1, side + 1), np.linspace(-1, 1, side + 1), indexing="ij")
    document = PLANE | {
        "regions": side**2,
        "vertices": np.stack([x, y], axis=2).ravel().tolist(),
        "rings": rings.tolist(),
        "offsets": list(range(0, 4 * side**2 + 1, 4)),
        "rows": [0] * (4 * side**2),
        "patterns": ["80"] * side**2,
        "values": [0.0] * side**2,
    }
    svg = drawings.rendered(Picture(document), "svg")
    assert svg.count(b"<path") < 200
    assert len(svg) < 250 * side**2


def test_a_line_is_drawn_with_its_breakpoints() -> None:
    axes = Picture(LINE).plot(title="outputs along the line")
    assert axes.get_title() == "outputs along the line"
    drawn = [line.get_xydata().tolist() for line in axes.lines]
    assert [[0.0, 0.0], [0.5, 0.0], [2.0, 3.0]] in drawn
    assert [[0.5, 0.5]] in drawn
    assert drawings.rendered(Picture(LINE), "svg").startswith(b"<?xml")


def test_what_cannot_be_drawn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = Picture(PLANE)
    for options, words in (
        ({"colour": "gold"}, "colour is 'gold'"),
        ({"output": 1}, "outputs 0 to 0"),
        ({"theme": "sepia"}, "theme is 'sepia'"),
        ({"points": [1.0]}, "pairs"),
        ({"points": [[0, 0]], "labels": [1, 2]}, "a label a point"),
        ({"width": 1}, "64 to 4096"),
    ):
        with pytest.raises(InvalidArgument, match=words):
            drawings.rendered(picture, "png", **options)
    with pytest.raises(InvalidArgument, match="format is 'pdf'"):
        drawings.rendered(picture, "pdf")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingPart, match=r"relucensus\[plot\]"):
        picture.plot()


def test_a_result_draws_itself(service: Any, documents: Any) -> None:
    service.answers = [documents.finished(), httpx.Response(200, json=PLANE)]
    with service.client() as client:
        result = client.submit(b"model", lower=-1, upper=1).wait()
        axes = result.plot(colour="none", decision=True)
    assert axes.get_title() == "4 activation regions"
    assert service.requests[-1].url.path == "/count/job-1/picture"
    with pytest.raises(TypeError, match="draw a Picture"):
        type(result).model_validate(result.to_json()).plot()


def test_pictures_are_saved_as_the_service_draws_them(job: Job, service: Any, tmp_path: Path) -> None:
    service.answers = [httpx.Response(200, content=b"<svg/>")]
    job.save_picture(tmp_path / "regions.svg", colour="map", edges=False)
    assert (tmp_path / "regions.svg").read_bytes() == b"<svg/>"
    assert dict(service.requests[0].url.params) == {"format": "svg", "colour": "map", "edges": "false"}
    with pytest.raises(InvalidArgument, match="format is 'pdf'"):
        job.save_picture(tmp_path / "regions.pdf")


def test_measures_and_distances_of_a_service(service: Any, documents: Any) -> None:
    measured = {"dimension": 2, "regions": 4, "volume": 4.0, "volume_factor": 1.0, "boundary": 4.2}
    measured["boundary_of_layer"] = [2.0, 2.2]
    uploaded = httpx.Response(201, json={"digest": "sha256:ab"})
    distances = {"distances": [0.5, None], "mean": 0.5}
    service.answers = [
        documents.finished(),
        httpx.Response(200, json=measured),
        uploaded,
        httpx.Response(200, json=distances),
    ]
    with service.client() as client:
        found = client.job("job-1").geometry(volumes="float")
        assert found.boundary_of_layer == (2.0, 2.2)
        assert dict(service.requests[-1].url.params) == {"volumes": "float"}
        near = client.distances(b"model", np.array([[0.0, 1.0], [2.0, 3.0]]), exact=False)
    assert near.distances == (0.5, None)
    assert service.requests[-1].url.path == "/models/sha256:ab/distances"
    assert json.loads(service.requests[-1].content) == {"points": [[0.0, 1.0], [2.0, 3.0]], "exact": False}


def test_the_verbs_of_asyncio(service: Any, documents: Any) -> None:
    service.answers = [documents.finished(), httpx.Response(200, json=LINE)]

    async def asked() -> Picture:
        async with service.async_client() as client:
            return await (await client.job("job-1")).picture()

    assert asyncio.run(asked()).kind == "line"


HISTORY = [
    {"step": 0, "definition": "linear_regions", "count": 5, "status": "exact"},
    {"step": 10, "definition": "linear_regions", "count": 9, "status": "lower_bound"},
    {"step": 0, "definition": "activation_regions", "count": 6, "status": "exact"},
    {"step": 10, "definition": "activation_regions", "count": None, "status": "failed"},
]


def test_a_history_is_drawn_from_any_table() -> None:
    pandas = pytest.importorskip("pandas")
    columns = {name: [row[name] for row in HISTORY[:3]] for name in HISTORY[0]}
    for table in (HISTORY[:3], columns, pandas.DataFrame(HISTORY[:3])):
        axes = drawings.draw_history(table)
        assert [line.get_xydata().tolist() for line in axes.lines[:1]] == [[[0.0, 5.0], [10.0, 9.0]]]
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == ["linear regions", "linear regions, lower bound", "activation regions"]


def test_a_history_leaves_out_what_was_not_counted_and_needs_its_columns() -> None:
    axes = drawings.draw_history(HISTORY, theme="dark")
    assert sum(len(line.get_xydata()) for line in axes.lines) == 6
    drawings.draw_history([])
    with pytest.raises(InvalidArgument, match="no column 'count'"):
        drawings.draw_history([{"step": 1}])


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))


def test_a_picture_of_a_file_is_drawn_in_this_process(tmp_path: Path) -> None:
    path = tmp_path / "regions.json"
    answer = run("picture", str(CASES / "planar_8x3.onnx"), *BOX, "--output", str(path))
    assert (answer.exit_code, answer.stderr) == (0, f"the picture is written to {path}\n")
    assert len(Picture(json.loads(path.read_text()))) == 40
    png = tmp_path / "regions.png"
    drawn = ("--colour", "output", "--of-output", "0", "--decision", "--theme", "dark", "--width", "300")
    assert run("picture", str(CASES / "planar_8x3.onnx"), *BOX, "--output", str(png), *drawn).exit_code == 0
    assert png.read_bytes().startswith(b"\x89PNG")


def test_measures_of_a_file_are_printed(tmp_path: Path) -> None:
    answer = run("geometry", str(CASES / "line_32x3.onnx"), *BOX)
    assert answer.exit_code == 0
    assert answer.stdout.count("breakpoint") == 41
    answer = run("geometry", str(CASES / "planar_8x3.onnx"), *BOX, "--volumes", "exact", "--json")
    assert len(json.loads(answer.stdout)["volumes"]) == 40
    points = tmp_path / "points.json"
    points.write_text("[[0.1, 0.2], [0.3, 0.4]]")
    answer = run("distance", str(CASES / "planar_8x3.onnx"), "--points", str(points), "--exact")
    assert answer.exit_code == 0
    assert answer.stdout.count("exact square") == 2
    assert "mean" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("picture", "--output", "x.png"), "needed is MODEL"),
        (("picture", "--output", "x.png", "--job", "1", *BOX), "--job has its model"),
        (("picture", str(CASES / "seven_7_3.onnx"), *BOX, "--output", "x.png"), "7 vary"),
        (("picture", str(CASES / "planar_8x3.onnx"), *BOX, "--output", "x.pdf"), "format is 'pdf'"),
        (("geometry", str(CASES / "planar_8x3.onnx"), *BOX, "--volumes", "all"), "volumes is 'all'"),
        (("distance", str(CASES / "planar_8x3.onnx"), "--points", "nowhere.json"), "cannot be read"),
    ],
)
def test_bad_input_gives_status_2(arguments: tuple[str, ...], message: str) -> None:
    answer = run(*arguments)
    assert answer.exit_code == 2
    assert message in answer.stderr
