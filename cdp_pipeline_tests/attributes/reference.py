"""What attributes mean, in plain Python: the reference that the stage is compared with."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline_tests.attributes.worlds import Event

_BILLIONTH = Decimal("0.000000001")


def _text(event: Event, *path: str) -> str | None:
    value = _json(event, *path)
    if value is None or value == "null":
        return None
    loaded = json.loads(value)
    return loaded if isinstance(loaded, str) else value


def _json(event: Event, *path: str) -> str | None:
    """The JSON at a path; 'null' for JSON null, None for nothing."""
    value = event.payload
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _number(event: Event) -> Decimal | None:
    text = _text(event, "n")
    return None if text is None else Decimal(text).quantize(_BILLIONTH)


# Every expression of the tests, and what it gives for an event.
VALUES: dict[str, Callable[[Event], Any]] = {
    "payload->>'t'": lambda event: _text(event, "t"),
    "payload->'deep'->>'t'": lambda event: _text(event, "deep", "t"),
    "(payload->>'n')::numeric(38,9)": _number,
    "(payload->>'n')::bigint": lambda event: None if _number(event) is None else int(_number(event) or 0),
    "payload->'t'": lambda event: None if _json(event, "t") == "null" else _json(event, "t"),
    "event_time": lambda event: event.time,
    "type": lambda event: event.type,
    "id": lambda event: event.event_id,
}
FILTERS: dict[str, Callable[[Event], bool]] = {
    "payload->>'t' = 'a'": lambda event: _text(event, "t") == "a",
    "type <> 'order' and source_id = 'web'": lambda event: event.type != "order" and event.source == "web",
    "(payload->>'n')::numeric(38,9) > 2": lambda event: (_number(event) or 0) > 2,
}


def counts(attribute: Attribute, event: Event) -> bool:
    """Whether the attribute reads the event."""
    return (
        (not attribute.sources or event.source in attribute.sources)
        and (not attribute.events or event.type in attribute.events)
        and (not attribute.version or event.version in attribute.version)
        and (attribute.filter is None or FILTERS[attribute.filter](event))
    )


def expected(attribute: Attribute, events: Sequence[Event]) -> Any:
    """The value of an attribute of the entity whose events these are."""
    read = [
        event for event in sorted(events, key=lambda event: (event.time, event.event_id)) if counts(attribute, event)
    ]
    values = [value for value in map(VALUES[attribute.value], read) if value is not None]
    result = _CALCULATE[attribute.type](values)
    return attribute.default if result is None else result


def _average(values: list[Any]) -> Decimal | None:
    if not values:
        return None
    return (sum(map(Decimal, values), Decimal()) / len(values)).quantize(_BILLIONTH, ROUND_HALF_UP)


def _by_frequency(sign: int) -> Callable[[list[Any]], Any]:
    def choose(values: list[Any]) -> Any:
        found = Counter(values)
        return min(found, key=lambda value: (sign * found[value], value), default=None)

    return choose


def _listed(values: list[Any]) -> str | None:
    if not values:
        return None
    shown = [f"{value:.9f}" if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)
             for value in sorted(set(values))]  # fmt: skip
    return f"[{','.join(shown)}]"


_CALCULATE: dict[str, Callable[[list[Any]], Any]] = {
    "avg": _average,
    "sum": lambda values: sum(map(Decimal, values), Decimal()).quantize(_BILLIONTH) if values else None,
    "min": lambda values: min(values, default=None),
    "max": lambda values: max(values, default=None),
    "num_of_unique": lambda values: len(set(values)),
    "first": lambda values: values[0] if values else None,
    "value": lambda values: values[0] if values else None,
    "last": lambda values: values[-1] if values else None,
    "most_frequent": _by_frequency(-1),
    "least_frequent": _by_frequency(1),
    "list": _listed,
}
