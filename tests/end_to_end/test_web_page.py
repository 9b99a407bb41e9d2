"""The web page in a real browser, on a real service."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest
import torch

from relucensus.theory import montufar_2017

sync_api = pytest.importorskip("playwright.sync_api", reason="the web page is tested with playwright")

CASES = Path(__file__).parents[1] / "cases"
MOONS = CASES / "moons_16x3.onnx"  # 174 regions on [-1, 1]^2
LARGE = CASES / "planar_64x3.onnx"
CHROMIUM = shutil.which("chromium")
PATIENCE = 60_000  # milliseconds
SANDBOX = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's own cannot be had by root
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}

# What `GET /count/{id}/picture?format=json` says of a plane that one neuron divides.
TWO_REGIONS = {
    "kind": "plane",
    "regions": 2,
    "coordinates": ["x[0]", "x[1]"],
    "lower": [-1, -1],
    "upper": [1, 1],
    "outputs": 1,
    "row_layers": [0],
    "row_neurons": [0],
    "vertices": [-1, -1, 0, -1, 1, -1, 1, 1, 0, 1, -1, 1],
    "rings": [0, 1, 4, 5, 1, 2, 3, 4],
    "offsets": [0, 4, 8],
    "rows": [-1, 0, -1, -1, -1, -1, -1, 0],
    "decision": [],
    "patterns": ["00", "80"],
    "map_of": [0, 1],
    "maps": [0, 0, 1, 2, 0, 1],
}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")


class Service(Protocol):
    """What the fixture gives; see conftest.py."""

    client: httpx.Client


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SANDBOX)
        yield browser
        browser.close()


NewPage = Callable[..., Any]


@pytest.fixture
def open_page(browser: Any, service: Service) -> Iterator[NewPage]:
    """Opens the page; at the end no error may have been logged, nothing forbidden, nothing asked for elsewhere."""
    complaints: list[str] = []
    contexts = []

    def open_page(address: str = "", *, refusals: int = 0, **options: Any) -> Any:
        context = browser.new_context(base_url=str(service.client.base_url), **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        left = [refusals]

        def logged(message: Any) -> None:
            if "Failed to load resource" in message.text and left[0] > 0:
                left[0] -= 1  # Chromium itself says so of every answer 4xx
            elif message.type in ("error", "warning"):
                complaints.append(message.text)

        page.on("console", logged)
        page.on("pageerror", lambda error: complaints.append(f"{error} {error.stack}"))
        page.on("request", lambda asked: _of_the_service(asked.url, service) or complaints.append(asked.url))
        page.goto(f"/{address}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def _of_the_service(url: str, service: Service) -> bool:
    return url.startswith((str(service.client.base_url), "blob:"))


def choose(page: Any, model: Path = MOONS) -> None:
    page.set_input_files("input[type=file]", model)
    page.wait_for_selector(".read")


def start(page: Any) -> None:
    page.get_by_role("button", name="Start counting").click()


def job_of(page: Any) -> str:
    return str(page.url.rpartition("/")[2])


def drawn(page: Any) -> Any:
    page.wait_for_selector("canvas.map[data-drawn]")
    return page.locator("canvas.map")


def settled(page: Any) -> None:
    """Wait until the map was drawn for what was asked last."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


def test_a_model_is_uploaded_counted_and_drawn(open_page: NewPage, service: Service) -> None:
    page = open_page()
    choose(page)
    assert page.locator(".facts dd").first.inner_text() == "48"
    assert "[\N{MINUS SIGN}1, 1]²" in page.locator(".summary").inner_text()
    page.get_by_text("Certificate, cross-check").click()
    page.get_by_label("Count again").check()
    start(page)
    page.wait_for_selector(".count")
    figures = page.locator(".count .value").all_inner_texts()
    assert figures == ["174", "174", "174"]
    assert page.locator(".count .status").all_inner_texts() == ["exact"] * 3
    job = service.client.get(f"/count/{job_of(page)}").json()
    assert job["result"]["counts"]["activation_regions"] == {"value": 174, "status": "exact"}
    assert page.locator(".bars b").all_inner_texts() == [str(n) for n in job["result"]["regions_after_layer"]]
    map_ = drawn(page)
    assert "174 regions" in map_.get_attribute("aria-label")
    map_.hover(position={"x": 300, "y": 300})
    page.wait_for_selector(".details .pattern")
    assert "of 174" in page.locator(".details h3").inner_text()
    assert page.locator(".map-rows li").count() == 2
    page.reload()
    page.wait_for_selector(".count")
    assert page.locator(".count .value").first.inner_text() == "174"
    assert downloaded(page, "Picture, PNG").startswith(b"\x89PNG")
    assert json.loads(downloaded(page, "The answer, JSON"))["state"] == "succeeded"


def downloaded(page: Any, name: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    return Path(download.value.path()).read_bytes()


def test_the_picture_is_moved_and_coloured_and_shows_each_region(open_page: NewPage, service: Service) -> None:
    job = counted(service)
    page = open_page(f"#/job/{job}")
    with page.expect_download() as download:
        page.get_by_role("button", name="Regions, NDJSON").click()
    listed = Path(download.value.path()).read_text().splitlines()
    map_ = drawn(page)
    seen = page.locator(".seen")
    map_.scroll_into_view_if_needed()
    whole = seen.inner_text()
    box = map_.bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 360, box["y"] + 340, steps=4)
    page.mouse.up()
    panned = seen.inner_text()
    assert panned != whole
    map_.focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    settled(page)
    assert "1.5\N{MULTIPLICATION SIGN}" in seen.inner_text()
    page.wait_for_selector(".details .pattern")
    page.mouse.wheel(0, -400)
    page.wait_for_function("() => !document.querySelector('.seen').textContent.includes('1.5')")
    page.keyboard.press("0")
    assert seen.inner_text() == whole
    shots = set()
    for colour in ("Region", "Output", "Class", "Layer"):
        page.locator(".map-tools .segments label", has_text=colour).click()
        settled(page)
        shots.add(page.evaluate("() => document.querySelector('canvas.map').toDataURL()"))
    page.get_by_label("Decision boundary").check()
    settled(page)
    shots.add(page.evaluate("() => document.querySelector('canvas.map').toDataURL()"))
    assert len(shots) == 5
    covered, patterns, undecided = page.evaluate(_PICTURE_IN_NUMBERS, job)
    assert covered
    assert sorted(patterns) == sorted("".join(map(str, json.loads(line)["pattern"])) for line in listed)
    assert 0 < undecided < 174


_PICTURE_IN_NUMBERS = """async (job) => {
    const { fillIds } = await import("/web/raster.js");
    const { planeOf } = await import("/web/picture-document.js");
    const { symbolsOf, classesOf } = await import("/web/picture-data.js");
    const picture = planeOf(await (await fetch(`/count/${job}/picture?format=json`)).json());
    const ids = new Int32Array(700 * 700);
    fillIds(picture, { x: -1, y: 1, scale: 350 }, 700, 700, ids);
    const patterns = Array.from({ length: picture.count }, (_, i) => symbolsOf(picture, i).flat().join(""));
    return [ids.every((id) => id > 0), patterns, [...classesOf(picture)].filter((known) => known < 0).length];
}"""


def counted(service: Service, model: Path = MOONS, **request: Any) -> str:
    """The id of a job that is done."""
    document = {"domain": {"lower": -1, "upper": 1}, **request}
    answer = service.client.post(
        "/count",
        files={"model": (model.name, model.read_bytes())},
        data={"request": json.dumps(document)},
        headers={"Prefer": "wait=60"},
    )
    return str(answer.json()["id"])


def test_a_line_is_drawn_as_a_function(open_page: NewPage) -> None:
    page = open_page()
    choose(page)
    page.get_by_text("Line", exact=True).click()
    page.get_by_label("Point A").fill("-1, -1")
    page.get_by_label("Point B").fill("[1 1]")
    start(page)
    page.wait_for_selector(".line-chart")
    regions = int(page.locator(".count .value").first.inner_text())
    assert page.locator(".line-chart .tick").count() == regions - 1
    assert page.locator(".line-chart .curve").count() == 2


def test_progress_is_followed_and_a_long_job_cancelled(open_page: NewPage, service: Service) -> None:
    page = open_page()
    choose(page, LARGE)
    page.get_by_label("Engine", exact=True).select_option("milp")
    page.get_by_label("Lower bound").fill("-1000")
    page.get_by_label("Upper bound").fill("1000")
    page.get_by_text("Certificate, cross-check").click()
    page.get_by_label("Count again").check()
    start(page)
    page.wait_for_selector(".badge.running")
    page.wait_for_function("() => Number(document.querySelector('#found')?.textContent.replaceAll(',', '')) > 1")
    assert page.locator(".figures dd").nth(1).inner_text() != "—"
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_selector(".badge.cancelled")
    assert page.locator(".count .status").first.inner_text() == "lower bound"
    assert page.locator(".count .most").first.inner_text().startswith("at most")
    assert page.get_by_role("button", name="Go on").is_visible()
    page.get_by_role("link", name="Jobs").click()
    page.wait_for_selector("table.jobs a")
    assert page.locator("table.jobs .badge").first.inner_text() == "cancelled"
    page.locator("table.jobs a").first.click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.wait_for_url(re.compile("#/jobs$"))


def test_a_failed_job_says_why_and_is_changed(open_page: NewPage) -> None:
    page = open_page()
    choose(page)
    page.get_by_label("Engine", exact=True).select_option("brute")
    start(page)
    page.wait_for_selector(".badge.failed")
    assert "up to 16 neurons; this has 48" in page.locator(".failure").inner_text()
    page.get_by_role("link", name="Count with changes").click()
    page.wait_for_selector(".read")
    page.wait_for_function("() => [...document.querySelectorAll('select')].some((field) => field.value === 'brute')")


def test_mistakes_are_told_in_words(open_page: NewPage, tmp_path: Path) -> None:
    page = open_page(refusals=2)
    start(page)
    assert "Choose a model file first" in page.locator(".start .problem").inner_text()
    wrong = tmp_path / "notes.onnx"
    wrong.write_bytes(b"these are no weights")
    page.set_input_files("input[type=file]", wrong)
    page.wait_for_selector(".model .problem")
    choose(page)
    page.get_by_label("Lower bound").fill("0,5x")
    start(page)
    assert "“5x”, is not a number" in page.locator(".start .problem").inner_text()
    assert page.get_by_label("Lower bound").get_attribute("aria-invalid") == "true"
    page.get_by_label("Lower bound").fill("2")
    start(page)
    page.get_by_text("The domain does not fit the network").wait_for()


def test_what_a_reader_assumed_stands_beside_the_network_and_the_result(open_page: NewPage) -> None:
    page = open_page()
    choose(page, MOONS.with_suffix(".pt"))  # the same network as the ONNX file: its answer may be known
    taken = "a bare state_dict does not name its activation; taken as relu"
    assert page.locator(".model .notes li").all_inner_texts() == [taken]
    start(page)
    page.wait_for_selector(".count")
    assert page.locator(".counts .notes li").all_inner_texts() == [taken]


@pytest.mark.parametrize("many", [False, True])
def test_a_file_that_may_be_read_in_several_ways_is_asked_about(open_page: NewPage, many: bool, tmp_path: Path) -> None:
    names = ["actor", "critic", *(f"expert_{letter}" for letter in "abcdefghijklmnopqrst"[: 20 if many else 0])]
    layers = {
        "0.weight": torch.ones(3, 2),
        "0.bias": torch.zeros(3),
        "2.weight": torch.ones(1, 3),
        "2.bias": torch.ones(1),
    }
    side_by_side = {f"{name}.{key}": tensor for name in names for key, tensor in layers.items()}
    torch.save(side_by_side, tmp_path / "agents.pt")
    page = open_page(refusals=1)
    asked: list[str] = []

    def watch(route: Any) -> None:
        asked.append(route.request.url.partition("/models")[2])
        route.continue_()

    page.route(re.compile("/models"), watch)
    page.set_input_files("input[type=file]", tmp_path / "agents.pt")
    page.get_by_text("are not those of the layers of one network").wait_for()
    if many:
        page.get_by_label("Which of the networks?").select_option("expert_h")
    else:
        page.get_by_role("group", name="Which of the networks?").get_by_role("button", name="critic").click()
    page.wait_for_selector(".read")
    page.get_by_label("Activation, which the file does not name").select_option("abs")
    page.wait_for_function("() => document.querySelector('.read')?.innerText.includes('taken as abs')")
    chosen = "expert_h" if many else "critic"
    assert asked == ["", f"?submodel={chosen}", f"?submodel={chosen}&activation=abs"]


def test_a_model_is_sent_together_with_the_files_beside_it(open_page: NewPage, tmp_path: Path) -> None:
    page = open_page(refusals=1)
    sent: list[bytes] = []

    def look(route: Any) -> None:
        sent.append(route.request.post_data_buffer)
        problem = {"title": "Seen", "status": 422, "detail": "and refused"}
        route.fulfill(status=422, content_type="application/problem+json", body=json.dumps(problem))

    page.route(re.compile("/models"), look)
    for name, content in (("m.onnx.data", b"the weights"), ("m.onnx", b"the model"), ("n.onnx", b"another")):
        (tmp_path / name).write_bytes(content)
    page.set_input_files("input[type=file]", [tmp_path / "m.onnx.data", tmp_path / "m.onnx"])
    page.get_by_text("and refused").wait_for()
    named = re.findall(rb'name="(\w+)"; filename="([^"]+)"', sent[0])  # Chromium keeps what is in them to itself
    assert named == [(b"model", b"m.onnx"), (b"data", b"m.onnx.data")]
    page.set_input_files("input[type=file]", [tmp_path / "n.onnx", tmp_path / "m.onnx"])
    page.get_by_text("2 of these 2 files are models").wait_for()
    assert page.get_by_role("button", name="Send it again").count() == 0
    assert len(sent) == 1


def test_on_a_slow_network_nothing_is_sent_twice(open_page: NewPage) -> None:
    page = open_page()
    slow = {"offline": False, "latency": 250, "downloadThroughput": 60_000, "uploadThroughput": 20_000}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    posted: list[str] = []
    page.on("request", lambda asked: posted.append(asked.url) if asked.method == "POST" else None)
    choose(page)
    button = page.get_by_role("button", name="Start counting")
    button.dblclick()
    assert page.locator(".start button").inner_text() == "Starting…"
    page.evaluate("() => document.querySelector('.start button')?.click()")
    page.wait_for_selector(".count")
    assert page.locator(".count .value").first.inner_text() == "174"
    assert [url.rpartition("/")[2] for url in posted] == ["models", "count"]


def test_a_request_that_got_lost_is_sent_again_under_the_same_key(open_page: NewPage) -> None:
    page = open_page(refusals=1)
    keys: list[str] = []

    def lose_the_first(route: Any) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        if len(keys) == 1:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(re.compile("/count$"), lose_the_first)
    choose(page)
    start(page)
    page.get_by_text("The service cannot be reached").wait_for()
    start(page)
    page.wait_for_selector(".count")
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_a_broken_stream_of_events_is_taken_up_again(open_page: NewPage) -> None:
    page = open_page(refusals=1)
    tries: list[str] = []

    def break_the_first(route: Any) -> None:
        tries.append(route.request.url)
        if len(tries) == 1:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(re.compile("/events$"), break_the_first)
    choose(page, CASES / "space_32x2.onnx")
    page.get_by_label("Engine", exact=True).select_option("milp")
    page.get_by_label("Seconds of counting").fill("2")
    page.get_by_text("Certificate, cross-check").click()
    page.get_by_label("Count again").check()
    start(page)
    page.get_by_text("The connection is interrupted").wait_for()
    page.wait_for_selector(".count")
    assert len(tries) >= 2


def test_a_service_with_keys_is_given_one(open_page: NewPage) -> None:
    page = open_page(refusals=1)
    sent: list[str | None] = []

    def guard(route: Any) -> None:
        sent.append(route.request.headers.get("authorization"))
        if sent[-1] is None:
            refusal = {"type": "urn:relucensus:problem:unauthorized", "title": "An API key is needed", "status": 401}
            route.fulfill(status=401, body=json.dumps(refusal), content_type="application/problem+json")
        else:
            route.fulfill(json={"jobs": [], "next_cursor": None})

    page.route(re.compile(r"/count\?"), guard)
    page.get_by_role("link", name="Jobs").click()
    page.get_by_label("Key of this service").fill("rlc_secret")
    page.get_by_role("button", name="Use this key").click()
    page.get_by_text("No job yet.").wait_for()
    assert sent == [None, "Bearer rlc_secret"]
    assert "rlc_secret" not in page.evaluate("() => JSON.stringify({ ...localStorage })")


def test_on_a_phone_nothing_is_wider_than_the_screen_and_all_fields_have_names(
    open_page: NewPage, service: Service
) -> None:
    job = counted(service)
    page = open_page(**PHONE)
    page.route(re.compile(r"/picture\?"), lambda route: route.fulfill(json=TWO_REGIONS))
    choose(page)
    for address, ready in (("#/", "form.new"), (f"#/job/{job}", "canvas.map[data-drawn]"), ("#/jobs", "table.jobs a")):
        page.goto(f"/{address}")
        page.wait_for_selector(ready)
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0, address
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("input, select, textarea, button, canvas[tabindex]")]
            .filter((one) => !(one.labels?.length || one.ariaLabel || one.textContent.trim()))
            .map((one) => one.outerHTML)"""
        )
        assert nameless == [], address


def test_colours_are_chosen_and_kept(open_page: NewPage) -> None:
    page = open_page(color_scheme="light")
    ground = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    for _ in range(2):
        page.locator("#theme-button").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark


def test_large_integers_are_kept_whole_and_the_bound_is_the_literatures(open_page: NewPage) -> None:
    page = open_page()
    shown = page.evaluate(
        """async () => {
        const { parsed } = await import("/web/api.js");
        const { integer } = await import("/web/format.js");
        return ["9007199254740993", "340282366920938463463374607431768211456"].map((text) => integer(parsed(text)));
        }"""
    )
    assert shown == [f"{size} \N{MULTIPLICATION SIGN} 10{power}" for size, power in (("9.00", "¹⁵"), ("3.40", "³⁸"))]
    for inputs, hidden in ((2, [16, 16, 16]), (64, [40, 3, 50]), (7, [3, 3, 2, 2])):
        job = {"network": {"inputs": inputs, "hidden": hidden, "activation": "relu"}}
        job["request"] = {"domain": {"kind": "box", "lower": -1, "upper": 1}}
        most = page.evaluate("async (job) => String((await import('/web/progress.js')).mostRegions(job))", job)
        assert int(most) == montufar_2017(hidden, inputs)
