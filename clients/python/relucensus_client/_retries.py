"""When to ask again, and how long to pause before: pure decisions, shared by every client."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from relucensus_client._requests import problem_of

RETRIED_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504})
_UNTIL_TOMORROW: Final = ("quota-used-up",)
_OUR_MISTAKES: Final = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


@dataclass(frozen=True, slots=True)
class Retries:
    """Ask again up to `attempts` times, after `first_pause` seconds, then twice as long each time to `longest_pause`.

    A pause is shortened at random by up to half, so that many clients do not return together. The service's
    `Retry-After` is obeyed, and lengthened by up to a tenth; one longer than `longest_retry_after` is not waited for:
    the error is raised at once. So is a quota that is used up, which no pause brings back.
    """

    attempts: int = 3
    first_pause: float = 0.5
    longest_pause: float = 10.0
    longest_retry_after: float = 60.0

    def patient(self) -> Retries:
        """The policy while waiting for a job: three times as many attempts, to outlast a restart of the service."""
        return replace(self, attempts=3 * self.attempts)

    def pause_after_error(self, attempt: int, error: httpx.TransportError) -> float | None:
        """Seconds to pause after this failed attempt (counted from 0), or None to give up."""
        if attempt >= self.attempts or isinstance(error, _OUR_MISTAKES):
            return None
        return self._backoff(attempt)

    def pause_after_response(self, attempt: int, response: httpx.Response) -> float | None:
        """Seconds to pause after this answer to attempt number `attempt`, or None to take it as it is."""
        if attempt >= self.attempts or response.status_code not in RETRIED_STATUSES:
            return None
        if problem_of(response).name in _UNTIL_TOMORROW:
            return None
        asked = retry_after(response.headers.get("Retry-After"))
        if asked is None:
            return self._backoff(attempt)
        return asked * random.uniform(1.0, 1.1) if asked <= self.longest_retry_after else None

    def pause_before_return(self, asked: float | None) -> float:
        """Seconds to pause before opening a stream again that broke off, where a service may ask for some."""
        return (self.first_pause if asked is None else asked) * random.uniform(1.0, 1.1)

    def _backoff(self, attempt: int) -> float:
        longest = min(self.longest_pause, self.first_pause * 2.0**attempt)
        return longest * random.uniform(0.5, 1.0)


def retry_after(header: str | None) -> float | None:
    """Seconds from now that a `Retry-After` header asks for, as a number or a date; None if it cannot be read.

    >>> retry_after("7"), retry_after("soon")
    (7.0, None)
    """
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def policy_of(retries: int | Retries) -> Retries:
    """The policy that is given, or the one with so many attempts."""
    return retries if isinstance(retries, Retries) else Retries(attempts=retries)
