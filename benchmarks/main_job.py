"""All stages of a project, once, without Dagster; the figures as JSON."""

import json
import sys
from pathlib import Path

from benchmarks.measure import Stopwatch, peak_memory_mb
from cdp_pipeline.operations.pipeline import landing_due, run_stages, stages_due
from cdp_pipeline.operations.session import open_session
from cdp_pipeline.operations.summary import kind_summaries
from cdp_pipeline.validation import load_valid_project


def main() -> None:
    """Runs the stages (or, with `--again`, only looks whether there is anything to do)."""
    folder, again = Path(sys.argv[1]), "--again" in sys.argv
    whole = Stopwatch()
    project = load_valid_project(folder)
    stages = []
    with open_session(project, "bench", lambda holder: None) as session:
        if again:
            idle = not landing_due(session.connection, project, session.run).readings
            assert idle
            assert not stages_due(session.connection, project)
        else:
            watch = Stopwatch()
            for facts in run_stages(session.connection, project, session.run):
                stages.append((facts.asset, *watch.read()))
                watch = Stopwatch()
        events = kind_summaries(session.connection, project)[0].events
    cpu, wall = whole.read()
    print(json.dumps({"stages": stages, "cpu": cpu, "wall": wall, "memory_mb": peak_memory_mb(), "events": events}))  # noqa: T201


if __name__ == "__main__":
    main()
