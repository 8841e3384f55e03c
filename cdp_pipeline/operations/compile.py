"""Every statement of a project, written out in the order in which data flows, one file a stage.

The stages run over an empty warehouse in memory and what they run is noted; a row of each source that says nothing goes
before, so that landing has something to do. What a stage runs only where a part of its input has changed, or there is
something to take away, follows in the same file as it stands in the package. No server is asked, so a source over a
table, whose columns only the server knows, is left out and named, and types are those of the engine in process.

Values are parameters of the driver and stay names: `$name` on DuckDB, `%(name)s` on PostgreSQL.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import CdpError, UsageError
from cdp_pipeline.events.customer_events import customer_events_spec, land_events
from cdp_pipeline.events.event_counts import count_events, event_counts_spec
from cdp_pipeline.events.landing import Plan
from cdp_pipeline.operations.empty_rows import empty_readings
from cdp_pipeline.operations.pipeline import STAGES_OF_A_KIND
from cdp_pipeline.operations.summary import schemas_of
from cdp_pipeline.sql.statements import Statement, Statements, statement
from cdp_pipeline.warehouse.recording import DIALECTS, Noted, RecordingConnection, note, recording_connection
from cdp_pipeline.warehouse.stage import Run, StageSpec

MARKER = ".compiled-by-cdp"
_ROOMS = ("cdp_pipeline.events", "cdp_pipeline.identity", "cdp_pipeline.attributes")
_SOMEBODY = (
    "insert into kind.stitched_events (event_id, entity_id) values (cast(:event as uuid), cast(:entity as uuid))"
)
_PARTS = "not here: how a server parts the tables of days by month, and its indexes, which come with the first rows"
_NIL = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class CompiledStage:
    """A stage's statements: those of a whole calculation in order, and those that only a change needs."""

    stage: str
    inputs: tuple[str, ...]
    noted: Sequence[Noted]
    on_change: Sequence[Noted]
    remarks: Sequence[str] = ()

    def text(self, engine: str) -> str:
        """The stage's file."""
        every = [*self.noted, *self.on_change]
        writes = sorted({name for each in every for name in each.writes})
        reads = sorted({name for each in every for name in each.reads})
        head = [f"stage: {self.stage}", f"engine: {engine}", f"follows: {', '.join(self.inputs) or 'nothing'}",
                f"reads: {', '.join(reads) or 'nothing'}", f"writes: {', '.join(writes) or 'nothing'}",
                *self.remarks]  # fmt: skip
        parts = ["".join(f"-- {line}\n" for line in head), *map(_written, self.noted)]
        if self.on_change:
            parts.append(
                "-- What follows is run only where a part of the input has changed, or something is to be taken away.\n"
                "-- What the project puts into it, such as a condition, is named like a value.\n"
            )
        return "\n".join([*parts, *map(_written, self.on_change)])


def _written(noted: Noted) -> str:
    return f"-- name: {noted.name}\n{noted.text};\n"


@dataclass(frozen=True)
class Compiled:
    """What was written: the folder and its files, in flow order."""

    folder: Path
    engine: str
    files: list[str]
    statements: int


def engine_of(project: Project, asked: str | None) -> str:
    """The engine that was asked for, or the project's.

    Raises:
        UsageError: there is no such engine.
    """
    if asked is not None and asked not in DIALECTS:
        raise UsageError(f"There is no engine `{asked}`. There is: {', '.join(DIALECTS)}.")
    return asked or project.engine


def compile_project(project: Project, engine: str) -> list[CompiledStage]:
    """Every stage with its statements, as an engine is given them."""
    with recording_connection(engine) as connection, TemporaryDirectory() as folder:
        stages = list(_stages(connection, project, Path(folder)))
    return _with_the_rest(stages, project, engine)


def _stages(connection: RecordingConnection, project: Project, folder: Path) -> Iterator[CompiledStage]:
    kinds = [entity.schema_name for entity in project.entities.values()]
    connection.set_up(project.name, project.schema_name, kinds)
    yield CompiledStage("tables", (), _taken(connection), (), [_PARTS])
    now = datetime.combine(project.start, time(), UTC)
    run = Run("compile", now, now)
    readings, remarks = empty_readings(project, folder)
    land_events(connection, project, run, plan=Plan(readings))
    yield CompiledStage(customer_events_spec(project).asset, (), _taken(connection), (), remarks)
    count_events(connection, project, run, full=True)
    counts = event_counts_spec(project)
    yield CompiledStage(counts.asset, counts.inputs, _taken(connection), ())
    for kind in project.entities:
        for spec_of, work in STAGES_OF_A_KIND:
            spec = spec_of(project, kind)
            with suppress(CdpError):  # a table of the user's is not there; nobody's profile is not calculated
                work(connection, project, kind, run, full=True)
            noted = _taken(connection)
            if spec.asset.endswith("/stitched_events"):
                _add_somebody(connection, spec)
            yield CompiledStage(spec.asset, spec.inputs, noted, ())


def _taken(connection: RecordingConnection) -> list[Noted]:
    """What was noted since the last time, each statement once."""
    noted = list(dict.fromkeys(connection.noted))
    connection.noted.clear()
    return noted


def _add_somebody(connection: RecordingConnection, spec: StageSpec) -> None:
    """Somebody whose one event is nowhere, so that attributes are calculated, of nothing."""
    connection.run(statement("compile.somebody", _SOMEBODY).bind(spec.schemas), event=_NIL, entity=_NIL)
    connection.noted.clear()


def _with_the_rest(stages: Sequence[CompiledStage], project: Project, engine: str) -> list[CompiledStage]:
    """The stages with what stands in the files of their statements and was not run; files of no stage come last."""
    library = _library()
    used: set[str] = set()
    complete = []
    for stage in stages:
        done = {each.name for each in stage.noted}
        files_of_it = {name.partition(".")[0] for name in done} & library.keys()
        used |= files_of_it
        schemas = _schemas(project, stage.stage)
        rest = [each.bind(schemas) for name in sorted(files_of_it) for each in library[name] if each.name not in done]
        complete.append(replace(stage, on_change=[note(each, engine) for each in rest]))
    others = [each for name in sorted(library.keys() - used) for each in library[name]]
    schemas = _schemas(project, "")
    if others:
        complete.append(CompiledStage("others", (), (), [note(each.bind(schemas), engine) for each in others]))
    return complete


def _library() -> dict[str, list[Statement]]:
    """The statements of the rooms by the name of their file."""
    found: dict[str, list[Statement]] = {}
    for room in _ROOMS:
        for file in sorted(each.name for each in files(room).iterdir() if each.name.endswith(".sql")):
            sql = Statements(room, file)
            found[file.removesuffix(".sql")] = [sql[name] for name in sql.names()]
    return found


def _schemas(project: Project, asset: str) -> dict[str, str]:
    kind = asset.partition("/")[0]
    kinds = list(project.entities)
    return schemas_of(project, kind if kind in kinds else kinds[0]) if kinds else {"cdp": project.schema_name}


def write_compiled(stages: Sequence[CompiledStage], engine: str, folder: Path) -> Compiled:
    """Writes the stages into a folder, each file at once, in the place of what an earlier compiling wrote there.

    Files of other people's stay as they are.

    Raises:
        UsageError: the folder holds something and was not made by compiling.
        CdpError: it cannot be written.
    """
    marker = folder / MARKER
    texts = {
        f"{number:02}_{stage.stage.replace('/', '__')}.sql": stage.text(engine) for number, stage in enumerate(stages)
    }
    try:
        if folder.exists() and not marker.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} holds something else. Name a new folder, or an empty one, with --to.")
        folder.mkdir(parents=True, exist_ok=True)
        before = set(marker.read_text(encoding="utf-8").split()) if marker.exists() else set()
        # What is ours is known before the first file is there, so that a compiling that is broken off can be repeated.
        _write(marker, "\n".join(sorted(before | texts.keys())) + "\n")
        for name, text in texts.items():
            _write(folder / name, text)
        for name in before - texts.keys():
            (folder / name).unlink(missing_ok=True)
        _write(marker, "\n".join(sorted(texts)) + "\n")
    except OSError as error:
        raise CdpError(f"{folder} cannot be written: {error.strerror}. Name another folder with --to.") from error
    count = sum(len(stage.noted) + len(stage.on_change) for stage in stages)
    return Compiled(folder.absolute(), engine, list(texts), count)


def _write(file: Path, text: str) -> None:
    part = file.with_name(f".{file.name.lstrip('.')}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)
