"""Regular expressions that mean the same on every engine: what they share of PostgreSQL's syntax.

A pattern must be a literal. Where it is only asked whether it matches, alternatives and lazy repetition do no harm;
where what it matched is taken, engines choose differently among several matches at one place.
"""

import re

from cdp_pipeline.errors import SqlError

_OF_ONE_ENGINE = re.compile(r"\(\?(?!:)|\\[^dDwWsStnr\W_]|\*\*\*|\[\[[.=]|\[\[:[<>]")
_GROUP = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(\((?!\?))")
_MANY_WAYS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(\||[*+?}]\?|\)[*?{+])")


def check_pattern(pattern: str, *, taken: bool) -> None:
    """Refuses a pattern that engines read differently.

    Args:
        pattern: the regular expression.
        taken: whether what it matches is taken, and not only asked for.

    Raises:
        SqlError: it is such; the message says what of it.
    """
    found = _OF_ONE_ENGINE.search(pattern.removeprefix("(?i)"))
    if found is not None:
        raise SqlError(
            f"`{found[0]}` in the regular expression '{pattern[:80]}' is not supported.",
            "Classes such as [a-z] and \\d, groups, repetition and the anchors ^ and $ are.",
        )
    ways = [match[1] for match in _MANY_WAYS.finditer(pattern) if match[1]] if taken else []
    if ways:
        raise SqlError(
            f"`{ways[0]}` in the regular expression '{pattern[:80]}' may match in several ways.",
            "Where its match is taken, write it without alternatives, lazy repetition and repeated groups.",
        )


def groups_of(pattern: str) -> int:
    """How many groups a pattern has."""
    return sum(1 for match in _GROUP.finditer(pattern) if match[1])
