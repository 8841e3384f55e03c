"""The kinds of value that a project file holds: names, texts, lists of names, days, shares.

`refuse` turns a value away in words that a user understands, and without the value itself where it may hold a secret.
YAML's own types are taken at their word: a number is never read as text, for `version: 1.10` would become 1.1.
"""

import re
import warnings
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal, NoReturn

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

# The type of the pydantic errors whose words are ours and need no translation.
REFUSED = "refused"
NAME_PATTERN = "[a-z][a-z0-9_]{0,40}"
RESERVED_NAMES = ("cdp", "raw", "public", "main", "entity_id", "person_key", "calculated", "valid_at", "modified",
                  "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")  # fmt: skip
RESERVED_PREFIX = "pg_"
# Schemas that every warehouse has already; `cdp` is ours, so only the shared tables may stand there.
RESERVED_SCHEMAS = ("raw", "public", "main", "information_schema")

_WAREHOUSES = ("duckdb", "postgresql")
_ACCEPTED_WAREHOUSES = (
    "Write duckdb:///warehouse.duckdb (beside the project file), duckdb:////an/absolute/path.duckdb, or "
    "postgresql://user@host/database."
)

Scalar = str | int | float | bool | None


class NullIsAValue:
    """Marks a type for which YAML's null says something, and is not a key that was left out."""


def refuse(message: str, hint: str = "") -> NoReturn:
    """Refuse a value: `message` says what is wrong, `hint` what would be accepted.

    Raises:
        PydanticCustomError: always.
    """
    raise PydanticCustomError(REFUSED, "{message}", {"message": message, "hint": hint})


def shorten(value: object, limit: int = 60, *, quote: bool = True) -> str:
    """Return a value as a user may read it in a message, a text in quotes, and never long."""
    shown = repr(value) if isinstance(value, str) and quote else str(value)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def is_reserved(name: str) -> bool:
    """Tell whether a name is taken by a schema or a column of ours or of the warehouse."""
    return name in RESERVED_NAMES or name.startswith(RESERVED_PREFIX)


def _check_text(text: str) -> str:
    return text if text.strip() else refuse("is empty.", "Write a text, or remove the key if it may be left out.")


def _check_source_name(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        refuse(
            f"{shorten(name)} is not a name that a table or column can have.",
            f"Write a-z first, then a-z, 0-9 and _, at most 41 characters{_suggest_name(name)}.",
        )
    return name


def _suggest_name(name: str) -> str:
    better = re.sub(r"[^a-z0-9_]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")[:41]
    return f", such as {better}" if re.fullmatch(NAME_PATTERN, better) else ""


def _check_name(name: str) -> str:
    _check_source_name(name)
    if is_reserved(name):
        refuse(
            f"{shorten(name)} is reserved for the pipeline's and the warehouse's own schemas and columns.",
            f"Choose another name; reserved are {', '.join(RESERVED_NAMES)} and {RESERVED_PREFIX}*.",
        )
    return name


def _check_schema(name: str) -> str:
    _check_source_name(name)
    if name in RESERVED_SCHEMAS or name.startswith(RESERVED_PREFIX):
        refuse(f"{shorten(name)} is a schema of the warehouse itself.", "Choose a schema that nobody else writes to.")
    return name


def _check_names(value: object) -> object:
    """Return a name as a list of one, and '*' as the empty list, which means all."""
    if value == "*":
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise PydanticKnownError("string_type")
    return [] if "*" in value else value


def _check_day(value: object) -> object:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    refuse(f"{shorten(value)} is not a day.", "Write year, month and day, such as 2026-01-31, without a time.")


def _check_regex(pattern: str) -> str:
    """Refuse what is no regular expression for Python either; the warehouse's own dialect is checked where it runs."""
    try:
        with warnings.catch_warnings():
            # [[:alpha:]] is good PostgreSQL and only odd to Python.
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        refuse(
            f"is not a regular expression: {error}.",
            "Put it in single quotes, in which YAML leaves backslashes alone, such as '^[0-9]{5,}$'.",
        )
    return pattern


def _check_max_links(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    refuse(f"{shorten(value)} is no number of links.", "Write a whole number from 1 on, or auto.")


def _check_scalar(value: object) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    refuse(
        f"{shorten(value)} is not a text, a number, true or false.",
        "Put a date in quotes; a list or a mapping cannot be a default.",
    )


def _null_by_name(value: object) -> object:
    """Return YAML's null as the word: who writes `on_error: null` leaves the quotes out."""
    return "null" if value is None else value


def _check_warehouse(url: str) -> str:
    """Refuse what is no warehouse, without a word of the value, for it may hold a password."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _WAREHOUSES or (scheme == "duckdb" and not rest.startswith("/")):
        refuse("is not a warehouse that this release knows.", _ACCEPTED_WAREHOUSES)
    if "\n" in url or "\0" in url:
        refuse("is of several lines.", _ACCEPTED_WAREHOUSES)
    if scheme == "duckdb":
        _check_file(rest.removeprefix("/"))
    elif not rest.partition("?")[0].partition("/")[2].strip():
        refuse("names no database.", _ACCEPTED_WAREHOUSES)
    return url


def _check_file(path: str) -> None:
    if not path.strip():
        refuse("names no file for the warehouse.", _ACCEPTED_WAREHOUSES)
    if path == ":memory:":
        refuse("a warehouse in memory would be empty again at the end of each run.", _ACCEPTED_WAREHOUSES)


def one_of(names: Sequence[str]) -> str:
    """Return names as a sentence offers them: a, b or c."""
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


Text = Annotated[str, AfterValidator(_check_text)]
SourceName = Annotated[
    str, AfterValidator(_check_source_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME_PATTERN}$"})
]
Name = Annotated[str, AfterValidator(_check_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME_PATTERN}$"})]
SchemaName = Annotated[
    str, AfterValidator(_check_schema), WithJsonSchema({"type": "string", "pattern": f"^{NAME_PATTERN}$"})
]
Names = Annotated[
    list[Text],
    BeforeValidator(_check_names),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Day = Annotated[date, BeforeValidator(_check_day), WithJsonSchema({"type": "string", "format": "date"})]
Regex = Annotated[str, AfterValidator(_check_regex), WithJsonSchema({"type": "string", "format": "regex"})]
Default = Annotated[
    Scalar, BeforeValidator(_check_scalar), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})
]
OnError = Annotated[
    Literal["null", "fail"],
    NullIsAValue(),
    BeforeValidator(_null_by_name),
    WithJsonSchema({"enum": ["null", "fail", None]}),
]
Warehouse = Annotated[str, AfterValidator(_check_warehouse)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
MaxLinks = Annotated[
    int | str,
    BeforeValidator(_check_max_links),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}]}),
]
