"""Compiling: announced and done by one process where it is needed, and never where it is not."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from relucensus import compiled, warm


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process that has counted nothing yet."""
    monkeypatch.setattr(warm, "_known", set())
    warm._say_so.cache_clear()
    yield
    warm._say_so.cache_clear()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The engines that were made to compile; they do not do it."""
    engines: list[str] = []
    monkeypatch.setattr(warm, "_count_something", engines.append)
    return engines


def test_what_was_never_compiled_is_compiled_once_and_announced_once(
    counted: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compiled, "is_compiled", lambda _: False)
    for _ in range(2):
        warm.prepare("skeleton")
    assert counted == ["tree", "skeleton"]
    assert [(record.name, record.levelno) for record in caplog.records] == [("relucensus", logging.WARNING)]
    assert "compiling its kernels" in caplog.text


def test_what_is_on_disk_is_left_to_be_loaded_when_called(
    counted: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compiled, "is_compiled", lambda _: True)
    warm.prepare("tree")
    assert (counted, caplog.records) == ([], [])


def test_engines_that_are_not_compiled_are_left_alone(counted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "is_compiled", lambda _: False)
    for engine in ("milp", "brute", "no such engine"):
        warm.prepare(engine)
    assert counted == []


def test_warming_calls_every_compiled_function() -> None:
    warm.warm()
    ours = [entry for entry in compiled._entries if entry.py_func.__module__.startswith("relucensus.")]
    idle = [entry.py_func.__name__ for entry in ours if not entry.overloads]
    assert idle == []
    assert compiled.is_compiled("relucensus.engines.tree")
