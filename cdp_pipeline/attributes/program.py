"""How some attributes of a kind are worked out: which temporary tables in which order, and one query for the results.

    events with row helpers (base) ──┬── ready-made attributes and expressions ──┐
                                     ├── meta-attributes ── custom ──────────────┼── derived, each after what it reads
    entity map ──────────────────────┴── identifiers ────────────────────────────┘

Every statement is about all the entities of a slice at once; there is no query for a single entity. Where nothing but
ready-made attributes over the events' own columns is asked for, there is no temporary table either.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from cdp_pipeline.attributes.attempts import Columns
from cdp_pipeline.attributes.calculation import Calculation, calculation_of, finished
from cdp_pipeline.attributes.definition_errors import WrongDefinition
from cdp_pipeline.attributes.forgiving import forgiving
from cdp_pipeline.attributes.graph import BASE, Graph, Node
from cdp_pipeline.attributes.language import read_expression
from cdp_pipeline.attributes.lists import as_list
from cdp_pipeline.attributes.plan import SQL, Plan, no_rows
from cdp_pipeline.attributes.query import results_query
from cdp_pipeline.attributes.readable import BASE_TABLE, PART_TABLE, Made, Readable
from cdp_pipeline.attributes.types_told import types_told
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.model import Entity
from cdp_pipeline.errors import SqlError, WarehouseError
from cdp_pipeline.sql.expressions import bind_known
from cdp_pipeline.sql.queries import Query
from cdp_pipeline.warehouse.base import Connection

# What a row of an attribute's query holds, and by what the rows of an entity are told apart.
_ROW = tuple(exp.column(name, table="q") for name in ("value", "place", "place"))


@dataclass(frozen=True)
class _Table:
    """An attribute whose values stand in a temporary table of their own."""

    attribute: Attribute
    query: Query | None

    @property
    def name(self) -> str:
        return f"values_of_{self.attribute.id}"

    @property
    def is_list(self) -> bool:
        return self.attribute.multiple or self.query is None


class Program:
    """What some attributes of a kind need, with all that they read.

    Attributes:
        calculations: what the attributes asked for are, in the order of the project file.
        columns: the columns of the results: the attributes, and how often those failed that may fail.
        has_tables: whether a slice needs temporary tables.
    """

    def __init__(
        self, connection: Connection, entity: Entity, graph: Graph, readable: Readable, ids: Collection[str]
    ) -> None:
        """Reads the attributes and asks the engine for their types.

        Raises:
            SqlError: an attribute is not allowed; the message names it.
        """
        self._connection = connection
        self._entity = entity
        self._readable = readable
        needed = graph.read_by(Node("attribute", name) for name in ids)
        written = {Node("attribute", attribute.id): attribute for attribute in entity.attributes}
        self._graph = graph
        self._metas = [node.id for node in needed if node.kind == "meta_attribute"]
        self._plan = Plan(connection, readable.relations)
        self._ready: list[Calculation] = []
        self._tables: list[_Table] = []
        self._later: list[Calculation] = []
        self._by_id: dict[str, Calculation] = {}
        for node in graph.order:
            if node in needed and node in written:
                self._add(written[node])
        self.calculations = [self._by_id[attribute.id] for attribute in entity.attributes if attribute.id in ids]
        self.columns = [*self.calculations, *filter(None, map(_errors, self.calculations))]
        self.has_tables = bool(self._metas or self._tables or readable.has_helpers)

    def tables(self, events: exp.Expr) -> Iterator[Made]:
        """The temporary tables of a slice, in the order in which they are made.

        Args:
            events: the query of the events of the entities of the slice.
        """
        if not self.has_tables:
            return
        yield from self._readable.tables_of(self._metas, self._graph, events)
        for table in self._tables:
            yield self._made(table)

    def results(self, events: exp.Expr) -> exp.Select:
        """One row for each entity of a slice: its id and the attributes asked for."""
        owned = exp.select("*").from_(BASE_TABLE) if self.has_tables else events
        query = results_query(self._plan, self._ready, owned)
        if not self._tables and not self._later:
            return _chosen(query, self.columns, self._ready)
        query = exp.select("r.*").from_(query.subquery("r"))
        for table in self._tables:
            calculation = self._by_id[table.attribute.id]
            alias = f"j_{table.attribute.id}"
            same = exp.column("entity_id", table=alias).eq(exp.column("entity_id", table="r"))
            query = query.select(*_columns(calculation))
            query = query.join(exp.alias_(exp.to_table(table.name), alias, table=True), on=same, join_type="left")
        for calculation in self._later:
            query = exp.select("r.*", *_columns(calculation)).from_(query.subquery("r"))
        return _chosen(query, self.columns, [])

    def _made(self, table: _Table) -> Made:
        gathered = as_list(self._value_type(table)) if table.is_list else exp.func("cdp_first", *_ROW)
        rows = exp.Subquery(this=self._rows_of(table))
        query = SQL["values_of_attribute"].bind({}, rows=rows, gathered=gathered).tree
        is_single = not table.is_list and table.attribute.on_error == "fail"
        return Made(table.name, query, Node("attribute", table.attribute.id), single=is_single)

    def _rows_of(self, table: _Table) -> exp.Expr:
        """Each entity's rows: entity_id, value, place."""
        if table.query is None:
            wanted = exp.Literal.string(str(table.attribute.identifier))
            return SQL["identifiers_of_part"].bind({}, part=exp.to_table(PART_TABLE), wanted=wanted).tree
        (column,) = table.query.columns
        value = exp.alias_(exp.column(column, table="r", quoted=True), "value")
        return exp.select("r.entity_id", value, "r.place").from_(self._readable.each(table.query).subquery("r"))

    def _value_type(self, table: _Table) -> exp.DataType:
        if table.query is None:
            return exp.DataType.build("text")
        (type_,) = self._readable.types_of(table.query).values()
        return type_

    def _add(self, attribute: Attribute) -> None:
        try:
            self._by_id[attribute.id] = self._read(attribute)
        except (SqlError, WarehouseError) as error:
            raise WrongDefinition(f"{self._entity.kind} attribute {attribute.id}", error) from error

    def _read(self, attribute: Attribute) -> Calculation:
        if attribute.type in ("custom", "identifiers"):
            return self._read_table(attribute)
        if attribute.type == "derived":
            return self._read_derived(attribute)
        calculation = calculation_of(attribute, self._plan)
        self._ready += filter(None, (calculation, _errors(calculation)))
        return calculation

    def _read_table(self, attribute: Attribute) -> Calculation:
        query = None
        if attribute.type == "custom":
            query = self._readable.query(str(attribute.value), (BASE, *self._readable.metas))
            if len(query.columns) != 1:
                raise SqlError(
                    f"The query gives {len(query.columns)} columns, {', '.join(query.columns)}.",
                    "An attribute is one value: give one column, or put several together by jsonb_build_object.",
                )
            query = forgiving(query) if attribute.on_error == "null" else query
        table = _Table(attribute, query)
        self._tables.append(table)
        type_ = exp.DataType.build("jsonb") if table.is_list else self._value_type(table)
        value: exp.Expr = exp.column("value", table=f"j_{attribute.id}")
        if attribute.on_error == "fail" or table.is_list:
            return finished(attribute, value, type_, Columns(forgiving=attribute.on_error == "null"))
        several = exp.column("is_several", table=f"j_{attribute.id}")
        value = exp.Case().when(exp.Not(this=several.copy()), value)
        calculation = finished(attribute, value, type_, Columns(forgiving=True))
        once = exp.cast(exp.Case().when(several, exp.Literal.number(1)).else_(exp.Literal.number(0)), "bigint")
        errors = once if calculation.errors is None else exp.Add(this=once, expression=calculation.errors)
        return replace(calculation, errors=errors)

    def _read_derived(self, attribute: Attribute) -> Calculation:
        """An expression over other attributes, those that the project file has; `r` holds them."""
        known: dict[str, exp.Expr] = {name: exp.column(name, table="r", quoted=True) for name in self._by_id}
        types = {name: calculation.type for name, calculation in self._by_id.items()}
        tree = bind_known(read_expression(attribute.value, types), known)
        query = exp.select(exp.alias_(tree, "value")).from_(no_rows(types, "r"))
        natural = types_told(self._connection, "derived_type", query)["value"]
        calculation = finished(attribute, tree, natural, Columns(forgiving=attribute.on_error == "null"))
        self._later.append(calculation)
        return calculation


def errors_of(attribute_id: str) -> str:
    """The column that says how often an attribute could not be worked out."""
    return f"_errors_{attribute_id}"


def _errors(calculation: Calculation) -> Calculation | None:
    """How often an attribute failed, as a column beside it."""
    if calculation.errors is None:
        return None
    return Calculation(errors_of(calculation.id), calculation.errors, exp.DataType.build("bigint"))


def _columns(calculation: Calculation) -> list[exp.Expr]:
    parts = filter(None, (calculation, _errors(calculation)))
    return [exp.alias_(part.tree.copy(), part.id, quoted=True) for part in parts]


def _chosen(query: exp.Select, wanted: Sequence[Calculation], there: Sequence[Calculation]) -> exp.Select:
    """The query's entity and the attributes that are wanted, in their order."""
    if [calculation.id for calculation in wanted] == [calculation.id for calculation in there]:
        return query
    columns = [exp.column(name, table="r", quoted=True) for name in ("entity_id", *(each.id for each in wanted))]
    return exp.select(*columns).from_(query.subquery("r"))
