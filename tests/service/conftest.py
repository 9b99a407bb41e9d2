"""Databases to test on, a network to count, a fake cluster."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from relucensus.engines.protocol import Settlement
from relucensus.values.network import Network
from relucensus_service.app import create_app
from relucensus_service.jobs import COUNTING
from relucensus_service.server import configured
from relucensus_service.settings import Settings
from relucensus_service.store import Database, NewModel, Store
from relucensus_service.store.schema import upgrade


@pytest.fixture
def network() -> Network:
    return Network.from_arrays([([[1.0], [-1.0]], [0.0, 0.5]), ([[1.0, 1.0]], [0.0])])


@pytest.fixture
def request_document() -> Callable[..., dict[str, Any]]:
    """A request as the store keeps it, with changes."""

    def document(**changes: Any) -> dict[str, Any]:
        return {
            "domain": {"kind": "box", "lower": -1, "upper": 1},
            "definitions": ["activation_regions"],
            "engine": "auto",
            "strategy": "cubes",
            "limits": {"seconds": None, "regions": None},
            "certificate": False,
            "cross_check": None,
            "activation": "relu",
            "model": "sha256:00",
            **changes,
        }

    return document


@pytest.fixture
def model(store: Store, network: Network) -> str:
    return save(store, network)


def save(store: Store, network: Network) -> str:
    summary = {
        "digest": network.digest,
        "inputs": network.inputs,
        "hidden": list(network.widths),
        "outputs": network.outputs,
        "neurons": network.neurons,
        "activation": "relu",
        "format": "onnx",
        "input_shape": [network.inputs],
        "notes": [],
    }
    file = b"a file"
    return store.models.save(NewModel(network.digest, "sha256:00", "relu", file, network.to_bytes(), summary)).digest


@pytest.fixture(scope="session")
def finish() -> Callable[..., None]:
    """End a queued job as a runner would: with this many regions, or with some found and the root cube still open."""

    def finish(store: Store, job_id: str, regions: int, *, exact: bool = True, engine: str = "tree") -> None:
        held: list[str] = []
        while True:
            claimed = store.leases.claim("finisher", held)
            assert claimed is not None
            job, lease = claimed
            held.append(job.id)
            if job.id == job_id:
                break
            store.leases.hand_back(lease)
        (cube,) = store.frontier.load(job_id, COUNTING)
        settlement = Settlement(regions=regions, open=() if exact else (cube.cube,))
        store.frontier.commit(lease, COUNTING, cube, settlement, engine=engine)
        count = {"value": regions, "status": "exact" if exact else "lower_bound"}
        counts = dict.fromkeys(job.request["definitions"], count)
        store.frontier.finish(lease, {"counts": counts, "engine": engine, "cross_checked_by": None})

    return finish


UPLOAD_LIMIT = 200_000


@pytest.fixture(scope="session")
def listening() -> Callable[[Settings, Store], AbstractContextManager[httpx.Client]]:
    """A client of the application, listening on a free port."""

    @contextmanager
    def listening(settings: Settings, store: Store) -> Iterator[httpx.Client]:
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(configured(create_app(settings, store)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30) as client:
            yield client
        server.should_exit = True
        thread.join()
        listener.close()

    return listening


@pytest.fixture(scope="module")
def api_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The store behind `client`."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('api')}/test.db")
    upgrade(database)
    yield Store.on(database)
    database.close()


@pytest.fixture(scope="module")
def client(
    api_store: Store, listening: Callable[[Settings, Store], AbstractContextManager[httpx.Client]]
) -> Iterator[httpx.Client]:
    """A client of an API without a runner, with a small limit on uploads."""
    with listening(Settings(upload_limit=UPLOAD_LIMIT), api_store) as client:
        yield client


@pytest.fixture(scope="session")
def expect_problem() -> Callable[..., dict[str, Any]]:
    """Check that an answer is this problem, and says these words; returns the document."""

    def expect_problem(response: httpx.Response, status: int, name: str, *words: str) -> dict[str, Any]:
        assert response.status_code == status, response.text
        assert response.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = response.json()
        assert problem["type"] == f"urn:relucensus:problem:{name}"
        assert problem["status"] == status
        assert problem["title"]
        for word in words:
            assert word in problem["detail"]
        assert "Traceback" not in response.text
        return problem

    return expect_problem
