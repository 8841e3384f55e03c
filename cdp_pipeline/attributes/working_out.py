"""Works out the attributes that are due into `profile_values`: a row for each entity that the run touches.

Who gained or lost events is due for all attributes. Beside that some attributes may be due for everyone, because their
definition or a context value that they read became another one or another day began, and some for those of whom an
event crossed the boundary of a window; what else is known of these entities stays as it was. Slices of entities are
ranges of the entity's id, which is a hash, so that they are about equal and memory is bounded.
"""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlglot import exp

from cdp_pipeline.attributes.context_values import ContextValues, context_query, work_out
from cdp_pipeline.attributes.culprit import largest
from cdp_pipeline.attributes.definition_errors import first_line
from cdp_pipeline.attributes.graph import Graph, Node
from cdp_pipeline.attributes.language import MOST_SECONDS, at
from cdp_pipeline.attributes.plan import SQL, named
from cdp_pipeline.attributes.program import Program, errors_of
from cdp_pipeline.attributes.readable import Made, Readable
from cdp_pipeline.attributes.states import States, moved_entities
from cdp_pipeline.attributes.table import VALUES, make_values
from cdp_pipeline.config.model import Entity
from cdp_pipeline.errors import WarehouseError
from cdp_pipeline.progress import report
from cdp_pipeline.sql.statements import Statement
from cdp_pipeline.tables import KIND, PROFILES
from cdp_pipeline.warehouse.stage import Due, Work

EVENTS_PER_SLICE = 2_500_000
_PASS = "pass_values"
_IDS = 1 << 128


class CalculationError(WarehouseError):
    """The statement that calculates attributes failed."""


class WorkingOut:
    """The attributes that are due in one transaction.

    Attributes:
        calculations: the attributes that are kept, in the order of the project file.
        everyone: whether every profile is touched.
        touches_more: whether others are touched beside those who are due for all attributes.
        figures: how many context values were worked out, how many of them changed, and for each attribute that may fail
            how often it did and is NULL instead.
    """

    def __init__(self, work: Work, entity: Entity, graph: Graph, states: States) -> None:
        """Reads the definitions and asks the engine for their types.

        Raises:
            SqlError: a definition is not allowed; the message names it.
        """
        self._work = work
        self._entity = entity
        self._graph = graph
        self._states = states
        self.readable = Readable.of(work.connection, entity, graph)
        self._kept = [attribute.id for attribute in entity.attributes if not attribute.hidden]
        self._whole = self._program(self._kept)
        self.calculations = self._whole.calculations
        self.context = ContextValues(work, entity, graph, states)
        self.everyone = work.due is Due.ALL
        self.touches_more = False
        self.figures: dict[str, int] = {}

    def fill(self, fresh: Collection[str]) -> None:
        """Fills `profile_values`; `profile_due` then holds all entities that are touched, if not everyone is.

        Args:
            fresh: attributes whose columns of the profiles are new.
        """
        as_of = self._work.current_run.as_of
        top = max(self._graph.layers.values(), default=0)
        for_everyone = set() if self.everyone else self._states.changed() | self._states.of_another_day(as_of)
        for_everyone = self._graph.readers_of(for_everyone | {Node("attribute", name) for name in fresh})
        for_everyone = self._states.agreeing(for_everyone)
        moved = None if self.everyone else moved_entities(self._states.boundaries(as_of))
        if moved is not None:
            self._work.run(named("moved", _temporary("profile_moved", moved)))
        windows = self._states.agreeing(self._graph.readers_of(self._states.with_windows()))
        make_values(self._work, self._whole.columns)
        self.context.unmark()
        self._insert(self._of_layer(0))
        for layer in range(top + 1):
            changed = self._states.agreeing(self._renew(layer)) - for_everyone
            for below in range(layer):
                self._pass(changed, below, None)
            for_everyone |= changed
            if layer:
                self._update(self._of_layer(layer), self.due_events())
            self._pass(for_everyone, layer, None)
            if moved is not None:
                self._pass(windows - for_everyone, layer, "profile_moved")

    def due_events(self) -> exp.Expr:
        """The stitched events of those who are due for all attributes."""
        return exp.table_("stitched_events", db=KIND) if self._work.due is Due.ALL else exp.to_table("due_stitched")

    def bind(self, tree: exp.Expr) -> exp.Expr:
        """The tree with the time of the run and the context values in their places."""
        return at(tree, self._work.current_run.as_of, self.context.values)

    def failing_derived(self, owned: exp.Expr, error: WarehouseError) -> WarehouseError:
        """The error that names the derived attribute at fault; the one that is given where none fails by itself.

        Args:
            owned: the query of all events with their entities.
            error: what the engine said.
        """
        for attribute in self._entity.attributes:
            program = self._program([attribute.id]) if attribute.type == "derived" else None
            if program is None or program.has_tables:
                continue
            query = named("derived", self.bind(largest(program.results(owned), [attribute.id])))
            try:
                self._work.fetch(query)
            except WarehouseError as found:
                return WarehouseError(
                    f"{self._entity.kind} attribute {attribute.id}: {first_line(found)}. Nothing was written. Let its "
                    "expression spare what it cannot use, or say `on_error: null`.",
                    statement=error.statement,
                )
        return error

    def _program(self, ids: Collection[str]) -> Program:
        return Program(self._work.connection, self._entity, self._graph, self.readable, ids)

    def _of_layer(self, layer: int, among: Collection[Node] | None = None) -> list[str]:
        """The kept attributes of a layer, of all or of some."""
        nodes = {Node("attribute", name): name for name in self._kept}
        return [
            name
            for node, name in nodes.items()
            if self._graph.layers[node] == layer and (among is None or node in among)
        ]

    def _insert(self, ids: Sequence[str]) -> None:
        """Works out attributes of those who are due, whose rows begin with them."""
        program = self._whole if len(ids) == len(self._kept) else self._program(ids)
        self._calculate(program, VALUES, self.due_events())

    def _update(self, ids: Sequence[str], stitched: exp.Expr) -> None:
        """Works out attributes of entities whose rows are there."""
        if not ids:
            return
        program = self._program(ids)
        make_values(self._work, program.columns, _PASS)
        self._calculate(program, _PASS, stitched)
        self._work.run(_taking_in(ids))
        self._work.connection.drop_temporary([_PASS])

    def _pass(self, nodes: Collection[Node], layer: int, entities: str | None) -> None:
        """Works out some attributes for everyone, or for some beside those who are due."""
        ids = self._of_layer(layer, nodes)
        if not ids or self._work.due is Due.ALL:
            return
        stitched: exp.Expr = exp.table_("stitched_events", db=KIND)
        if entities is None:
            self.everyone = True
            for name in ids:  # those who are due are worked out once more
                self.figures.pop(_figure_of_errors(name), None)
        else:
            among = exp.column("entity_id", table="t").isin(query=exp.select("m.entity_id").from_(f"{entities} as m"))
            chosen = exp.select("t.event_id", "t.entity_id").from_(exp.alias_(stitched, "t", table=True)).where(among)
            stitched = exp.Subquery(this=chosen)
        self.touches_more = True
        self._carry_over(entities)
        self._update(ids, stitched)

    def _carry_over(self, entities: str | None) -> None:
        """Takes in the rows of further entities as they are, so that they can be changed in part."""
        columns = ["entity_id", *self._kept]
        kept = [exp.column(name, table="p", quoted=True) for name in columns]
        query = exp.select(*kept).from_(exp.alias_(exp.table_(PROFILES.name, db=KIND), "p", table=True))
        mentioned = exp.column("entity_id", table="p")
        if entities is not None:
            query = query.where(mentioned.isin(query=exp.select("m.entity_id").from_(f"{entities} as m")))
        # Who is due has a row already, or no events any more and so no profile.
        due = exp.select("d.entity_id").from_("profile_due as d")
        query = query.where(exp.Not(this=mentioned.isin(query=due)))
        quoted = [exp.to_identifier(name, quoted=True) for name in columns]
        self._work.run(named("carry_over", exp.insert(query, VALUES, columns=quoted)))
        self._work.run(SQL["also_due"])

    def _calculate(self, program: Program, into: str, stitched: exp.Expr) -> None:
        names = [exp.to_identifier(name, quoted=True) for name in ("entity_id", *(c.id for c in program.columns))]
        events = SQL["due_events"].bind({}, stitched=stitched).tree
        count = int(self._work.fetch(SQL["count_due_events"], {"stitched": stitched})[0][0])
        slices = -(-count // EVENTS_PER_SLICE)
        for number in range(slices):
            report(self._work.spec.asset, number, slices)
            ends = {"low": number * _IDS // slices, "high": (number + 1) * _IDS // slices - 1}
            part = {name: str(UUID(int=end)) for name, end in ends.items()}
            self._calculate_part(program, events, exp.to_table(into), names, part)
        if slices:
            report(self._work.spec.asset, slices, slices)
        self._count_failures(program, into)

    def _count_failures(self, program: Program, table: str) -> None:
        """Notes how often attributes failed, among those whose values stand in a table."""
        forgiving = [each.id for each in program.calculations if each.errors is not None]
        if not forgiving:
            return
        sums = [
            exp.func(
                "coalesce", exp.Sum(this=exp.column(errors_of(name), table="v", quoted=True)), exp.Literal.number(0)
            )
            for name in forgiving
        ]
        (found,) = self._work.fetch(named("failures", exp.select(*sums).from_(f"{table} as v")))
        for name, count in zip(forgiving, found, strict=True):
            figure = _figure_of_errors(name)
            self.figures[figure] = self.figures.get(figure, 0) + int(count)

    def _calculate_part(
        self, program: Program, events: exp.Expr, into: exp.Table, names: list[exp.Identifier], part: dict[str, str]
    ) -> None:
        made = [self._make(table, part) for table in program.tables(events)]
        try:
            self._run("calculate", exp.insert(program.results(events), into, columns=names), part)
        except WarehouseError as error:
            if error.transient:
                raise
            raise CalculationError(str(error), statement=error.statement) from error
        self._work.connection.drop_temporary(made)

    def _make(self, table: Made, part: dict[str, str]) -> str:
        """Makes a temporary table of a slice, and returns its name."""
        try:
            self._run(table.name, _temporary(table.name, table.query), part)
        except WarehouseError as error:
            if error.transient or table.of is None:
                raise
            said = f"{self._entity.kind} {table.of}: {first_line(error)}. Nothing was written."
            raise WarehouseError(said, statement=error.statement) from error
        self._work.connection.find_rows_by(table.name, "entity_id")
        if table.single:
            self._must_be_single(table)
        return table.name

    def _must_be_single(self, table: Made) -> None:
        entity, count = self._work.fetch(SQL["several_values"], {"made": exp.to_table(table.name)})[0]
        if count:
            raise WarehouseError(
                f"{self._entity.kind} {table.of}: its query gave more than one row for {count:,} entities, entity "
                f"{entity} among them. Nothing was written. Let it give one (an aggregate, or LIMIT 1), or say "
                "`multiple: true` for a list."
            )

    def _run(self, name: str, tree: exp.Expr, part: dict[str, str]) -> None:
        tree = self.bind(tree)
        asked = {place.name for place in tree.find_all(exp.Placeholder)}
        values: dict[str, Any] = {key: value for key, value in part.items() if key in asked}
        with self._work.connection.bounded(MOST_SECONDS):
            self._work.run(named(name, tree), **values)

    def _renew(self, layer: int) -> set[Node]:
        """Works out the context values of a layer that are due; the attributes that read those which changed."""
        due = self.context.due(layer)
        if not due:
            return set()
        known = {calculation.id: calculation for calculation in self.calculations}
        queries = {each.key: context_query(self._work.connection, self.readable, known, each) for each in due}
        made = self._make_metas({name for query in queries.values() for name in query.reads})
        changed: set[Node] = set()
        for each in due:
            self.figures["context_values"] = self.figures.get("context_values", 0) + 1
            value = work_out(self._work, queries[each.key], each, self._everyones(), self.bind)
            if self.context.record(each, value):
                self.figures["context_values_changed"] = self.figures.get("context_values_changed", 0) + 1
                changed |= self._graph.readers_of({Node("context", each.key)})
        self._work.connection.drop_temporary(made)
        return changed

    def _make_metas(self, names: Collection[str]) -> list[str]:
        """Makes the meta-attributes that context values read, for everyone."""
        everyone = exp.table_("stitched_events", db=KIND)
        events = SQL["due_events"].bind({}, stitched=everyone).tree
        part = {"low": str(UUID(int=0)), "high": str(UUID(int=_IDS - 1))}
        needed = [name for name in names if name in self.readable.metas]
        if not needed:
            return []
        return [self._make(table, part) for table in self.readable.tables_of(needed, self._graph, events)]

    def _everyones(self) -> exp.Expr:
        """The attributes of everyone as they are known so far."""
        names = ("entity_id", *self._kept)
        values = exp.select(*(exp.column(name, table="v", quoted=True) for name in names)).from_(f"{VALUES} as v")
        if self._work.due is Due.ALL:
            return values
        profile = exp.select(*(exp.column(name, table="p", quoted=True) for name in names))
        profile = profile.from_(exp.alias_(exp.table_(PROFILES.name, db=KIND), "p", table=True))
        touched = exp.column("entity_id", table="p").isin(query=exp.select("d.entity_id").from_("profile_due as d"))
        return exp.union(values, profile.where(exp.Not(this=touched)), distinct=False)


def _figure_of_errors(attribute_id: str) -> str:
    return f"errors in {attribute_id}"


def _temporary(name: str, query: exp.Expr) -> exp.Create:
    properties = exp.Properties(expressions=[exp.TemporaryProperty()])
    return exp.Create(this=exp.to_table(name), kind="TABLE", expression=query, properties=properties)


def _taking_in(ids: Sequence[str]) -> Statement:
    """Takes the attributes of a pass into the rows that are there."""
    update = SQL["take_in"].tree
    taken = [
        exp.EQ(this=exp.column(name, quoted=True), expression=exp.column(name, table="n", quoted=True)) for name in ids
    ]
    update.set("expressions", taken)
    return named("take_in", update)
