"""What attributes mean, in plain Python: the reference that the stage is compared with."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline_tests.attributes.worlds import Event

_BILLIONTH = Decimal("0.000000001")
_BY_WEIGHT = {"most_frequent": -1, "least_frequent": 1}


def _text(event: Event, *path: str) -> str | None:
    return text_of(_json(event, *path))


def text_of(value: str | None, *path: str) -> str | None:
    """What `->>` gives of JSON at a path of keys."""
    for key in path:
        loaded = None if value is None else json.loads(value)
        value = _dumped(loaded[key]) if isinstance(loaded, dict) and key in loaded else None
    if value is None or value == "null":
        return None
    loaded = json.loads(value)
    return loaded if isinstance(loaded, str) else value


def _dumped(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _json(event: Event, *path: str) -> str | None:
    """The JSON at a path; 'null' for JSON null, None for nothing."""
    value = event.payload
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return _dumped(value)


def _given(value: str | None) -> str | None:
    """JSON as a value of an attribute."""
    return None if value == "null" else value


def _exact(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text).quantize(_BILLIONTH)


def _number(event: Event) -> Decimal | None:
    return _exact(_text(event, "n"))


def _elements(event: Event, key: str) -> list[str | None]:
    """The elements of the array under a key, each as JSON; None for JSON null, which is no value."""
    return [_given(_dumped(element)) for element in event.payload.get(key) or []]


# Every expression of the tests that gives one row for an event, and what it gives.
VALUES: dict[str, Callable[[Event], Any]] = {
    "payload->>'t'": lambda event: _text(event, "t"),
    "payload->'deep'->>'t'": lambda event: _text(event, "deep", "t"),
    "(payload->>'n')::numeric(38,9)": _number,
    "(payload->>'n')::bigint": lambda event: None if _number(event) is None else int(_number(event) or 0),
    "payload->'t'": lambda event: _given(_json(event, "t")),
    "event_time": lambda event: event.time,
    "type": lambda event: event.type,
    "id": lambda event: event.event_id,
}
# Those that give several.
ROWS: dict[str, Callable[[Event], list[Any]]] = {
    "jsonb_array_elements(payload->'items')": lambda event: _elements(event, "items"),
    "jsonb_array_elements(payload->'items')->>'t'": lambda event: [text_of(e, "t") for e in _elements(event, "items")],
    "jsonb_array_elements(payload->'nested')->1": lambda event: [
        _given(_dumped(element[1])) if len(element) > 1 else None for element in event.payload.get("nested") or []
    ],
    "jsonb_array_elements_text(payload->'tags')": lambda event: list(map(text_of, _elements(event, "tags"))),
    "jsonb_object_keys(payload->'deep')": lambda event: list(event.payload.get("deep") or {}),
}
# What is made of each row, which conditions it is held against, and what it weighs.
OUTER_VALUES: dict[str, Callable[[Any], Any]] = {
    "value->>'t'": lambda value: text_of(value, "t"),
    "(value->>'q')::numeric(38,9)": lambda value: _exact(text_of(value, "q")),
    "upper(value)": lambda value: None if value is None else value.upper(),
    "coalesce(value, 'none')": lambda value: "none" if value is None else value,
}
OUTER_FILTERS: dict[str, Callable[[Any], bool]] = {
    "value <> 'a'": lambda value: value is not None and value != "a",
    "value->>'t' < 'b' and (value->>'q')::numeric(38,9) > 0": lambda value: (
        (text_of(value, "t") is not None and str(text_of(value, "t")) < "b") and (_exact(text_of(value, "q")) or 0) > 0
    ),
}
WEIGHTS: dict[str, Callable[[Any], Decimal | None]] = {
    "(payload->>'w')::double precision": lambda event: _exact(_text(event, "w")),
    "(value->>'q')::numeric": lambda value: _exact(text_of(value, "q")),
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
    weighed = [(value, weight) for event in read for value, weight in _rows(attribute, event) if value is not None]
    values = [value for value, _ in weighed]
    if attribute.type in _BY_WEIGHT:
        result = _by_weight(weighed, _BY_WEIGHT[attribute.type])
    else:
        result = _CALCULATE[attribute.type](values)
    return attribute.default if result is None else result


def _rows(attribute: Attribute, event: Event) -> Iterator[tuple[Any, Decimal]]:
    """What an event gives, each with its weight."""
    rows = ROWS[attribute.value](event) if attribute.value in ROWS else [VALUES[attribute.value](event)]
    for row in rows:
        if attribute.outer_filter is None or OUTER_FILTERS[attribute.outer_filter](row):
            value = row if attribute.outer_value is None else OUTER_VALUES[attribute.outer_value](row)
            yield value, _weight(attribute.weight, event) * _weight(attribute.outer_weight, row)


def _weight(written: str | None, weighed: Any) -> Decimal:
    given = None if written is None else WEIGHTS[written](weighed)
    return Decimal(1) if given is None else given


def _by_weight(weighed: list[tuple[Any, Decimal]], sign: int) -> Any:
    total: dict[Any, Decimal] = defaultdict(Decimal)
    for value, weight in weighed:
        total[value] += weight
    return min(total, key=lambda value: (sign * total[value], value), default=None)


def _average(values: list[Any]) -> Decimal | None:
    if not values:
        return None
    return (sum(map(Decimal, values), Decimal()) / len(values)).quantize(_BILLIONTH, ROUND_HALF_UP)


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
    "list": _listed,
}
