"""Connections on real sockets that are slow, or dropped in the middle."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from relucensus_client import Client, ConnectionFailed, Retries

Answers = list[list[bytes | float]]
QUICK = Retries(attempts=3, first_pause=0.0)


@pytest.fixture
def socketed() -> Iterator[Callable[[Answers], str]]:
    """Give one answer to each connection, a number being seconds of silence, and drop it; returns the address."""
    threads: list[threading.Thread] = []

    def serve(answers: Answers) -> str:
        listener = socket.create_server(("127.0.0.1", 0))

        def work() -> None:
            with listener:
                for pieces in answers:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65536)
                        for piece in pieces:
                            time.sleep(piece) if isinstance(piece, float) else connection.sendall(piece)

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def whole(document: Any) -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def head(kind: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def test_a_dropped_stream_of_events_is_taken_up_again(socketed: Any, documents: Any) -> None:
    kind = "text/event-stream"
    first, last = documents.event("progress", 1, documents.job()), documents.event("done", 2, documents.finished())
    url = socketed(
        [
            [whole(documents.job())],
            [head(kind), chunk(first), b"ff\r\nevent: do"],
            [],
            [whole(documents.job())],
            [head(kind), 0.3, chunk(last[:30]), 0.3, chunk(last[30:])],
        ]
    )
    with Client(url, retries=QUICK, timeout=0.2) as client:
        assert [status.done for status in client.job("job-1").events()] == [False, True]


def test_a_slow_listing_is_waited_for_and_a_dropped_one_is_not_all(
    socketed: Any, documents: Any, tmp_path: Path
) -> None:
    kind, row = "application/x-ndjson", b'{"digest": "aa"}\n'
    url = socketed(
        [
            [whole(documents.job())],
            [head(kind), 0.3, chunk(row[:5]), 0.3, chunk(row[5:] + row), b"0\r\n\r\n"],
            [head(kind), chunk(row)],
            [head(kind), chunk(row), b"ff\r\n{"],
        ]
    )
    with Client(url, retries=QUICK, timeout=0.2) as client:
        job = client.job("job-1")
        assert len(job.regions(["digest"])) == 2
        with pytest.raises(ConnectionFailed, match="broke off"):
            job.regions(["digest"])
        with pytest.raises(ConnectionFailed, match="broke off"):
            job.save_regions(tmp_path / "regions", format="ndjson")
    assert list(tmp_path.iterdir()) == []


def test_a_long_poll_may_take_longer_than_the_timeout(socketed: Any, documents: Any) -> None:
    url = socketed([[], [whole(documents.job())], [], [0.5, whole(documents.finished())]])
    with Client(url, retries=QUICK, timeout=0.2) as client:
        assert client.count(b"123", lower=0, upper=1, progress=False).exact


def test_an_answer_that_takes_too_long_is_asked_for_again(socketed: Any, documents: Any) -> None:
    url = socketed([[0.4], [whole(documents.job())]])
    with Client(url, retries=QUICK, timeout=0.2) as client:
        assert client.job("job-1").id == "job-1"
