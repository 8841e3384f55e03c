"""Finds the mistakes in one attribute, key by key."""

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

from sqlglot import exp

from cdp_pipeline.attributes.attempts import Columns
from cdp_pipeline.attributes.calculation import (
    Calculation,
    aggregated,
    calculation_of,
    default_of,
    natural_type,
    wanted_type,
)
from cdp_pipeline.attributes.definition_errors import first_line
from cdp_pipeline.attributes.families import convert, name_of
from cdp_pipeline.attributes.graph import BASE, Graph
from cdp_pipeline.attributes.keys import misplaced_keys
from cdp_pipeline.attributes.plan import SQL, Plan
from cdp_pipeline.attributes.program import Program
from cdp_pipeline.attributes.readable import Readable
from cdp_pipeline.attributes.reading import Scope, conditions_of
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.model import Entity
from cdp_pipeline.errors import SqlError, WarehouseError
from cdp_pipeline.warehouse.base import Connection

T = TypeVar("T")


class AttributeCheck:
    """The check of one attribute, key by key; a key that depends on a wrong one is not judged.

    Attributes:
        calculation: what the attribute is, once it has been found right.
    """

    def __init__(
        self, connection: Connection, attribute: Attribute, readable: Readable, entity: Entity, graph: Graph
    ) -> None:
        """Takes the engine that tells the types, the attribute, and what it may read."""
        self._connection = connection
        self._attribute = attribute
        self._readable = readable
        self._entity = entity
        self._graph = graph
        self._found: list[tuple[str, SqlError]] = []
        self.calculation: Calculation | None = None

    def mistakes(self) -> Iterator[tuple[str, SqlError]]:
        """Gives each mistake with its key."""
        misplaced = list(misplaced_keys(self._attribute))
        yield from misplaced
        name = self._attribute.from_
        if name is not None and name not in self._readable.relations:
            yield "from", _unknown_relation(name, self._readable.metas)
            return
        if self._attribute.type in ("custom", "derived", "identifiers"):
            if not misplaced:
                self._check_whole()
        elif self._attribute.value:
            plan = Plan(self._connection, self._readable.relations)
            self._check_expressions(plan)
            if not misplaced and not self._found:
                self.calculation = self._try("value", lambda: calculation_of(self._attribute, plan))
        yield from self._found

    def _check_whole(self) -> None:
        """Reads the attribute as a run does."""
        attribute = self._attribute
        key = "identifier" if attribute.type == "identifiers" else "value"
        if attribute.type == "identifiers" and attribute.identifier not in [i.type for i in self._entity.identifiers]:
            declared = ", ".join(identifier.type for identifier in self._entity.identifiers)
            self._found.append(
                (key, SqlError(f"`{attribute.identifier}` is not declared.", f"Declared are {declared}."))
            )
            return
        text = exp.DataType.build("text")
        if attribute.data_type is not None and self._try("data_type", lambda: wanted_type(attribute, text)) is None:
            return
        program = self._try(
            key, lambda: Program(self._connection, self._entity, self._graph, self._readable, [attribute.id])
        )
        if program is not None:
            (self.calculation,) = program.calculations
            if attribute.default is not None:
                type_ = self.calculation.type
                self._try("default", lambda: self._check_default(type_))

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


def _unknown_relation(name: str, metas: Collection[str]) -> SqlError:
    declared = ", ".join(metas)
    return SqlError(
        f"There is no meta-attribute `{name}`.", f"Declared are {declared}." if declared else "None is declared."
    )
