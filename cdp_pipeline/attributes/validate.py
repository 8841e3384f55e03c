"""Finds mistakes in the attributes of a project, without a warehouse: all of them at once, each with its place.

Every expression is read, bound to an event's columns, and described by an engine in memory that holds no events. So
what passes here can only fail on data.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from sqlglot import exp

from cdp_pipeline.attributes.attempts import Columns
from cdp_pipeline.attributes.calculation import aggregated, default_of, natural_type, wanted_type
from cdp_pipeline.attributes.culprit import first_line
from cdp_pipeline.attributes.families import convert, name_of
from cdp_pipeline.attributes.keys import misplaced_keys
from cdp_pipeline.attributes.plan import BASE, SQL, Plan, Relation, events_relation
from cdp_pipeline.attributes.reading import Scope, conditions_of
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.model import Project
from cdp_pipeline.errors import ProjectError, SqlError, WarehouseError
from cdp_pipeline.warehouse.base import Connection
from cdp_pipeline.warehouse.scratch import scratch_connection

T = TypeVar("T")


def validate(project: Project) -> list[ProjectError]:
    """The mistakes in the attributes of all kinds of entity, hidden ones included."""
    if not any(entity.attributes for entity in project.entities.values()):
        return []
    errors = []
    with scratch_connection() as connection:
        for kind, entity in project.entities.items():
            for place, attribute in enumerate(entity.attributes):
                for key, mistake in _Check(connection, attribute, {BASE: events_relation()}).mistakes():
                    path = f"entities.{kind}.attributes[{place}].{key}"
                    errors.append(project.error(path, mistake.message, mistake.hint))
    return errors


class _Check:
    """The check of one attribute, key by key; a key that depends on a wrong one is not judged."""

    def __init__(self, connection: Connection, attribute: Attribute, relations: Mapping[str, Relation]) -> None:
        self._connection = connection
        self._attribute = attribute
        self._relations = relations
        self._found: list[tuple[str, SqlError]] = []

    def mistakes(self) -> Iterator[tuple[str, SqlError]]:
        """Gives each mistake with its key."""
        yield from misplaced_keys(self._attribute)
        name = self._attribute.from_
        if name is not None and name not in self._relations:
            yield "from", _unknown_relation(name, self._relations)
        else:
            self._check_expressions(Plan(self._connection, self._relations))
        yield from self._found

    def _check_expressions(self, plan: Plan) -> None:
        attribute = self._attribute
        rows = plan.read(attribute.from_ or BASE)
        conditions = self._try("filter", lambda: conditions_of(attribute, rows))
        scope = Scope(rows, conditions or (), Columns(forgiving=attribute.on_error == "null"))
        raw = aggregated(attribute, scope, self._try)
        natural = None if raw is None else self._try("value", lambda: natural_type(raw, plan))
        if natural is None:
            if attribute.data_type is not None:
                self._try("data_type", lambda: wanted_type(attribute, exp.DataType.build("text")))
        else:
            self._check_type(natural, raw or exp.null())

    def _check_type(self, natural: exp.DataType, raw: exp.Expr) -> None:
        attribute = self._attribute
        type_ = self._try("data_type", lambda: wanted_type(attribute, natural))
        if type_ is None:
            return
        self._try("data_type", lambda: convert(raw, natural, type_))
        if attribute.default is not None:
            self._try("default", lambda: self._check_default(type_))

    def _check_default(self, type_: exp.DataType) -> bool:
        shown = repr(self._attribute.default)
        hint = f"Write a value that PostgreSQL can cast to {name_of(type_)}, or leave it out."
        try:
            value = default_of(self._attribute, type_)
            self._connection.fetch(SQL["literal"].bind({}, value=exp.cast(value, type_)))
        except (SqlError, WarehouseError) as error:
            raise SqlError(f"{shown} is no {name_of(type_)}, which is the attribute's type.", hint) from error
        return True

    def _try(self, key: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except SqlError as error:
            self._found.append((key, error))
        except WarehouseError as error:
            self._found.append((key, SqlError(f"`{getattr(self._attribute, key)}`: {first_line(error)}")))
        return None


def _unknown_relation(name: str, relations: Mapping[str, Relation]) -> SqlError:
    declared = ", ".join(other for other in relations if other != BASE)
    return SqlError(
        f"There is no meta-attribute `{name}`.", f"Declared are {declared}." if declared else "None is declared."
    )
