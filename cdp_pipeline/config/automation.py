"""The key `automation`: when Dagster's daemon starts the main run by itself, and when it replays.

`off` is a word to some readers of YAML and `false` to others; both are accepted.
"""

import re
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, WithJsonSchema

from cdp_pipeline.config.cron import longest_gap
from cdp_pipeline.config.fields import refuse, shorten
from cdp_pipeline.config.section import Section

NIGHTLY = "0 3 * * *"
NIGHTLY_CONTEXT = "0 2 * * *"
LEAST_SECONDS = 30
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_CRON = (
    "Write minute, hour, day of the month, month and weekday (UTC), such as '0 3 * * *' for each night at 3, or off."
)
_EVERY = "Write a whole number and s, m, h or d, such as 15m; at least 30s."


def _is_off(value: object) -> bool:
    return value is False or value == "off"


def _check_schedule(value: object) -> object:
    if _is_off(value):
        return None
    if not isinstance(value, str):
        refuse(f"{shorten(value)} is no cron expression.", _CRON)
    try:
        longest_gap(value)
    except ValueError as error:
        refuse(f"{shorten(value)} is no cron expression: {error}.", _CRON)
    return value


def check_interval(value: object) -> int:
    """Reads an interval such as 15m and gives its seconds.

    Raises:
        PydanticCustomError: it is no interval, or shorter than anybody can look.
    """
    found = re.fullmatch("([1-9][0-9]{0,4})([smhd])", value) if isinstance(value, str) else None
    if found is None:
        refuse(f"{shorten(value)} is no interval.", _EVERY)
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds < LEAST_SECONDS:
        refuse(f"{shorten(value)} is too short an interval.", _EVERY)
    return seconds


class Replay(Section):
    """When events are replayed after the entity map has changed."""

    not_written: ClassVar[frozenset[str]] = frozenset({"on"})

    on: bool = Field(default=True, description="Whether anybody looks for changes at all.")
    every: Annotated[int, BeforeValidator(check_interval)] = Field(
        description="How often changes are looked for, such as 15m: a whole number and s, m, h or d."
    )


ON_CHANGE = Replay.model_construct(on=True, every=LEAST_SECONDS)
_NO_REPLAY = Replay.model_construct(on=False, every=LEAST_SECONDS)


def _check_replay(value: Any) -> Any:
    if _is_off(value):
        return _NO_REPLAY
    if value == "on_change":
        return ON_CHANGE
    if not isinstance(value, dict):
        refuse(f"{shorten(value)} is not accepted here.", "Write on_change, off, or an interval: {every: 15m}.")
    return value


class Automation(Section):
    """What Dagster's daemon does by itself, beside looking for new landing files."""

    run: Annotated[
        str | None,
        BeforeValidator(_check_schedule),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"const": False}]}),
    ] = Field(default=NIGHTLY, description="When the main run starts: a cron expression in UTC, or off.")
    context: Annotated[
        str | None,
        BeforeValidator(_check_schedule),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"const": False}]}),
    ] = Field(
        default=NIGHTLY_CONTEXT,
        description="When context values are worked out again, whatever their age: a cron expression in UTC, or off.",
    )
    replay: Annotated[
        Replay,
        BeforeValidator(_check_replay),
        WithJsonSchema(
            {
                "anyOf": [
                    {"enum": ["on_change", "off", False]},
                    {
                        "type": "object",
                        "properties": {"every": {"type": "string", "pattern": "^[1-9][0-9]{0,4}[smhd]$"}},
                        "required": ["every"],
                        "additionalProperties": False,
                    },
                ]
            }
        ),
    ] = Field(
        default=ON_CHANGE,
        description="When events are replayed after the entity map has changed: on_change, off, or {every: 15m}.",
    )
