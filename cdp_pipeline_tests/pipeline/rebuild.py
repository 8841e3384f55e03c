"""Whether a run after a change left exactly what a rebuild leaves."""

from cdp_pipeline.operations.verify_slice import Slice, verify_slice
from cdp_pipeline_tests.pipeline.driver import Pipeline, Rows

# What a run writes about itself: its figures, its number, when it did what.
OF_THE_RUN = (
    "metrics",
    "replays",
    "number",
    "cursor",
    "changed_in",
    "rebuilt_in",
    "stitched",
    "calculated",
    "valid_at",
    "as_of",
    "due_at",
    # Counts are as of when they were counted last, which their own tests look at.
    "event_counts",
    "attribute_counts",
    "attribute_value_counts",
)


def _but_counts(table: str, rows: Rows) -> Rows:
    """Leave out what the stages that count noted of themselves: they work when enough has changed, and in full."""
    return [row for row in rows if table != "cdp.stages" or not str(row[0]).endswith("counts")]


def check_full_run(pipeline: Pipeline, where: str, *, proof: bool = False) -> None:
    """Calculate everything again: the same rows and ids in every table, and no change of the map.

    With `proof`, the check of the whole as one slice must pass before that and leave no row: so false alarms are looked
    for too.
    """
    before = pipeline.dump(without=OF_THE_RUN)
    if proof:
        for kind in pipeline.project.entities:
            verdict = verify_slice(pipeline.connection, pipeline.project, kind, pipeline.new_run(), Slice(0, 1))
            assert verdict.same, f"{verdict}, {where}"
        assert pipeline.dump(without=OF_THE_RUN) == before, where
    facts = pipeline.run(full=True)
    after = pipeline.dump(without=OF_THE_RUN)
    for table, rows in before.items():
        assert _but_counts(table, after[table]) == _but_counts(table, rows), f"{table}, {where}"
    assert facts["customer/entity_map"].metrics["changes"] == 0, where
