"""What would become of the profiles: which columns change, for how many entities, and by how much.

Columns come of the project's attributes, so the statements are built as trees. An entity's profile before and after is
told by its id; a column that has become another type is compared as text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlglot import exp

from cdp_pipeline.sql.statements import Statements, from_tree
from cdp_pipeline.tables import KIND, PROFILES
from cdp_pipeline.warehouse.base import Connection, type_class

SQL = Statements(__package__, "plan.sql")
_KEPT = "plan_profiles"
_OWN = {column.name for column in PROFILES.columns}
Columns = Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """A value of one entity, before and after."""

    entity_id: UUID
    person_key: str | None
    before: Any
    after: Any


@dataclass(frozen=True)
class AttributePlan:
    """A column that would hold other values.

    Attributes:
        profiles_changed: of entities that have a profile before and after, how many would have another value.
        type_before: its type, if that would be another.
        sum_before: of a number, its sum over all profiles.
        sum_after: the same afterwards.
        largest: of a number, where it would change most.
    """

    attribute: str
    profiles_changed: int
    type_before: str | None
    type_after: str | None
    sum_before: float | None
    sum_after: float | None
    largest: Change | None


@dataclass(frozen=True)
class ProfilesPlan:
    """What would become of the profiles.

    Attributes:
        changed: entities with a profile before and after of which anything would be another value, a column that is
            new or goes not counted.
        attributes: the columns that would change.
    """

    before: int
    after: int
    added: int
    removed: int
    changed: int
    columns_added: list[str] = field(default_factory=list)
    columns_removed: list[str] = field(default_factory=list)
    attributes: list[AttributePlan] = field(default_factory=list)

    @property
    def changes_nothing(self) -> bool:
        """Whether every profile stays as it is."""
        signs = (self.added, self.removed, self.changed, self.columns_added, self.columns_removed, self.attributes)
        return not any(signs)


def keep_profiles(connection: Connection, schemas: Mapping[str, str]) -> Columns:
    """Keeps the profiles as they are, for `compare_profiles`; returns their columns with the engine's types."""
    connection.drop_temporary([_KEPT])
    columns = connection.columns_of(schemas[KIND], PROFILES.name)
    query = exp.select("*").from_(_profiles("p")) if columns is not None else _none()
    made = exp.Create(this=exp.to_table(_KEPT), kind="TABLE", expression=query)
    made.set("properties", exp.Properties(expressions=[exp.TemporaryProperty()]))
    connection.run(from_tree("plan.keep_profiles", made).bind(schemas))
    return dict(columns or ())


def compare_profiles(connection: Connection, schemas: Mapping[str, str], kept: Columns | None) -> ProfilesPlan:
    """Compares the profiles with those that were kept; None: they were not touched."""
    if kept is None:
        count = _count(connection, schemas)
        return ProfilesPlan(count, count, 0, 0, 0)
    now = dict(connection.columns_of(schemas[KIND], PROFILES.name) or ())
    return _Comparison(connection, schemas, kept, now).result()


def _none() -> exp.Select:
    types = {"entity_id": "uuid", "person_key": "text"}
    nothing = [exp.alias_(exp.cast(exp.null(), kind), name) for name, kind in types.items()]
    return exp.select(*nothing).where(exp.false())


def _profiles(alias: str) -> exp.Expr:
    return exp.alias_(exp.table_(PROFILES.name, db=KIND), alias, table=True)


def _count(connection: Connection, schemas: Mapping[str, str]) -> int:
    if connection.columns_of(schemas[KIND], PROFILES.name) is None:
        return 0
    query = exp.select("count(*)").from_(_profiles("p"))
    return int(connection.fetch(from_tree("plan.count_profiles", query).bind(schemas))[0][0])


class _Comparison:
    """The profiles before, `b`, and after, `p`."""

    def __init__(self, connection: Connection, schemas: Mapping[str, str], kept: Columns, now: Columns) -> None:
        self._connection = connection
        self._schemas = schemas
        self._kept = kept
        self._now = now
        self._shared = [name for name in now if name in kept and name not in _OWN]

    def result(self) -> ProfilesPlan:
        """What differs."""
        differing = [self._differs(name) for name in ("person_key", *self._shared)]
        figures = [
            exp.func("count", exp.column("entity_id", table="b")),
            exp.func("count", exp.column("entity_id", table="p")),
            *(_count_where(condition) for condition in (_missing("b"), _missing("p"))),
            _count_where(exp.and_(_both(), exp.or_(*differing))),
            *(_count_where(exp.and_(_both(), each)) for each in differing[1:]),
        ]
        before, after, added, removed, changed, *of_columns = self._fetch("plan.profiles", self._from(figures))[0]
        come = [name for name in self._now if name not in self._kept and name not in _OWN]
        go = [name for name in self._kept if name not in self._now]
        attributes = [
            self._attribute(name, count)
            for name, count in zip(self._shared, of_columns, strict=True)
            if count or self._type_changed(name)
        ]
        return ProfilesPlan(before, after, added, removed, changed, come, go, attributes)

    def _attribute(self, name: str, count: int) -> AttributePlan:
        before, after = (self._kept[name], self._now[name]) if self._type_changed(name) else (None, None)
        if not self._is_number(name):
            return AttributePlan(name, count, before, after, None, None, None)
        old, new = self._columns(name)
        sums = [exp.func("sum", exp.cast(value, "double precision")) for value in (old, new)]
        sum_before, sum_after = (
            None if value is None else round(value, 6) for value in self._fetch("plan.sums", self._from(sums))[0]
        )
        largest = self._largest(name) if count else None
        return AttributePlan(name, count, before, after, sum_before, sum_after, largest)

    def _largest(self, name: str) -> Change:
        old, new = self._columns(name)
        zero = exp.Literal.number(0)
        difference = exp.Sub(this=exp.func("coalesce", new, zero.copy()), expression=exp.func("coalesce", old, zero))
        key = exp.column("person_key", table="p")
        query = self._from([exp.column("entity_id", table="p"), key, old.copy(), new.copy()])
        query = query.where(exp.and_(_both(), self._differs(name)))
        largest = exp.Ordered(this=exp.func("abs", difference), desc=True)
        query = query.order_by(largest, exp.column("entity_id", table="p")).limit(1)
        return Change(*self._fetch("plan.largest", query)[0])

    def _differs(self, name: str) -> exp.Expr:
        old, new = self._columns(name)
        if self._type_changed(name) and not self._is_number(name):
            old, new = exp.cast(old, "text"), exp.cast(new, "text")
        return exp.NullSafeNEQ(this=old, expression=new)

    def _columns(self, name: str) -> tuple[exp.Expr, exp.Expr]:
        before, after = (exp.column(name, table=alias, quoted=True) for alias in ("b", "p"))
        return before, after

    def _type_changed(self, name: str) -> bool:
        return name in self._kept and self._kept[name] != self._now[name]

    def _is_number(self, name: str) -> bool:
        dialect = self._connection.dialect
        return all(type_class(columns[name], dialect) == "number" for columns in (self._kept, self._now))

    def _from(self, selected: Sequence[exp.Expr]) -> exp.Select:
        same = exp.column("entity_id", table="p").eq(exp.column("entity_id", table="b"))
        kept = exp.alias_(exp.to_table(_KEPT), "b", table=True)
        return exp.select(*selected).from_(kept).join(_profiles("p"), on=same, join_type="full")

    def _fetch(self, name: str, query: exp.Expr) -> list[tuple[Any, ...]]:
        return self._connection.fetch(from_tree(name, query).bind(self._schemas))


def _missing(alias: str) -> exp.Expr:
    return exp.column("entity_id", table=alias).is_(exp.null())


def _both() -> exp.Expr:
    return exp.and_(_missing("b").not_(), _missing("p").not_())


def _count_where(condition: exp.Expr) -> exp.Expr:
    return exp.Filter(this=exp.Count(this=exp.Star()), expression=exp.Where(this=condition))
