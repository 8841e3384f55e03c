"""Generated definitions that try to read, write or use up what they may not.

Each is a piece of `nasty.txt`, nasty by itself, in a place where a user may write, spelled in one of several ways; or
it is very long, or very deep.
"""

import random
from collections.abc import Callable
from pathlib import Path

MARK = "s3cr3t"  # stands in a table, in a file and in another entity's row; no result may hold it
FROM, BASE = "select * from", "select id from base"
ODD = (
    "a\u200bb", "\uff49d", "\u0131d", "id\u00a0", "\u202eid", "'\u0000'", "pg_sleep -- x\n (100)",
    "select 1 -- \n; drop table secret",
)  # fmt: skip
# Pieces that mean no harm, or not for long; any other is refused wherever it stands by itself.
HARMLESS = {
    "2 ^ 2 ^ 2 ^ 2 ^ 2 ^ 2", "s like repeat('%a', 5000)", "s ~ '(((((a*)*)*)*)*)*$'", "'a' 'b'",
    "'it''s; drop table secret'", '"lower"(s)', '"LOWER"(s)', "now()", "id\u00a0",
    "select a.id from base a, base b, base c, base d, base e, base f, base g, base h",
}  # fmt: skip


def section(name: str) -> list[str]:
    """Return the lines of a section of `nasty.txt`."""
    text = Path(__file__).with_name("nasty.txt").read_text(encoding="utf-8")
    return text.split(f"[{name}]\n", 1)[1].split("\n\n", 1)[0].splitlines()


TABLES, CALLS, STATEMENTS = section("tables"), [*section("calls"), *ODD], section("statements")
PLACES, QUERIES, SOURCES = section("places"), section("queries"), section("sources")


def longer(number: int) -> str:
    """Return a part of WITH that makes a text four times as long as the part before it does."""
    return " ".join((f", a{number + 1} as (select s || s || s || s as s from", f"a{number})"))


DEEP: tuple[Callable[[int], str], ...] = (
    lambda n: "(" * n + "id" + ")" * n,
    lambda n: "not " * n + "flag",
    lambda n: "- " * n + "n",
    lambda n: "lower(" * n + "s" + ")" * n,
    lambda n: "case when flag then " * n + "1" + " end" * n,
    lambda n: " || ".join(["s"] * n),
    lambda n: " and ".join(["flag"] * n),
    lambda n: f"{FROM} (" * n + BASE + ") as x" * n,
    lambda n: "select " + "(select " * n + "1" + ")" * n,
    lambda n: "payload" + " -> 'a'" * n,
    lambda n: "'" + "x" * n * 20 + "'",
    lambda n: "'" + "x" * n,
    lambda n: "/*" * n,
    lambda n: "array[" * n + "1" + "]" * n,
    lambda n: "id in (" + ", ".join(["'a'"] * n) + ")",
    lambda n: " union all ".join([BASE] * n),
    lambda n: " ".join(("with a0 as (select s from base)", *map(longer, range(n)), "select length(s) from", f"a{n}")),
    lambda n: " ".join(("with", ", ".join(f"a{i} as ({BASE})" for i in range(n)), "select id from a0")),
    lambda n: "n % (" * n + "n" + ")" * n,
    lambda n: "1 / (" * n + "n" + ")" * n,
    lambda n: "jsonb_typeof(to_jsonb(" * n + "s" + "))" * n,
    lambda n: "repeat(" * n + "s" + ", 10)" * n,
    lambda n: "replace(" * n + "s" + ", 'a', s)" * n,
)


def nasty(seed: int, count: int) -> list[str]:
    """Return so many definitions."""
    rng = random.Random(seed)
    return [_spelled(_definition(rng), rng) for _ in range(count)]


def _definition(rng: random.Random) -> str:
    kind = rng.randrange(10)
    if kind == 0:
        return rng.choice(STATEMENTS)
    if kind == 1:
        return rng.choice(DEEP)(rng.choice((10, 150, 2_000)))
    if kind in (2, 3, 4):
        return rng.choice(SOURCES).replace("{}", rng.choice(TABLES))
    call = rng.choice(PLACES).replace("{}", rng.choice(CALLS))
    return call if kind in (5, 6) else rng.choice(QUERIES).replace("{}", call)


def _spelled(text: str, rng: random.Random) -> str:
    """Write it in capitals, between comments, with blanks of another kind, or with a `;`."""
    way = rng.randrange(6)
    if way == 0:
        return text if "{" in text else text.upper()
    if way == 1:
        return text.replace(" ", "/**/")
    if way == 2:
        return text.replace(" ", "\n\t")
    return f"{text};" if way == 3 else text
