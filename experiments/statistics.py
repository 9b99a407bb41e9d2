"""Means over networks, with how sure they are."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of some numbers, their standard deviation, and how many they are."""

    value: float
    deviation: float
    count: int

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Mean:
        """The mean of at least one number; one alone has the deviation 0."""
        deviation = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
        return cls(statistics.fmean(numbers), deviation, len(numbers))

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return self.deviation / sqrt(self.count)

    def distance(self, value: float, error: float = 0.0) -> float:
        """How many standard errors the mean is above another one with its own standard error."""
        return (self.value - value) / (sqrt(self.error**2 + error**2) or 1.0)

    def __str__(self) -> str:
        return f"{self.value:,.2f} ± {self.error:.2f}"
