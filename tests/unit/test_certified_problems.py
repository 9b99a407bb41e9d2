"""Problems that ask for a certificate, and who may serve them."""

import numpy as np
import pytest

from relucensus import Box, Definition, Network, Problem
from relucensus.census import check, second_engine
from relucensus.engines.protocol import Settlement
from relucensus.errors import InvalidRequest, UnsupportedProblem
from relucensus.frontier import Tally
from relucensus.values.domain import Slice


def small(*, certificate: bool = True) -> Problem:
    network = Network.from_arrays([([[1.0, 2.0], [-1.0, 0.5]], [0.25, 0.0]), ([[1.0, 1.0]], [0.0])])
    return Problem(network, Box.from_bounds(-1, 1, 2), (Definition.ACTIVATION_REGIONS,), certificate)


@pytest.mark.parametrize("definition", [Definition.ACTIVATION_PATTERNS, Definition.CLOSED_LINEAR_REGIONS])
def test_what_is_never_certified_is_refused_by_name(definition: Definition) -> None:
    asked = small()
    with pytest.raises(InvalidRequest, match=f"does not cover {definition.value}; it covers activation_regions, "):
        Problem(asked.network, asked.domain, (Definition.ACTIVATION_REGIONS, definition), certificate=True)


def test_the_problem_for_engines_asks_for_the_certificate_too() -> None:
    asked = small()
    line = Slice(np.zeros(2), np.ones((1, 2)), Box.from_bounds(0, 1, 1))
    assert Problem(asked.network, line, certificate=True).free.certificate
    assert not Problem(asked.network, line).free.certificate


def test_without_its_certificate_it_is_the_same_problem() -> None:
    asked = small()
    assert not asked.uncertified.certificate
    assert asked.uncertified.definitions == asked.definitions
    assert asked.uncertified.uncertified is asked.uncertified


@pytest.mark.parametrize(
    ("engine", "strategy"), [("brute", "cubes"), ("milp", "cubes"), ("milp", "plain"), ("skeleton", "cubes")]
)
def test_only_tree_writes_certificates(engine: str, strategy: str) -> None:
    with pytest.raises(UnsupportedProblem, match=f"engine {engine} writes no certificates; engine tree does"):
        check(small(), engine=engine, strategy=strategy)
    assert check(small(certificate=False), engine=engine, strategy=strategy) == engine


def test_auto_takes_the_engine_that_writes_certificates() -> None:
    network = Network.from_arrays([([[1.0], [-1.0]], [0.25, 0.0]), ([[1.0, 1.0]], [0.0])])
    plain = Problem(network, Box.from_bounds(-1, 1, 1), (Definition.ACTIVATION_REGIONS,))
    certified = Problem(network, plain.domain, plain.definitions, certificate=True)
    assert (check(plain), check(certified)) == ("skeleton", "tree")


def test_an_engine_without_certificates_may_confirm_the_count() -> None:
    assert second_engine(small(), "tree", "milp") == "milp"


def test_parts_add_up_in_their_order_and_empty_ones_are_none() -> None:
    tally = Tally()
    for part in (b"first", b"", b"second"):
        tally = tally.plus(Settlement(part=part))
    assert tally.parts == (b"first", b"second")
