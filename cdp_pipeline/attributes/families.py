"""Families of types: what an attribute's value may be, and which types PostgreSQL casts into which others.

An engine may know more types, and more casts, than PostgreSQL. What is not here is refused, so that an attribute means
the same on every engine.
"""

import re
from decimal import Decimal

from sqlglot import exp
from sqlglot.errors import SqlglotError

from cdp_pipeline.errors import SqlError

_FAMILIES: dict[str, tuple[exp.DType, ...]] = {
    "whole": (exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT),
    "exact": (exp.DType.DECIMAL,),
    "double": (exp.DType.DOUBLE,),
    "text": (exp.DType.TEXT, exp.DType.VARCHAR),
    "boolean": (exp.DType.BOOLEAN,),
    "date": (exp.DType.DATE,),
    "timestamp": (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ),
    "time": (exp.DType.TIMESTAMPTZ,),
    "uuid": (exp.DType.UUID,),
    "jsonb": (exp.DType.JSONB, exp.DType.JSON),
}
_NUMBERS = ("whole", "exact", "double")
_TIMES = ("date", "timestamp", "time")
_CASTS: dict[str, tuple[str, ...]] = {
    "text": tuple(_FAMILIES),
    **dict.fromkeys(_NUMBERS, (*_NUMBERS, "text")),
    **dict.fromkeys(_TIMES, (*_TIMES, "text")),
    "boolean": ("boolean", "text"),
    "uuid": ("uuid", "text"),
    "jsonb": ("jsonb",),
}
_ACCEPTED = "text, smallint, integer, bigint, numeric(38,9), double precision, boolean, date, timestamptz, uuid, jsonb"
_TYPE = re.compile(r"[a-z][a-z0-9_ ]*(\( *\d+ *(, *\d+ *)?\))?", re.IGNORECASE)
_MAX_DIGITS = 38
EXACT = exp.DataType.build("numeric(38, 9)", dialect="postgres")


def family_of(type_: exp.DataType) -> str | None:
    """The family of a type, such as whole, text or time; None: no attribute can have it."""
    return next((family for family, members in _FAMILIES.items() if type_.this in members), None)


def is_number(type_: exp.DataType) -> bool:
    """Whether values of the type can be added."""
    return family_of(type_) in _NUMBERS


def parse_type(text: str) -> exp.DataType:
    """Reads the name of a type that an attribute can have.

    Raises:
        SqlError: it names no type, or one that an attribute cannot have.
    """
    refusal = SqlError(f"`{text}` is no type that an attribute can have.", f"Use: {_ACCEPTED}.")
    if not _TYPE.fullmatch(text.strip()):
        raise refusal
    try:
        type_ = exp.DataType.build(text.strip(), dialect="postgres")
    except SqlglotError as error:
        raise refusal from error
    family = family_of(type_)
    if family is None or (type_.expressions and family != "exact"):
        raise refusal
    if family == "exact":
        return _exact(type_, refusal)
    return exp.DataType.build({"jsonb": "jsonb", "text": "text"}.get(family, type_), dialect="postgres")


def _exact(type_: exp.DataType, refusal: SqlError) -> exp.DataType:
    numbers = [int(parameter.name) for parameter in type_.expressions]
    if not numbers:
        return EXACT.copy()
    if not 1 <= numbers[0] <= _MAX_DIGITS or numbers[-1] > numbers[0]:
        raise refusal
    return type_


def convert(tree: exp.Expr, source: exp.DataType, target: exp.DataType) -> exp.Expr:
    """Casts a tree from the type that it has to another one.

    Raises:
        SqlError: PostgreSQL has no such cast.
    """
    source_family, target_family = family_of(source), family_of(target)
    if target_family not in _CASTS.get(source_family or "", ()):
        hint = "Read it as text (`->>` instead of `->`) and cast that." if source_family == "jsonb" else None
        raise SqlError(f"{name_of(source)} cannot be cast to {name_of(target)}.", hint)
    if source_family == "text" and target_family == "whole":
        return exp.func("cdp_whole", tree, exp.cast(exp.null(), target))
    if source_family == "text" and target_family == "exact":
        return exp.func("cdp_exact", tree, exp.cast(exp.null(), target))
    return tree if source == target else exp.cast(tree, target)


def literal(value: str | float | bool) -> tuple[exp.Expr, exp.DataType]:
    """A scalar of the project file as SQL, with its type.

    Raises:
        SqlError: it is a number without a value, such as .inf.
    """
    if isinstance(value, bool):
        return exp.true() if value else exp.false(), exp.DataType.build("boolean")
    if isinstance(value, str):
        return exp.Literal.string(value), exp.DataType.build("text")
    number = Decimal(repr(value))
    if not number.is_finite():
        raise SqlError(f"{value} is no number.")
    return exp.Literal.number(format(number, "f")), exp.DataType.build("bigint") if isinstance(value, int) else EXACT


def name_of(type_: exp.DataType) -> str:
    """The type as a user writes it."""
    return "jsonb" if family_of(type_) == "jsonb" else type_.sql("postgres").lower()
