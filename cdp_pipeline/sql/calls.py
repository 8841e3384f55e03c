"""What a user's call of a function means: the form that it becomes, once its arguments have been looked at."""

import re
from collections.abc import Callable

from sqlglot import exp

from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.functions import FUNCTIONS
from cdp_pipeline.sql.kinds import DOUBLE, NULL, NUMBERS, NUMERIC, WHOLE, kind_of
from cdp_pipeline.sql.regexes import check_pattern
from cdp_pipeline.sql.shown import shown
from cdp_pipeline.sql.time_formats import as_strftime

_TAKEN = {"regexp_replace": True, "regexp_match": True, "regexp_count": True, "regexp_split_to_array": True,
          "regexp_like": False}  # fmt: skip
_DRESSED = ("jsonb_build_object", "jsonb_build_array", "to_jsonb", "jsonb_agg")


def call_form(node: exp.Anonymous) -> exp.Expr:
    """The form of a call, or the call itself where it is the same on every engine.

    Raises:
        SqlError: it means different things for what it is given, or engines do not agree about it.
    """
    name = node.name.lower()
    function = FUNCTIONS.get(name)
    if function is None:
        return node
    for place in function.literals:
        if place < len(node.expressions) and not _is_literal(node.expressions[place]):
            raise SqlError(f"Argument {place + 1} of {name}() must be a literal.", f"It is: {_shown(node, place)}.")
    _CHECKS.get(name, _unchecked)(node)
    if name in _DRESSED:
        node.set("expressions", _dressed(node, name))
    if name == "round" and kind_of(node.expressions[0]) == DOUBLE:
        return exp.func("cdp_round_even", *node.expressions)
    return exp.Anonymous(this=f"cdp_{name}", expressions=node.expressions) if function.form else node


def dressed(value: exp.Expr) -> exp.Expr:
    """A value as it stands in JSON on every engine."""
    return exp.Anonymous(this="cdp_dressed", expressions=[value])


def _dressed(node: exp.Anonymous, name: str) -> list[exp.Expr]:
    keys = name == "jsonb_build_object"
    return [
        value if keys and place % 2 == 0 else dressed(value) if _is_dressed(value) else value
        for place, value in enumerate(node.expressions)
    ]


def _is_dressed(value: exp.Expr) -> bool:
    kind = kind_of(value)
    return kind is None or kind in ("timestamptz", "timestamp", DOUBLE)


def _is_literal(node: exp.Expr) -> bool:
    return isinstance(node.this if isinstance(node, exp.Neg) else node, exp.Literal)


def _shown(node: exp.Anonymous, place: int) -> str:
    argument: exp.Expr = node.expressions[place]
    return argument.sql("postgres")[:80]


def _unchecked(node: exp.Anonymous) -> None:
    """Nothing to look at."""


def _check_pattern(node: exp.Anonymous) -> None:
    check_pattern(node.expressions[1].name, taken=_TAKEN[node.name.lower()])
    if len(node.expressions) == 4 and not set(node.expressions[3].name) <= {"g", "i"}:
        raise SqlError(f"The flags '{node.expressions[3].name}' are not supported.", "Use g, i or both.")


def _check_replacement(node: exp.Anonymous) -> None:
    _check_pattern(node)
    found = re.search(r"\\[^1-9]", node.expressions[2].name)
    if found is not None:
        raise SqlError(f"`{found[0]}` in a replacement is not supported.", "Put a group in brackets and write \\1.")


def _check_round(node: exp.Anonymous) -> None:
    kind = kind_of(node.expressions[0])
    if kind not in NUMBERS or (kind == DOUBLE and len(node.expressions) == 2):
        raise SqlError(
            f"`{shown(node)}` rounds, and engines differ on what has no exact type.",
            "Cast it: round((a)::numeric(38,9), 2).",
        )


def _check_whole(node: exp.Anonymous) -> None:
    kinds = {kind_of(argument) for argument in node.expressions} - {NULL}
    if not kinds <= {WHOLE, NUMERIC}:
        raise SqlError(f"`{shown(node)}` needs whole or exact numbers.", "Cast them: mod(a::bigint, 7).")


def _check_first_dimension(node: exp.Anonymous) -> None:
    if node.expressions[1].name != "1":
        raise SqlError("An array has one dimension here.", "Write array_length(a, 1).")


def _check_separator(node: exp.Anonymous) -> None:
    separator = node.expressions[1]
    if not separator.is_string or not separator.name:
        raise SqlError(f"{node.name}() needs a separator that is a text, such as ','.")


def _check_time(node: exp.Anonymous) -> None:
    if kind_of(node.expressions[0]) not in ("timestamptz", "timestamp", "date"):
        raise SqlError(f"`{shown(node)}` needs a time.", "Cast it: to_char(a::timestamptz, 'YYYY-MM-DD').")
    as_strftime(node.expressions[1].name)


def _check_seconds(node: exp.Anonymous) -> None:
    if kind_of(node.expressions[0]) not in NUMBERS:
        raise SqlError(f"`{shown(node)}` needs a number of seconds.", "Cast it: to_timestamp(a::bigint).")


def _check_keys(node: exp.Anonymous) -> None:
    if len(node.expressions) % 2 or any(not key.is_string for key in node.expressions[::2]):
        raise SqlError("jsonb_build_object() takes keys that are literals, each with its value.")


def _check_character(node: exp.Anonymous) -> None:
    if not node.expressions[0].name.isdecimal() or not 1 <= int(node.expressions[0].name) < 0xD800:
        raise SqlError(f"`{shown(node)}` is no character.")


_CHECKS: dict[str, Callable[[exp.Anonymous], None]] = {
    **dict.fromkeys(_TAKEN, _check_pattern),
    "regexp_replace": _check_replacement,
    "round": _check_round,
    "mod": _check_whole,
    "array_length": _check_first_dimension,
    "string_to_array": _check_separator,
    "array_to_string": _check_separator,
    "to_char": _check_time,
    "to_timestamp": _check_seconds,
    "jsonb_build_object": _check_keys,
    "chr": _check_character,
}
