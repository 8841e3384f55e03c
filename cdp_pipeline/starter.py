"""Writes what a newcomer starts from: a small project with a handful of events, or the example shop's landing files."""

import json
import shutil
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

from cdp_pipeline.config.model import Project
from cdp_pipeline.demo import DemoFacts, estimate_people, generate
from cdp_pipeline.errors import UsageError
from cdp_pipeline.progress import Listener

STARTER = (
    "project.yaml",
    "landing/web/2026-01-01/events.ndjson",
    "landing/web/2026-01-02/events.ndjson",
    "tests/log-in.yaml",
)
MARKER = ".demo-data.json"


@dataclass(frozen=True)
class DemoData:
    """What was written, and by which wishes; `facts` is None when the files were there already."""

    folder: Path
    people: int
    days: int
    seed: int
    facts: DemoFacts | None


def write_starter(folder: Path) -> list[Path]:
    """Writes a small project that is ready to run, and returns its files.

    Raises:
        UsageError: the folder already holds a project.
    """
    if (folder / "project.yaml").exists():
        raise UsageError(f"{folder / 'project.yaml'} is there already; `cdp init` makes new projects only.")
    written = []
    for name in STARTER:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files("cdp_pipeline").joinpath("templates", *name.split("/")).read_text(encoding="utf-8"))
        written.append(path)
    return written


def write_demo_data(
    project: Project,
    people: int,
    events: int | None,
    days: int,
    seed: int,
    *,
    if_missing: bool,
    progress: Listener,
) -> DemoData:
    """Writes the example shop's landing files, in the place of those it wrote before.

    Args:
        project: where to write; its start is the first day.
        people: how many people.
        events: about how many events, instead of people.
        days: how many days.
        seed: the same seed gives the same files.
        if_missing: do nothing when the files are there, whatever was wished then.
        progress: told how many days are done.

    Raises:
        UsageError: the landing folder holds files that are not ours.
    """
    landing, truth = project.folder / "landing", project.folder / "truth"
    marker = landing / MARKER
    wished = {"people": estimate_people(events, days) if events else people, "days": days, "seed": seed}
    if marker.exists() and if_missing:
        return DemoData(landing, **json.loads(marker.read_text(encoding="utf-8")), facts=None)
    if landing.exists() and any(landing.iterdir()) and not marker.exists():
        raise UsageError(
            f"{landing} holds files that `cdp demo-data` did not write, and it replaces what is there. Name an empty "
            "project with --project."
        )
    shutil.rmtree(landing, ignore_errors=True)
    shutil.rmtree(truth, ignore_errors=True)
    landing.mkdir(parents=True)
    marker.write_text(json.dumps(wished), encoding="utf-8")
    facts = generate(
        project.folder, start=project.start, progress=lambda done, total: progress("days", done, total), **wished
    )
    return DemoData(landing, **wished, facts=facts)


def demo_as_json(demo: DemoData) -> dict[str, object]:
    """What was written, for scripts."""
    return {"folder": str(demo.folder)} | {key: value for key, value in asdict(demo).items() if key != "folder"}
