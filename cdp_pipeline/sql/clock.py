"""The clock in users' SQL: every way to ask for the time means the time as of which a run calculates.

Until that is known it stands in a tree as `cdp_now()`.
"""

from datetime import datetime

from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.forms import rewrite_up

NOW = "cdp_now"
_CALLS = ("clock_timestamp", "transaction_timestamp", "statement_timestamp")
_REFUSED = (exp.CurrentTime, exp.Localtime, exp.CurrentDatetime)
_DAYS = {"today": 0, "tomorrow": 1, "yesterday": -1}
_NO_TIMES = ("allballs", "epoch", "infinity", "-infinity")
_TIMES = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ)


def asks_for_the_time(node: exp.Expr) -> bool:
    """Whether the node is one of PostgreSQL's ways to ask for the time."""
    if isinstance(node, (exp.CurrentDate, exp.CurrentTimestamp, exp.Localtimestamp, *_REFUSED)):
        return True
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in (*_CALLS, "timeofday")
    word = _word_of(node)
    return word is not None and is_moving(word)


def is_moving(word: str) -> bool:
    """Whether a text, read as a time, means one that depends on when it is read."""
    return word.strip().lower() in ("now", *_DAYS)


def check_time(node: exp.Expr) -> None:
    """Refuses what is no time, or is one without a day.

    Raises:
        SqlError: it is such.
    """
    if isinstance(node, _REFUSED) or (isinstance(node, exp.Anonymous) and node.name.lower() == "timeofday"):
        raise SqlError(f"`{node.sql('postgres')}` is a time without a day.", "Use now() or current_date.")
    if _word_of(node) in _NO_TIMES:
        raise SqlError(f"'{node.this.name}' is no time.", "Write the date out: date '2026-01-31'.")


def as_now(node: exp.Expr) -> exp.Expr:
    """The node, or `cdp_now()` where it asks for the time."""
    if not asks_for_the_time(node):
        return node
    if isinstance(node, exp.CurrentDate):
        return exp.cast(_now(), "date")
    if isinstance(node, exp.Localtimestamp):
        return exp.cast(_now(), "timestamp")
    word = _word_of(node)
    if word is None:
        return _now()
    if word == "now":
        return exp.Cast(this=_now(), to=node.args["to"].copy())
    day: exp.Expr = exp.cast(_now(), "date")
    if _DAYS[word]:
        day = exp.paren(exp.Add(this=day, expression=exp.Literal.number(_DAYS[word])))
    return day if node.args["to"].this is exp.DType.DATE else exp.Cast(this=day, to=node.args["to"].copy())


def reads_clock(tree: exp.Expr) -> bool:
    """Whether what the tree gives depends on the time as of which it is calculated."""
    return any(_is_now(node) for node in tree.walk())


def bind_clock(tree: exp.Expr, as_of: datetime) -> exp.Expr:
    """Puts a time, with its zone, in the place of `cdp_now()`; a copy."""
    bound = tree.copy()
    if not reads_clock(bound):
        return bound
    time = exp.cast(exp.Literal.string(as_of.isoformat(sep=" ")), "timestamptz")
    return rewrite_up(bound, lambda node: time.copy() if _is_now(node) else node)


def _now() -> exp.Anonymous:
    return exp.Anonymous(this=NOW, expressions=[])


def _is_now(node: exp.Expr) -> bool:
    return isinstance(node, exp.Anonymous) and node.name.lower() == NOW


def _word_of(node: exp.Expr) -> str | None:
    """The word that a cast makes a time of."""
    if isinstance(node, exp.Cast) and node.to.this in _TIMES and isinstance(node.this, exp.Literal):
        return node.this.name.strip().lower()
    return None
