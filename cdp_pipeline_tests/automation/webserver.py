"""What a person does in Dagster's UI, asked of its webserver."""

import json
from typing import Any
from urllib.request import Request

from scripts.dev_server import http

STATES = """
query Runs($tags: [ExecutionTag!]) {
  runsOrError(filter: {tags: $tags}) {... on Runs {results {status}}}
}
"""
SENSOR = """
query Sensor($sensor: SensorSelector!) {
  sensorOrError(sensorSelector: $sensor) {... on Sensor {sensorState {id status}}}
}
"""
STOP_SENSOR = "mutation Stop($id: String!) {stopSensor(id: $id) {__typename}}"
START_SENSOR = "mutation Start($sensor: SensorSelector!) {startSensor(sensorSelector: $sensor) {__typename}}"


def ask(url: str, query: str, **variables: Any) -> Any:
    """Return what the webserver answers."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    with http.open(Request(f"{url}/graphql", body, {"Content-Type": "application/json"}), timeout=60) as answer:
        return json.load(answer)["data"]


def states(url: str, tag: str, value: str) -> list[str]:
    """Return the states of the runs with a tag, the first run first."""
    found = ask(url, STATES, tags=as_list({tag: value}))["runsOrError"]["results"]
    return [run["status"] for run in reversed(found)]


def as_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Return tags as the webserver wants them."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def turn_off(url: str, sensor: str) -> None:
    """Turn a sensor off, which must be on."""
    state = ask(url, SENSOR, sensor=_selector(sensor))["sensorOrError"]["sensorState"]
    assert state["status"] == "RUNNING"
    assert ask(url, STOP_SENSOR, id=state["id"])["stopSensor"]["__typename"] == "StopSensorMutationResult"


def turn_on(url: str, sensor: str) -> None:
    """Turn a sensor on."""
    assert ask(url, START_SENSOR, sensor=_selector(sensor))["startSensor"]["__typename"] == "Sensor"


def _selector(sensor: str) -> dict[str, str]:
    place = {"repositoryLocationName": "cdp_pipeline", "repositoryName": "__repository__"}
    return {**place, "sensorName": sensor}
