"""A project of 90 days with two events on each, and how the UI asks for a backfill of it."""

import json
import os
import time
from datetime import date, timedelta
from pathlib import Path

from cdp_pipeline_tests.automation.webserver import as_list, ask

# Where the events go: the address that compose.yaml gives the code server.
WAREHOUSE = "${CDP_WAREHOUSE}"
FIRST, LAST = date(2026, 1, 1), date(2026, 3, 31)
DAYS = [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]
OF_DAYS = ("cdp/customer_events", "customer/event_identifiers", "customer/identity_graph")
PROJECT = f"""\
name: ninety
warehouse: {WAREHOUSE}
start: {FIRST}
end: {LAST}
sources:
  web: {{files: 'landing/web/{{day}}/*', event: {{id: id, type: type, time: at}}}}
entities:
  customer:
    identifiers: [{{type: email, pii: true}}, {{type: cookie}}]
    stitching:
      - {{identifier: cookie, value: "payload->>'cookie'"}}
      - {{identifier: email, value: "payload->>'email'"}}
    attributes:
      - {{id: n_events, type: expression, value: count(*)}}
"""
LAUNCH = """
mutation Launch($assets: [AssetKeyInput!], $days: [String!]) {
  launchPartitionBackfill(backfillParams: {assetSelection: $assets, partitionNames: $days}) {
    __typename
    ... on LaunchBackfillSuccess {backfillId}
    ... on PythonError {message}
  }
}
"""
LAUNCH_JOB = """
mutation Launch($job: String!, $tags: [ExecutionTag!]) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "cdp_pipeline", repositoryName: "__repository__", jobName: $job}
    executionMetadata: {tags: $tags}
  }) {
    __typename
    ... on LaunchRunSuccess {run {id}}
    ... on PythonError {message}
  }
}
"""
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


def write(folder: Path) -> None:
    """Write the project and its landing files: each day a visitor, of two in turn, comes and logs in."""
    folder.mkdir(parents=True)
    (folder / "project.yaml").write_text(PROJECT, encoding="utf-8")
    for number, day in enumerate(DAYS):
        place = folder / "landing" / "web" / day.isoformat()
        place.mkdir(parents=True)
        visit = {"type": "visit", "at": f"{day}T10:00:00Z", "cookie": f"c{number}"}
        rows = [{"id": f"{day} visit", **visit}, {"id": f"{day} login", **visit, "email": f"visitor{number % 2}"}]
        (place / "events.ndjson").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def land_late_login(folder: Path) -> None:
    """Write a second file of the last day: on the first day one visitor logged in on the other's cookie.

    It looks as if nobody had touched it for a while, so that nobody waits for its end.
    """
    file = folder / "landing" / "web" / LAST.isoformat() / "late.ndjson"
    login = {"id": "late", "type": "login", "at": f"{FIRST}T11:00:00Z", "cookie": "c0", "email": "visitor1"}
    file.write_text(json.dumps(login) + "\n", encoding="utf-8")
    os.utime(file, (time.time() - 60,) * 2)


def launch_backfill(url: str, assets: tuple[str, ...], days: list[date]) -> str:
    """Ask for a backfill as the UI does, and return its id."""
    keys = [{"path": asset.split("/")} for asset in assets]
    answer = ask(url, LAUNCH, assets=keys, days=[day.isoformat() for day in days])["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    return str(answer["backfillId"])


def launch_job(url: str, job: str, day: date) -> None:
    """Ask for a run of a job as the UI does, filed under a day and tagged with the job's name."""
    tags = {"dagster/partition": day.isoformat(), "asked-for": job}
    answer = ask(url, LAUNCH_JOB, job=job, tags=as_list(tags))["launchRun"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
