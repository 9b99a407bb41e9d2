import socket
from contextlib import closing
from pathlib import Path

import pytest

from relucensus_service.options import bound
from relucensus_service.settings import InvalidSetting, Settings, database_in


def test_the_environment_changes_the_defaults_and_options_change_the_environment() -> None:
    environment = {"RELUCENSUS_UPLOAD_LIMIT": "5", "RELUCENSUS_SLICE_SECONDS": "1.5", "RELUCENSUS_DATABASE_URL": ""}
    settings = Settings.from_environment(environment, upload_limit=None, slice_seconds=2.5)
    assert (settings.upload_limit, settings.slice_seconds) == (5, 2.5)
    assert settings.database_url == Settings().database_url


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("RELUCENSUS_UPLOAD_LIMIT", "large", "whole number"),
        ("RELUCENSUS_UPLOAD_LIMIT", "0", "positive"),
        ("RELUCENSUS_SLICE_SECONDS", "soon", "number"),
        ("RELUCENSUS_SLICE_SECONDS", "nan", "positive"),
        ("RELUCENSUS_LEASE_SECONDS", "inf", "positive"),
    ],
)
def test_a_bad_variable_is_named(name: str, value: str, word: str) -> None:
    with pytest.raises(InvalidSetting, match=f"{name} is .*{word}"):
        Settings.from_environment({name: value})


def test_the_database_lies_in_the_data_directory(tmp_path: Path) -> None:
    assert database_in(tmp_path) == f"sqlite:///{tmp_path}/relucensus.db"


@pytest.mark.parametrize("name", ["jobs_days", "frontiers_days", "models_days"])
def test_zero_days_are_for_ever(name: str) -> None:
    assert getattr(Settings.from_environment({f"RELUCENSUS_{name.upper()}": "0"}), name) == 0


def test_a_log_is_text_or_json() -> None:
    with pytest.raises(InvalidSetting, match="RELUCENSUS_LOG_FORMAT is 'xml'; known are text, json"):
        Settings(log_format="xml")


def test_answers_do_not_wait_for_receipts() -> None:
    with closing(bound("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as sender:
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        sender.close()
