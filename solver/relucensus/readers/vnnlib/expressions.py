"""The parenthesised expressions of a VNN-LIB file, which is written as SMT-LIB is.

A comparison of a variable with a number stays one word, `(<= X_0 0.5)`: nearly all of a large file are such.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from relucensus.errors import InvalidDomain
from relucensus.readers.limits import shown
from relucensus.readers.vnnlib.numbers import NUMBER

Expression = str | list["Expression"]

# The closing quotes are optional, so that no text is gone through twice; a place in brackets belongs to its word.
_TOKEN: Final = re.compile(
    r"\((?:[<>]=?|==?)\s+[A-Za-z][^\s()\";|\[\]]*(?:\s*\[[\s0-9,]*\])?\s+" + NUMBER + r"\s*\)"
    r"|[()]"
    r"|[^\s()\";|\[\]]+(?:\s*\[[^\[\]()\";|]*\])?"
    r"|;[^\n]*"
    r"|\"(?:[^\"\\]++|\\[\s\S])*+\"?"
    r"|\|[^|]*\|?"
    r"|\S"
)
_DEEPEST: Final = 50
_MOST_WORDS: Final = 10_000_000


def expressions(text: str) -> Iterator[list[Expression]]:
    """The expressions of the file one after the other, each as nested lists of its words.

    Raises:
        InvalidDomain: words outside of parentheses, a file that ends inside of them, deep nesting, or too many words.
    """
    open_lists: list[list[Expression]] = []
    current: list[Expression] | None = None
    for number, match in enumerate(_TOKEN.finditer(text)):
        token = match[0]
        if token == ")":
            if current is None:
                raise InvalidDomain("the VNN-LIB file has ')' outside of parentheses")
            if not open_lists:
                yield current
                current = None
                continue
            outer = open_lists.pop()
            outer.append(current)
            current = outer
        elif token[0] == ";":
            continue
        elif token == "(":
            if current is not None:
                open_lists.append(current)
            current = []
            _check_limits(len(open_lists), number)
        elif current is None:
            raise InvalidDomain(f"the VNN-LIB file has {shown(token)} outside of parentheses")
        else:
            current.append(token)
    if current is not None:
        raise InvalidDomain("the VNN-LIB file ends inside of parentheses; it is cut off")


def is_bound(expression: Expression) -> bool:
    """Whether the expression is the comparison of a variable with a number, kept as one word."""
    return isinstance(expression, str) and expression[0] == "("


def parts_of_bound(bound: str) -> tuple[str, str, str]:
    """Relation, variable and number of such a comparison.

    >>> parts_of_bound("(<= X[0, 1] 0.5)")
    ('<=', 'X[0, 1]', '0.5')
    """
    relation, *name, number = bound[1:-1].split()
    return relation, name[0] if len(name) == 1 else " ".join(name), number


def excerpt(expression: Expression) -> str:
    """The beginning of the expression as it may stand in a message."""
    return shown(expression if isinstance(expression, str) else f"({' '.join(_flat(expression, 12))})")


def _flat(expression: list[Expression], most: int) -> list[str]:
    found = []
    for part in expression[:most]:
        found += [part[:80]] if isinstance(part, str) else [f"({' '.join(_flat(part, 4))})"]
    return found[:most]


def _check_limits(depth: int, words: int) -> None:
    if depth >= _DEEPEST:
        raise InvalidDomain(f"the VNN-LIB file is nested more than {_DEEPEST} deep")
    if words > _MOST_WORDS:
        raise InvalidDomain(f"the VNN-LIB file has more than {_MOST_WORDS} words; that is the most accepted")
