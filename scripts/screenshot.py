"""Take a picture of a project's asset graph, as Dagster's UI shows it: every group open, every asset with its checks.

Chromium runs headless and is driven over its DevTools protocol, because a picture after a fixed time shows an empty
page on a slow day. The UI draws assets small, without their checks, when the graph does not fit the window; so the
window is made as large as the graph, and the picture is scaled down instead.
"""

import argparse
import base64
import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from websockets.sync.client import ClientConnection, connect

from scripts.dev_server import ServerError, dev_server, free_port, graphql, http, load_errors

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
SECONDS_TO_WAIT = 90
SECONDS_TO_SETTLE = 2.0
FIRST_WINDOW = (2400, 1600)
LONGEST_SIDE = 3000  # of the picture, in pixels
ASSETS = "{assetNodes {assetKey {path}}}"
# Sensors are on, look as soon as the daemon is up, and may ask for a run, in which assets look otherwise.
AT_WORK = """{
  sensorsOrError(repositorySelector: {repositoryLocationName: "cdp_pipeline", repositoryName: "__repository__"}) {
    ... on Sensors {results {sensorState {status ticks(limit: 1) {status}}}}
  }
  runsOrError(filter: {statuses: [QUEUED, NOT_STARTED, STARTING, STARTED, CANCELING]}) {... on Runs {results {id}}}
}"""
# What the graph says, and its size before it is zoomed to fit; null until it is drawn.
GRAPH = """(() => {
  const box = document.querySelector("[data-svg-viewport]");
  const svg = box && [...box.querySelectorAll("svg")].find((one) => one.querySelector("foreignObject"));
  if (!svg) return null;
  const around = box.getBoundingClientRect();
  return {
    html: box.innerHTML,
    text: box.innerText,
    width: Number(svg.getAttribute("width")) + window.innerWidth - around.width,
    height: Number(svg.getAttribute("height")) + window.innerHeight - around.height,
  };
})()"""


class PictureError(Exception):
    """The picture could not be taken; the message says what was missing."""


class Page:
    """A page of the browser, spoken to over the DevTools protocol."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._calls = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result; events in between are of no interest."""
        self._calls += 1
        self._connection.send(json.dumps({"id": self._calls, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._connection.recv(timeout=SECONDS_TO_WAIT))
            if answer.get("id") != self._calls:
                continue
            if "error" in answer:
                raise PictureError(f"Chromium refused {method}: {answer['error']['message']}")
            result: dict[str, Any] = answer["result"]
            return result

    def resize(self, width: int, height: int, scale: float) -> None:
        """Make the window's inside this large, and each of its pixels `scale` pixels of the picture."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    def graph(self) -> dict[str, Any] | None:
        """Return what the asset graph shows at the moment."""
        value: dict[str, Any] | None = self.call("Runtime.evaluate", expression=GRAPH, returnByValue=True)[
            "result"
        ].get("value")
        return value

    def settled_graph(self, names: set[str]) -> dict[str, Any]:
        """Return the graph once it shows all these names, loads nothing any more and has stopped changing."""
        end = time.monotonic() + SECONDS_TO_WAIT
        seen, since = None, 0.0
        missing = names
        while time.monotonic() < end:
            graph = self.graph()
            if graph is None or graph["html"] != seen:
                seen, since = graph and graph["html"], time.monotonic()
            missing = names if graph is None else {name for name in names if name not in graph["text"]}
            still = time.monotonic() - since > SECONDS_TO_SETTLE
            if graph is not None and still and not missing and "Loading" not in graph["text"]:
                return graph
            time.sleep(0.2)
        raise PictureError(f"the asset graph did not come to show: {', '.join(sorted(missing)) or 'a still picture'}")

    def press_alt(self, letter: str) -> None:
        """Press a letter together with Alt."""
        for kind in ("rawKeyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, modifiers=1, code=f"Key{letter}", windowsVirtualKeyCode=ord(letter)
            )


@contextmanager
def browser() -> Iterator[Page]:
    """Run Chromium with an empty profile; gives its one page."""
    program = next((found for found in map(shutil.which, PROGRAMS) if found), None)
    if program is None:
        raise PictureError("there is no Chromium here; on Debian and Ubuntu: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            with connect(page_address(Path(profile), process), max_size=None, proxy=None) as connection:
                yield Page(connection)
        finally:
            process.terminate()
            process.wait(timeout=20)


def page_address(profile: Path, process: "subprocess.Popen[bytes]") -> str:
    """Return where the browser's page is spoken to; Chromium writes its port into the profile when it listens."""
    port_file = profile / "DevToolsActivePort"
    end = time.monotonic() + SECONDS_TO_WAIT
    while time.monotonic() < end and process.poll() is None:
        if port_file.exists() and (lines := port_file.read_text().split()):
            with http.open(f"http://127.0.0.1:{lines[0]}/json/list", timeout=10) as answer:
                return next(str(page["webSocketDebuggerUrl"]) for page in json.load(answer) if page["type"] == "page")
        time.sleep(0.1)
    raise PictureError(
        f"Chromium did not start (code {process.poll()}); try it by hand: chromium --headless=new about:blank"
    )


def wait_until_idle(url: str) -> None:
    """Return once every sensor that is on has looked, and no run waits or works."""
    end = time.monotonic() + SECONDS_TO_WAIT
    while time.monotonic() < end:
        told = graphql(url, AT_WORK)
        states = [sensor["sensorState"] for sensor in told["sensorsOrError"]["results"]]
        ticks = [state["ticks"] for state in states if state["status"] == "RUNNING"]
        looked = all(found and found[0]["status"] != "STARTED" for found in ticks)
        if looked and not told["runsOrError"]["results"]:
            return
        time.sleep(1)
    raise PictureError(f"the runs that sensors asked for did not end within {SECONDS_TO_WAIT} seconds")


def take_picture(page: Page, url: str, names: set[str]) -> bytes:
    """Open the lineage of all assets, open its groups, fit the window to it, and return a PNG."""
    page.resize(*FIRST_WINDOW, 1)
    page.call("Page.navigate", url=f"{url}/asset-groups")
    page.settled_graph(set())
    # The UI's own shortcut, which opens all groups; it remembers them, and zooms to fit when it is loaded again. With
    # a single group there are none to open.
    page.press_alt("E")
    graph = page.settled_graph(set())
    width, height = math.ceil(graph["width"]), math.ceil(graph["height"])
    page.resize(width, height, min(1, LONGEST_SIDE / max(width, height)))
    page.call("Page.reload")
    page.settled_graph(names)
    return base64.b64decode(page.call("Page.captureScreenshot", format="png")["data"])


def main() -> int:
    """Start the UI, take the picture, stop the UI."""
    parser = argparse.ArgumentParser(description="Take a picture of a project's asset graph.")
    parser.add_argument("project", type=Path, help="the project's folder")
    parser.add_argument("picture", type=Path, help="the PNG to write")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    try:
        with tempfile.TemporaryDirectory() as folder, browser() as page:
            log = Path(folder) / "dagster.log"
            with dev_server(arguments.project, free_port(), log=log) as server:
                for name, message in load_errors(server.url).items():
                    raise PictureError(f"{name} could not be loaded: {message}")
                wait_until_idle(server.url)
                names = {node["assetKey"]["path"][-1] for node in graphql(server.url, ASSETS)["assetNodes"]}
                picture = take_picture(page, server.url, names)
    except (PictureError, ServerError) as error:
        console.print(str(error), style="red", markup=False)
        return 1
    arguments.picture.parent.mkdir(parents=True, exist_ok=True)
    arguments.picture.write_bytes(picture)
    console.print(f"{arguments.picture}: {len(names)} assets, {len(picture) / 1e3:,.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
