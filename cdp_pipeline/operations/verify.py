"""Whether what is published is exactly what a rebuild gives: `cdp verify`.

All stages after `customer_events` work again from the landed events, in one transaction that is rolled back, and every
table that they write is compared row by row with what was published. Registry, decisions and the last map are kept, as
`cdp run --full` keeps them. What a run has still to take in, such as rows that somebody marked, is taken in first and
told; a project that was edited since the last run is refused, for what is published was made by another one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cdp_pipeline.attributes.clock_use import worked_out_daily
from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import WarehouseError
from cdp_pipeline.events.landing import plan_landing
from cdp_pipeline.operations.pipeline import STAGES_OF_A_KIND
from cdp_pipeline.operations.plan import why_due
from cdp_pipeline.operations.session import Session
from cdp_pipeline.operations.verify_rows import SQL, Comparison, TableVerdict
from cdp_pipeline.progress import report
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.stage import Due, Run, what_is_due


@dataclass(frozen=True)
class KindVerdict:
    """What came of the comparison of one kind of entity, table by table in flow order."""

    kind: str
    tables: list[TableVerdict]

    @property
    def same(self) -> bool:
        """Whether no row differs."""
        return not any(table.differing or table.columns for table in self.tables)


@dataclass(frozen=True)
class VerifyReport:
    """Whether what is published is what a rebuild gives.

    Attributes:
        notes: what a person should know, such as what was still due.
    """

    same: bool
    notes: list[str]
    kinds: list[KindVerdict]


def verify(session: Session) -> VerifyReport:
    """Rebuilds and compares all kinds of entity; the session is that of `open_rehearsal`, which takes it back.

    Raises:
        WarehouseError: the project was edited since the last run, or none has come so far; or a stage cannot be done.
        InvariantError: a rebuild would break an invariant, so that a run would not publish it.
    """
    connection, project = session.connection, session.project
    run = _as_the_last(connection, project, session.run)
    notes = list(_waiting(session))
    for kind in project.entities:
        notes += [f"{due}; it was taken in first." for due in take_in_due(connection, project, kind, run)]
    verdicts: list[KindVerdict] = []
    steps = len(project.entities) * len(STAGES_OF_A_KIND)
    for kind in project.entities:
        schemas = {"cdp": project.schema_name, "kind": project.entities[kind].schema_name}
        comparison = Comparison(connection, schemas, passing=worked_out_daily(project.entities[kind]))
        for number, (spec, work) in enumerate(STAGES_OF_A_KIND, len(verdicts) * len(STAGES_OF_A_KIND)):
            step = spec(project, kind).asset.replace("/", "__")
            report(step, number, steps)
            work(connection, project, kind, run, full=True)
            report(step, number + 1, steps)
        verdicts.append(KindVerdict(kind, comparison.verdicts()))
    return VerifyReport(all(verdict.same for verdict in verdicts), notes, verdicts)


def take_in_due(connection: Connection, project: Project, kind: str, run: Run) -> list[str]:
    """Does what the stages of a kind have still to take in, and tells which and why.

    Raises:
        WarehouseError: a stage has all of its work to do, so that there is nothing to compare with.
    """
    told = []
    for of_kind, work in STAGES_OF_A_KIND:
        spec = of_kind(project, kind)
        due, _ = what_is_due(connection, spec)
        if due is Due.NOTHING:
            continue
        why = f"{spec.asset} was due ({why_due(connection, spec)})"
        if due is Due.ALL:
            raise WarehouseError(
                f"There is nothing to compare yet: {why}, all of it. The project was edited since the last run, "
                "perhaps, or that run has not come to its end. Run `cdp run` first; `cdp plan` tells what that changes."
            )
        told.append(why)
        work(connection, project, kind, run)
    return told


def _as_the_last(connection: Connection, project: Project, run: Run) -> Run:
    """The run with what now() meant in the last one: what is published was calculated with that."""
    rows = connection.fetch(SQL["last_as_of"].bind({"cdp": project.schema_name}))
    return replace(run, as_of=rows[0][0]) if rows else run


def _waiting(session: Session) -> Iterator[str]:
    landing = plan_landing(session.connection, session.project, session.run, None)
    places = [reading.place for reading in landing.readings]
    if places:
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        yield f"Not landed yet, and not looked at: {', '.join(places[:3])}{more}. `cdp run` lands them."
