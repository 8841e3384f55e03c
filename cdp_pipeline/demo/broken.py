"""Rows that no run may accept, a few of every kind on every day; each must end in `cdp.rejected_events`.

The kinds take turns from day to day, so that a small demo shows them all too.
"""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from cdp_pipeline.demo.app import SCHEMA

_GOOD_ROWS_PER_BROKEN = 2000
_FAR_AHEAD = timedelta(days=400)


def broken_count(good_rows: int) -> int:
    """How many broken rows go with so many good ones."""
    return 1 + good_rows // _GOOD_ROWS_PER_BROKEN


def broken_web(day: int, on: date, rows: int) -> list[str]:
    """Lines of the web tracker that cannot be read, or lack what an event needs."""
    kinds: list[Callable[[dict[str, Any]], str]] = [
        lambda event: json.dumps(event)[:-25],  # the connection broke
        lambda event: json.dumps(event | {"message_id": None}),
        lambda event: json.dumps({key: value for key, value in event.items() if key != "type"}),
        lambda event: json.dumps(event | {"timestamp": "yesterday at noon"}),
        lambda event: json.dumps(event | {"timestamp": (_noon(on) + _FAR_AHEAD).isoformat()}),
        lambda event: json.dumps(event | {"properties": "no object"}),
        lambda event: json.dumps(event | {"properties": ["no", "object"]}),
        lambda event: json.dumps(event | {"properties": {"anonymous_id": "zero\0byte"}}),
        lambda _: "<html>502 Bad Gateway</html>",
    ]
    return [kinds[(day + row) % len(kinds)](_web_event(day, on, row)) for row in range(rows)]


def broken_app(day: int, on: date, rows: int) -> pa.Table:
    """Rows of the app without id, name or time, or with a time far ahead."""
    kinds: list[dict[str, Any]] = [
        {"id": None},
        {"name": None},
        {"happened_at": None},
        {"happened_at": _noon(on) + _FAR_AHEAD},
    ]
    good = {"name": "screen_view", "happened_at": _noon(on), "device_id": "app-broken", "properties": "{}"}
    made = [good | {"id": f"broken-{day}-{row}"} | kinds[(day + row) % len(kinds)] for row in range(rows)]
    return pa.Table.from_pylist(made, schema=SCHEMA)


def broken_contacts(day: int, on: date, rows: int) -> list[str]:
    """Lines of the CRM with too few or too many fields, or without number or time."""
    kinds = [
        "B{n},short@mail.example,,Too Short",
        "B{n},long@mail.example,,Too Long,,,customer,{on}T12:00:00Z,one,two",
        ",nobody@mail.example,,No Number,,,customer,{on}T12:00:00Z",
        "B{n},late@mail.example,,No Time,,,customer,",
        "B{n},odd@mail.example,,Odd Time,,,customer,12 o'clock",
    ]
    return [kinds[(day + row) % len(kinds)].format(n=f"{day}-{row}", on=on) for row in range(rows)]


def broken_calls(day: int, on: date, rows: int) -> list[str]:
    """Lines of the support's telephone system that were cut, or lack number or time."""
    kinds: list[Callable[[dict[str, Any]], str]] = [
        lambda call: json.dumps(call)[:-12],
        lambda call: json.dumps(call | {"call_id": None}),
        lambda call: json.dumps(call | {"started_at": None}),
        lambda call: json.dumps(call | {"started_at": f"{on}T25:61:00Z"}),
    ]
    return [
        kinds[(day + row) % len(kinds)](
            {"call_id": f"broken-{day}-{row}", "started_at": _noon(on).isoformat(), "phone": None, "minutes": 1}
        )
        for row in range(rows)
    ]


def _web_event(day: int, on: date, row: int) -> dict[str, Any]:
    return {
        "message_id": f"broken-{day}-{row}",
        "type": "page_view",
        "version": "1-0-0",
        "timestamp": _noon(on).isoformat(),
        "env": "prod",
        "properties": {"anonymous_id": "broken", "url": "https://shop.example/"},
    }


def _noon(on: date) -> datetime:
    return datetime.combine(on, time(12), UTC)
