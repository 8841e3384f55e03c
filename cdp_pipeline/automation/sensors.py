"""Looks for what has arrived: a sensor for each landing folder, and on a server for each source table.

A landing sensor looks at the folder only: which files lie there, how large they are, when they were changed. It never
opens the warehouse, which on DuckDB one process alone may have open; there the scheduled run reads the tables. A file
that was changed a moment ago may still be written to, and waits for the next look. A file that went requests nothing.

What a sensor saw is its cursor, together with a number that counts its requests; both are in the run key, so that the
same state requests once, and once again when it has come back.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from cdp_pipeline.automation.jobs import RUN_ALL
from cdp_pipeline.automation.landing_state import new_spans, packed, span_of, state_of, unpacked
from cdp_pipeline.automation.replay_sensor import replay_sensor
from cdp_pipeline.automation.requests import last_day_at, main_run, runs_under_way
from cdp_pipeline.automation.table_look import Look, look_at_table
from cdp_pipeline.config.model import Project, Source
from cdp_pipeline.events.files import find_files
from cdp_pipeline.warehouse.opening import is_shared

FILES_SECONDS = 30
TABLE_SECONDS = 60
SETTLED_SECONDS = 5  # how long a file must have been left alone
DAYS_TAG = "cdp/days"
SOURCE_TAG = "cdp/source"
SENSOR_TAG = "dagster/sensor_name"
_SHOWN_DAYS = 10
Answer = dg.SensorResult | dg.SkipReason


@dataclass(frozen=True)
class _New:
    """What a look found: what is remembered of it, the newest day concerned, and all days or months in words."""

    seen: Mapping[str, str]
    day: date
    spans: Sequence[str]


def build_sensors(project: Project) -> list[dg.SensorDefinition]:
    """The sensors of a project; they are on until somebody turns them off in Dagster's UI."""
    sensors = [_landing_sensor(project, source) for source in project.sources.values() if source.files]
    if is_shared(project.warehouse):
        sensors += [_table_sensor(project, source) for source in project.sources.values() if source.table]
    if project.automation.replay.on and project.entities:
        sensors.append(replay_sensor(project))
    return sensors


def _sensor_name(source: Source) -> str:
    return f"landing_{source.name}"


def _sensor(
    source: Source, seconds: int, description: str, look: Callable[[dg.SensorEvaluationContext], Answer]
) -> dg.SensorDefinition:
    return dg.SensorDefinition(
        name=_sensor_name(source),
        job_name=RUN_ALL,
        evaluation_fn=look,
        minimum_interval_seconds=seconds,
        description=description,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )


def _landing_sensor(project: Project, source: Source) -> dg.SensorDefinition:
    def look(context: dg.SensorEvaluationContext) -> Answer:
        moment = datetime.now(UTC)
        last = last_day_at(project, moment)
        here = [file for file in find_files(project.folder, source) if file.day is None or file.day <= last]
        settled = [file for file in here if abs(moment.timestamp() - file.modified) >= SETTLED_SECONDS]
        memory = _memory(context.cursor)
        state = state_of(settled, last)
        spans = new_spans(_files_in(memory), state, last)
        seen = {"files": packed(state)}
        if not spans:
            waiting = len(here) - len(settled)
            reason = f"{waiting} of {len(here)} files were changed just now, and wait." if waiting else ""
            reason = reason or f"Nothing new under {source.files} ({len(here)} files)."
            return dg.SensorResult(skip_reason=reason, cursor=_cursor(_requests(memory), seen))
        days = (file.day for file in settled if file.day is not None and span_of(file.day, last) in spans)
        return _ask(context, project, source, _New(seen, max(days, default=last), spans))

    what = f"files under `{source.files}` are new, changed or there again. It looks at the folder only"
    return _sensor(source, FILES_SECONDS, f"Requests the main run when {what}, never at the warehouse.", look)


def _table_sensor(project: Project, source: Source) -> dg.SensorDefinition:
    def look(context: dg.SensorEvaluationContext) -> Answer:
        moment = datetime.now(UTC)
        before = _rows_in(_memory(context.cursor))
        now = look_at_table(project, source, before, moment)
        if now == before:
            return dg.SkipReason(f"Nothing new in {source.table}.")
        seen = {"newest": str(now.newest), "rows": now.rows}
        day = max(now.days, default=last_day_at(project, moment))
        return _ask(context, project, source, _New(seen, day, [str(each) for each in now.days]))

    what = f"rows of {source.table} are new, by their time of arrival (`{source.arrived_at}`). It takes no lock"
    return _sensor(source, TABLE_SECONDS, f"Requests the main run when {what}.", look)


def _ask(context: dg.SensorEvaluationContext, project: Project, source: Source, new: _New) -> Answer:
    """Asks for the main run, unless one that this sensor asked for has not ended yet: they would queue up."""
    at_work = runs_under_way(context.instance, project, tags={SENSOR_TAG: _sensor_name(source)})
    if at_work:
        return dg.SkipReason(f"Something is new, and waits until run {at_work[0].run_id} has ended.")
    number = _requests(_memory(context.cursor))
    state = hashlib.sha256(json.dumps(new.seen).encode()).hexdigest()[:12]
    tags = {SOURCE_TAG: source.name} | ({DAYS_TAG: _in_words(new.spans)} if new.spans else {})
    request = main_run(project, f"{source.name}:{number}:{state}", new.day, tags)
    if request is None:
        return dg.SkipReason(f"Something is new, and waits for the project's start on {project.start}.")
    return dg.SensorResult(run_requests=[request], cursor=_cursor(number + 1, new.seen))


def _in_words(spans: Sequence[str]) -> str:
    """Days and months as a tag names them; of many the last ones."""
    left_out = len(spans) - _SHOWN_DAYS
    named = [span or "days that the rows tell" for span in spans[-_SHOWN_DAYS:]]
    return ", ".join(named) + (f" and {left_out} before" if left_out > 0 else "")


def _cursor(requests: int, seen: Mapping[str, str]) -> str:
    return json.dumps({"requests": requests, **seen}, separators=(",", ":"))


def _memory(cursor: str | None) -> dict[str, Any]:
    """What a cursor holds; nothing, if it is none of ours."""
    try:
        found = json.loads(cursor or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _requests(memory: Mapping[str, Any]) -> int:
    found = memory.get("requests", 0)
    return found if isinstance(found, int) else 0


def _files_in(memory: Mapping[str, Any]) -> dict[str, bytes]:
    try:
        return unpacked(str(memory["files"]))
    except (KeyError, ValueError):
        return {}


def _rows_in(memory: Mapping[str, Any]) -> Look:
    try:
        return Look(datetime.fromisoformat(str(memory["newest"])), str(memory["rows"]))
    except (KeyError, ValueError):
        return Look(None)
