"""`relucensus verify`: what it accepts, what it refuses, and its exit status."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from certificates.networks import HERE
from relucensus_client.cli import app

CASES = Path(__file__).parent.parent / "cases"
MODEL = str(CASES / "planar_8x3.onnx")


@pytest.fixture(scope="module")
def certificate() -> Path:
    """A certificate of the model on [-1, 1]²."""
    return HERE / "planar_8x3.cert"


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["verify", *arguments])


def test_an_accepted_certificate_is_said_precisely(certificate: Path) -> None:
    answer = run(MODEL, str(certificate))
    assert (answer.exit_code, answer.stderr) == (0, "")
    header = json.loads(gzip.decompress(certificate.read_bytes()).partition(b"\n")[0])
    assert answer.stdout.splitlines() == [
        "activation regions  40  proven",
        "linear regions      40  proven",
        "affine pieces       40  proven",
        "",
        f"network  {header['network']}",
        "domain   box, lower -1.0 in all 2 coordinates, upper 1.0 in all 2 coordinates",
        "parts    1",
    ]


def test_json_is_what_was_accepted_alone_on_stdout(certificate: Path) -> None:
    answer = run(MODEL, str(certificate), "--json", "--lower", "-1", "--upper", "1")
    document = json.loads(answer.stdout)
    assert answer.exit_code == 0
    assert document["accepted"] is True
    assert document["counts"] == {"activation_regions": 40, "linear_regions": 40, "affine_pieces": 40}
    assert document["domain"] == {"kind": "box", "lower": [-1.0, -1.0], "upper": [1.0, 1.0]}


def test_a_refused_certificate_gives_status_1_and_the_place(certificate: Path, tmp_path: Path) -> None:
    stream = gzip.decompress(certificate.read_bytes())
    changed = tmp_path / "changed.cert"
    changed.write_bytes(gzip.compress(stream.replace(b'"activation_regions":40', b'"activation_regions":41')))
    answer = run(MODEL, str(changed))
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr.startswith("refused: part 1, after region 40: the header claims {'activation_regions': 41")
    answer = run(MODEL, str(changed), "--json")
    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["accepted"] is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("planar_16x3.onnx", "planar_8x3.cert"), "the certificate is of network sha256:"),
        (("planar_8x3.onnx", "networks.py"), "Unreadable certificate: header: the compressed data is damaged"),
        (("planar_8x3.onnx", "none.cert"), "none.cert cannot be read: No such file"),
        (("none.onnx", "planar_8x3.cert"), "none.onnx cannot be read"),
        (("planar_8x3.onnx", "planar_8x3.cert", "--lower", "0", "--upper", "1"), "another domain"),
        (("planar_8x3.onnx", "planar_8x3.cert", "--lower", "0"), "half a box"),
    ],
)
def test_bad_input_gives_status_2(arguments: tuple[str, ...], message: str) -> None:
    model, certificate, *options = arguments
    answer = run(str(CASES / model), str(HERE / certificate), *options)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert message in answer.stderr
