"""Published rows held against those of a rebuild: which differ, row by row and both ways.

The rows are kept in temporary tables before the stages work again, and compared afterwards. What a run writes about
itself is left out: when it did what, and the numbers of its transactions; so are attributes that are worked out once a
day, which say what they said at a moment of it. A sum of doubles may depend on the order of
its rows, so doubles are the same where they agree in 11 digits.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any
from uuid import UUID

import pyarrow as pa
from sqlglot import exp

from cdp_pipeline import tables
from cdp_pipeline.sql.statements import Statements, from_tree
from cdp_pipeline.tables import Table
from cdp_pipeline.warehouse.base import Connection, Row, Schemas

SQL = Statements(__package__, "verify.sql")
OF_A_RUN = {"changed_in", "issued_in", "recorded_from", "stitched", "calculated", "valid_at", "modified"}
SHOWN = 5  # differing rows of a table that are told one by one
_DIFFERING = "verify_differing"
_TOLERANCE = "0.00000000001"
_DOUBLES = (exp.DType.DOUBLE, exp.DType.FLOAT)


@dataclass(frozen=True)
class Compared:
    """A table that is compared.

    Attributes:
        key: the columns that say which row it is; several rows may have the same.
        within: where a part is compared, the columns of which one at least is in the part, each with the temporary
            table of the part.
    """

    table: Table
    key: tuple[str, ...]
    within: Mapping[str, str]


def _of(table: Table, key: str, within: str) -> Compared:
    parts = dict(part.split("=") for part in within.split())
    return Compared(table, tuple(key.split()), {column: f"slice_{name}" for column, name in parts.items()})


# In the order in which data flows: the first difference is the cause of the others.
COMPARED = (
    _of(tables.EVENT_IDENTIFIERS, "event_id", "event_id=events"),
    _of(tables.MAP_SIGHTINGS, "map_number primary_id identifier_id", "identifier_id=identifiers"),
    _of(tables.IDENTIFIER_SIGHTINGS, "identifier_id arrived_on", "identifier_id=identifiers"),
    _of(tables.IDENTIFIERS, "identifier_id", "identifier_id=identifiers"),
    _of(
        tables.IDENTITY_GRAPH,
        "identifier_id other_id arrived_on kind",
        "identifier_id=identifiers other_id=identifiers",
    ),
    _of(tables.LINKED_PAIRS, "identifier_id other_id", "identifier_id=identifiers other_id=identifiers"),
    _of(tables.IDENTIFIER_DEGREES, "identifier_id other_priority", "identifier_id=identifiers"),
    _of(tables.QUARANTINED_IDENTIFIERS, "identifier_id", "identifier_id=identifiers"),
    _of(tables.REFUSED_LINKS, "identifier_id other_id", "identifier_id=identifiers other_id=identifiers"),
    _of(tables.SHARED_SIGHTINGS, "identifier_id event_id", "identifier_id=identifiers"),
    _of(tables.IDENTIFIER_GROUPS, "identifier_id", "identifier_id=identifiers"),
    _of(tables.ENTITIES, "entity_id", "key_id=identifiers"),
    _of(tables.ENTITY_MAP, "identifier_id", "identifier_id=identifiers"),
    _of(tables.STITCHED_EVENTS, "event_id", "event_id=events"),
    _of(tables.PROFILES, "entity_id", "entity_id=entities"),
)


@dataclass(frozen=True)
class Difference:
    """Rows of one key that differ.

    Attributes:
        key: the columns that say which row it is.
        published: the rows that are published and that a rebuild does not give.
        rebuilt: the rows that a rebuild gives and that are not published.
        names: what the ids in them are called: identifiers, entities by their key, events.
    """

    key: dict[str, Any]
    published: list[dict[str, Any]]
    rebuilt: list[dict[str, Any]]
    names: dict[str, str]

    @property
    def columns(self) -> list[str]:
        """The columns that differ; of rows that only one side has, all."""
        if len(self.published) != 1 or len(self.rebuilt) != 1:
            return list((self.published or self.rebuilt)[0])
        return [name for name, value in self.published[0].items() if value != self.rebuilt[0][name]]


@dataclass(frozen=True)
class TableVerdict:
    """What came of the comparison of one table.

    Attributes:
        rows: published rows that were compared.
        differing: how many keys have rows that differ.
        differences: the first of them.
        columns: where a rebuild gives other columns: which, in words; the rows are then not compared.
    """

    table: str
    rows: int
    differing: int
    differences: list[Difference] = field(default_factory=list)
    columns: str = ""


class Comparison:
    """The rows of one kind of entity, kept when it is made: all of them, or those of a part."""

    def __init__(
        self, connection: Connection, schemas: Schemas, *, in_part: bool = False, passing: Set[str] = frozenset()
    ) -> None:
        """Keeps the published rows. A part is what the temporary tables `slice_…` hold; columns may be passed over."""
        self._connection = connection
        self._schemas = schemas
        self._in_part = in_part
        self._passing = OF_A_RUN | passing
        self._kept = {compared.table.name: self._columns(compared) for compared in COMPARED}
        for compared in COMPARED:
            query = self._rows(compared, self._names(compared))
            self._make(_kept(compared), query)

    def verdicts(self) -> list[TableVerdict]:
        """What differs from what is there now, in flow order; the kept rows are then dropped."""
        found = [self._verdict(compared) for compared in COMPARED]
        self._connection.drop_temporary([_DIFFERING, *(_kept(compared) for compared in COMPARED)])
        return found

    def _columns(self, compared: Compared) -> dict[str, str]:
        there = self._connection.columns_of(self._schemas[tables.KIND], compared.table.name) or []
        return {name: kind for name, kind in there if name not in self._passing}

    def _names(self, compared: Compared) -> list[str]:
        return list(self._kept[compared.table.name])

    def _rows(self, compared: Compared, names: Sequence[str]) -> exp.Select:
        columns = [exp.column(name, table="t", quoted=True) for name in names]
        published = exp.alias_(exp.table_(compared.table.name, db=tables.KIND), "t", table=True)
        query = exp.select(*columns).from_(published)
        if not self._in_part:
            return query
        parts = [
            exp.column(column, table="t").isin(query=exp.select("*").from_(part))
            for column, part in compared.within.items()
        ]
        return query.where(exp.or_(*parts))

    def _make(self, name: str, query: exp.Expr) -> None:
        self._connection.drop_temporary([name])
        made = exp.Create(this=exp.to_table(name), kind="TABLE", expression=query)
        made.set("properties", exp.Properties(expressions=[exp.TemporaryProperty()]))
        self._run(f"make {name}", made)

    def _verdict(self, compared: Compared) -> TableVerdict:
        name = compared.table.name
        (rows,) = self._fetch("count", exp.select("count(*)").from_(_kept(compared)))[0]
        before, now = self._kept[name], self._columns(compared)
        if before != now:
            changed = sorted({*before.items()} ^ {*now.items()})
            return TableVerdict(name, rows, rows, columns=", ".join(dict.fromkeys(column for column, _ in changed)))
        self._find_differing(compared)
        keys = exp.select(*compared.key).from_(_DIFFERING).group_by(*compared.key)
        (differing,) = self._fetch("count", exp.select("count(*)").from_(keys.subquery("d")))[0]
        return TableVerdict(name, rows, differing, self._differences(compared) if differing else [])

    def _find_differing(self, compared: Compared) -> None:
        names = self._names(compared)
        kept = exp.alias_(exp.to_table(_kept(compared)), "t", table=True)
        columns = [exp.column(name, table="t", quoted=True) for name in names]
        before = exp.select(*columns, "1 as side").from_(kept)
        both = exp.union(before, self._rows(compared, names).select("-1 as side"), distinct=False)
        columns = [exp.column(name, table="b", quoted=True) for name in names]
        total = exp.cast(exp.func("sum", exp.column("side", table="b")), "bigint")
        query = exp.select(*columns, exp.alias_(total, "side")).from_(both.subquery("b"))
        self._make(_DIFFERING, query.group_by(*columns).having(total.neq(0)))
        doubles = [name for name in names if self._is_double(compared, name)]
        if doubles:
            self._run("forgive", _forgive(compared, names, doubles))

    def _is_double(self, compared: Compared, name: str) -> bool:
        kind = self._kept[compared.table.name][name]
        return exp.DataType.build(kind, dialect=self._connection.dialect, udt=True).this in _DOUBLES

    def _differences(self, compared: Compared) -> list[Difference]:
        names = self._names(compared)
        first = exp.select(*compared.key).from_(_DIFFERING).group_by(*compared.key).order_by(*compared.key).limit(SHOWN)
        columns = [exp.column(name, table="d", quoted=True) for name in names]
        same = exp.and_(*(exp.column(name, table="d").eq(exp.column(name, table="f")) for name in compared.key))
        query = exp.select(*columns, "d.side").from_(f"{_DIFFERING} as d").join(first.subquery("f"), on=same)
        query = query.order_by(*(f"d.{name}" for name in compared.key), "d.side")
        rows = self._fetch("differing", query)
        called = self._called(rows)
        return list(_grouped(compared, names, rows, called))

    def _called(self, rows: Sequence[Row]) -> dict[str, str]:
        ids = sorted({str(value) for row in rows for value in row if isinstance(value, UUID)})
        self._connection.load("verify_ids", pa.table({"id": pa.array(ids, pa.string())}))
        found = self._connection.fetch(SQL["names"].bind(self._schemas))
        self._connection.unload("verify_ids")
        return {str(called): name for called, name in found}

    def _run(self, name: str, tree: exp.Expr) -> None:
        self._connection.run(from_tree(f"verify.{name}", tree).bind(self._schemas))

    def _fetch(self, name: str, tree: exp.Expr) -> list[Row]:
        return self._connection.fetch(from_tree(f"verify.{name}", tree).bind(self._schemas))


def _kept(compared: Compared) -> str:
    return f"verify_{compared.table.name}"


def _grouped(
    compared: Compared, names: Sequence[str], rows: Sequence[Row], called: Mapping[str, str]
) -> Iterator[Difference]:
    sides = [(row[-1], dict(zip(names, row[:-1], strict=True))) for row in rows]
    for key, of_key in groupby(sides, key=lambda side: tuple(side[1][name] for name in compared.key)):
        found = list(of_key)
        ids = {str(value) for _, row in found for value in row.values() if isinstance(value, UUID)}
        yield Difference(
            dict(zip(compared.key, key, strict=True)),
            [row for side, row in found if side > 0],
            [row for side, row in found if side < 0],
            {each: called[each] for each in sorted(ids) if each in called},
        )


def _forgive(compared: Compared, names: Sequence[str], doubles: Sequence[str]) -> exp.Expr:
    """Takes away pairs of rows that differ by no more than the order of their sums."""
    here, there = ({name: exp.column(name, table=alias, quoted=True) for name in names} for alias in "do")
    conditions: list[exp.Expr] = [exp.column("side", table="o").eq(exp.Neg(this=exp.column("side", table="d")))]
    conditions += [here[name].eq(there[name]) for name in compared.key]
    for name in (name for name in names if name not in compared.key):
        same: exp.Expr = exp.NullSafeEQ(this=here[name], expression=there[name])
        if name in doubles:
            apart = exp.func("abs", exp.Sub(this=here[name], expression=there[name]))
            least = exp.Least(this=exp.func("abs", here[name]), expressions=[exp.func("abs", there[name])])
            near = exp.LTE(this=apart, expression=exp.Mul(this=exp.Literal.number(_TOLERANCE), expression=least))
            same = exp.or_(same, near)
        conditions.append(same)
    other = exp.select("1").from_(f"{_DIFFERING} as o").where(exp.and_(*conditions))
    return exp.delete(exp.alias_(exp.to_table(_DIFFERING), "d", table=True)).where(exp.Exists(this=other))
