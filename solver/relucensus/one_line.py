"""One line: whatever stands for a network, and two bounds, to its counts."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Unpack, cast

from relucensus.census import count_regions
from relucensus.errors import InvalidDomain
from relucensus.frontier import Progress
from relucensus.readers.choices import ReadingOptions
from relucensus.readers.source import Model, network_of
from relucensus.values.domain import Bound, Box, Domain
from relucensus.values.problem import DEFAULT_DEFINITIONS, Budget, Problem
from relucensus.values.result import CountResult


def count(  # noqa: PLR0913  (the public entry: each is an option of a request)
    model: Model,
    lower: Bound | None = None,
    upper: Bound | None = None,
    *,
    domain: Domain | None = None,
    definitions: str | Sequence[str] = DEFAULT_DEFINITIONS,
    engine: str = "auto",
    strategy: str = "cubes",
    budget: Budget | None = None,
    cross_check: str | None = None,
    workers: int = 1,
    certificate: str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    example_input: Any = None,
    **choices: Unpack[ReadingOptions],
) -> CountResult:
    """Count the regions of whatever stands for a network on a box, exactly unless the budget ends first.

    Args:
        model: a path, bytes, an open file, a torch module or `state_dict`, a fitted MLP of scikit-learn,
            (weights, bias) pairs, or a `Network`; see `relucensus.network_of`.
        lower: the lower bounds of the inputs: one for all of them, or one for each.
        upper: the upper bounds.
        domain: a `Box` or `Slice` in the place of the bounds.
        definitions: what is counted, by name; see `Definition`.
        engine: this and the options up to `on_progress` are those of `count_regions`.
        example_input: this and `choices` are those of `relucensus.network_of`.

    Raises:
        CensusError: of the kinds that `network_of`, `Box`, `Problem` and `count_regions` raise.

    >>> counted = count([([[1.0], [-1.0]], [0.0, 0.0]), ([[1.0, 1.0]], [0.0])], -1, 1)
    >>> counted.counts["linear_regions"].value
    2
    """
    if (lower is None, upper is None) != (domain is not None,) * 2:
        given = [name for name, one in (("lower", lower), ("upper", upper), ("domain", domain)) if one is not None]
        raise InvalidDomain(f"got {' and '.join(given) or 'no bounds'}; needed are lower and upper, or a domain")
    network = network_of(model, example_input=example_input, **choices)
    if lower is not None and upper is not None:
        domain = Box.from_bounds(lower, upper, network.inputs)
    named: Any = (definitions,) if isinstance(definitions, str) else tuple(definitions)
    return count_regions(
        Problem(network, cast(Domain, domain), named),
        engine=engine,
        strategy=strategy,
        budget=budget,
        cross_check=cross_check,
        workers=workers,
        certificate=certificate,
        on_progress=on_progress,
    )
