"""How a value becomes an identifier, wherever it comes from: an event's payload or a table of the user's own.

What was found stands in the temporary table `occurrences`, one row for each value, as it stood there. Each distinct
value is then normalised, judged (valid, invalid or blocked) and hashed once; the answers are rows of `readings`.
"""

from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from sqlglot import exp

from cdp_pipeline.config.model import IdentifierType
from cdp_pipeline.sql.statements import KEPT_TEXTS, Statement, from_tree
from cdp_pipeline.warehouse.base import Connection

BLOCKED_DEFAULTS = ("", "null", "undefined", "none", "nil", "nan", "n/a", "unknown", "anonymous", "-1", "0")
ZERO_UUID = "^0{8}-?0{4}-?0{4}-?0{4}-?0{12}$"
_STEPS = {"trim": "trim", "lower": "lower", "upper": "upper", "digits": "cdp_digits"}
_WHOLE_NUMBER = "^-?[0-9]+$"


@dataclass(frozen=True)
class Reading:
    """What becomes of a value: normalised, judged (valid, blocked or invalid), and hashed if it is valid."""

    value: str
    status: str
    identifier_id: UUID | None


def list_values(query: exp.Select, value: exp.Expr, value_class: str, kind: exp.Expr | None = None) -> exp.Select:
    """Adds the columns `value`, `kind` and `place` to a query: an array has a row for each of its elements.

    Args:
        query: what the columns are added to.
        value: the value as it was found.
        value_class: the class of its type.
        kind: of a scalar: the kind of JSON that it was read from, in the engine's own words; None: it was no JSON.
    """
    if value_class == "json":
        texts = exp.func("cdp_json_texts", value)
        kinds: exp.Expr = exp.Explode(this=exp.func("cdp_json_kinds", value.copy()))
    elif value_class == "array":
        texts, kinds = exp.cast(value, "text[]"), exp.cast(exp.null(), "text")
    else:
        kind_name = exp.func("cdp_kind_name", exp.cast(exp.null() if kind is None else kind, "text"))
        query = query.select(exp.alias_(exp.cast(value, "text"), "value"), exp.alias_(kind_name, "kind"))
        return query.select(exp.alias_(exp.Literal.number(0), "place"))
    query = query.select(exp.alias_(exp.Explode(this=texts), "value"), exp.alias_(kinds, "kind"))
    return query.select(exp.alias_(exp.Explode(this=exp.func("cdp_places", texts.copy())), "place"))


def whole_numbers(kind: exp.Expr, value: exp.Expr) -> exp.Expr:
    """The kind of a value, where a whole number that is too long for the engine's own integers is one all the same."""
    whole = exp.func("cdp_matches", value, exp.Literal.string(_WHOLE_NUMBER))
    return exp.Case().when(kind.eq("number").and_(whole), exp.Literal.string("integer")).else_(kind.copy())


def readings(priority: int, identifier: IdentifierType) -> exp.Expr:
    """What becomes of each distinct value of one type in `occurrences`: normalised, judged, hashed."""
    found = exp.select("o.value").from_("occurrences as o")
    found = found.where(exp.column("priority", table="o").eq(priority), "o.value is not null")
    name = exp.cast(exp.Literal.string(identifier.type), "text")
    read = exp.select(exp.Literal.number(priority), name, "r.raw", "r.value", "r.status", "r.identifier_id")
    return exp.insert(read.from_(_read(identifier, found).subquery("r")), "readings")


def add_readings(priority: int, identifier: IdentifierType) -> Statement:
    """The statement that adds them to `readings`, kept for the next run."""
    return _add_readings(priority, identifier.model_dump_json())


@lru_cache(maxsize=KEPT_TEXTS)
def _add_readings(priority: int, identifier: str) -> Statement:
    tree = readings(priority, IdentifierType.model_validate_json(identifier))
    return Statement("readings.add", tree, built_for=(priority, identifier))


def normalised(identifier: IdentifierType, value: exp.Expr) -> exp.Expr:
    """A raw value as it is kept: brought into one form by the steps that its type asks for."""
    for step in identifier.normalize:
        value = exp.func(_STEPS[step], value)
    return value


def _read(identifier: IdentifierType, found: exp.Select) -> exp.Select:
    """Each distinct `value` of a query as `raw`; normalised, judged, hashed."""
    kept = normalised(identifier, exp.column("value", table="o"))
    name = exp.cast(exp.Literal.string(identifier.type), "text")
    distinct = exp.select("o.value as raw", exp.alias_(kept, "value")).distinct().from_(found.subquery("o"))
    value = exp.column("value", table="d")
    folded = exp.func("lower", exp.func("trim", value.copy()))
    blocked = [text.strip().lower() for text in identifier.blocked]
    blocked += BLOCKED_DEFAULTS if identifier.blocked_defaults else [""]
    is_blocked: exp.Expr = folded.isin(*blocked)
    if identifier.blocked_defaults:
        is_blocked = exp.or_(is_blocked, exp.func("cdp_matches", folded.copy(), exp.Literal.string(ZERO_UUID)))
    status = exp.Case().when(is_blocked, exp.Literal.string("blocked"))
    if identifier.valid is not None:
        valid = exp.func("cdp_matches", value.copy(), exp.Literal.string(identifier.valid))
        status = status.when(exp.not_(valid), exp.Literal.string("invalid"))
    status = status.else_(exp.Literal.string("valid"))
    judged = exp.select("d.raw", "d.value", exp.alias_(status, "status")).from_(distinct.subquery("d"))
    hashed = exp.func("cdp_hash", exp.Literal.string("identifier"), name, exp.column("value", table="j"))
    hashed = exp.Case().when(exp.column("status", table="j").eq("valid"), hashed)
    query = exp.select("j.raw", "j.value", "j.status", exp.alias_(hashed, "identifier_id"))
    return query.from_(judged.subquery("j"))


def read_value(connection: Connection, identifier: IdentifierType, text: str) -> Reading:
    """What stitching would make of one value: worked out in the warehouse, by the statement that stitching uses."""
    given = exp.select(exp.alias_(exp.cast(exp.Placeholder(this="given"), "text"), "value"))
    (row,) = connection.fetch(from_tree("identifier_values.read_value", _read(identifier, given)), given=text)
    return Reading(*row[1:])
