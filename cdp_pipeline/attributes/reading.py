"""What an aggregate reads of each row: a value, where the conditions hold, in a type that the aggregate can take.

Conditions become nested CASEs rather than one AND, because an engine may evaluate all sides of an AND. So a filter's
cast is only tried on events of the attribute's sources, types and versions, and its right side only where its left side
holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from cdp_pipeline.attributes.attempts import Columns
from cdp_pipeline.attributes.families import EXACT, family_of, is_number, name_of
from cdp_pipeline.attributes.plan import Rows
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.expressions import is_path
from cdp_pipeline.sql.forms import rewrite_up

_ONLY_IN_AGGREGATES = (exp.AggFunc, exp.Distinct, exp.Star, exp.Order, exp.Ordered, exp.Filter, exp.Where)


@dataclass(frozen=True)
class Scope:
    """The rows that an attribute reads, the conditions under which one counts, and how its columns are made."""

    rows: Rows
    conditions: Sequence[exp.Expr]
    columns: Columns

    def where(self, conditions: Sequence[exp.Expr]) -> "Scope":
        """The rows for which further conditions hold too."""
        return replace(self, conditions=[*self.conditions, *conditions])

    def column(self, tree: exp.Expr, type_: exp.DataType) -> exp.Column:
        """The column of `e` that holds a tree over `f`; NULL in a row that does not count."""
        for condition in reversed(self.conditions):
            tree = exp.Case().when(condition.copy(), tree.copy())
        return self.columns.column(self.rows, tree.copy(), type_)

    def counted(self) -> exp.Column | None:
        """A column that is set for the rows that count; None: all do."""
        return self.column(exp.true(), exp.DataType.build("boolean")) if self.conditions else None


def conditions_of(attribute: Attribute, rows: Rows) -> list[exp.Expr]:
    """The conditions on a row that an attribute counts, in the order in which they are to be tried.

    Raises:
        SqlError: the filter is no condition on a row.
    """
    written = (("source_id", attribute.sources), ("type", attribute.events), ("version", attribute.version))
    names = [exp.column(column, table="f").isin(*values) for column, values in written if values]
    conditions: list[exp.Expr] = [exp.and_(*names)] if names else []
    if attribute.filter is None:
        return conditions
    return [*conditions, *filter_conditions(rows.bind(rows.parse(attribute.filter)), rows)]


def filter_conditions(tree: exp.Expr, rows: Rows) -> list[exp.Expr]:
    """The parts of a condition over `f` that must all hold.

    Raises:
        SqlError: it is no condition.
    """
    misplaced = tree.find(*_ONLY_IN_AGGREGATES)
    if misplaced is not None:
        raise SqlError(f"`{readable(misplaced)}` has no place in a filter, which tells about one event.")
    type_ = rows.type_of(tree)
    if family_of(type_) != "boolean":
        raise SqlError(f"It gives {name_of(type_)}, and a filter is true or false.", "Compare it: `type = 'order'`.")
    return [part.copy() for part in tree.flatten()] if isinstance(tree, exp.And) else [tree]


@dataclass(frozen=True)
class Reading:
    """A value over `f` of the rows that count.

    Attributes:
        scope: the rows.
        value: what is read of each.
        what: how a message calls the value.
        weight: the column of `e` that says how much a row weighs, numeric(38,9); None: all weigh the same.
    """

    scope: Scope
    value: exp.Expr
    what: str
    weight: exp.Column | None = None

    def __post_init__(self) -> None:
        misplaced = self.value.find(*_ONLY_IN_AGGREGATES)
        if misplaced is not None:
            raise SqlError(f"`{self.what}` cannot be aggregated: `{readable(misplaced)}` has no place in it.")

    @property
    def rows(self) -> Rows:
        """The relation that is read."""
        return self.scope.rows

    def anything(self) -> exp.Column:
        """The column with the value, whatever its type; JSON null is no value."""
        if family_of(self.type) != "jsonb":
            return self.scope.column(self.value, self.type)
        given = exp.cast(self.value.copy(), "text").neq(exp.Literal.string("null"))
        return self.scope.column(exp.Case().when(given, self.value.copy()), self.type)

    def as_it_is(self) -> exp.Column:
        """The column with the value, JSON null among the values, as PostgreSQL's own aggregates see it."""
        return self.scope.column(self.value, self.type)

    def numbers(self, function: str) -> exp.Column:
        """The column with the value as numeric(38,9), so that a sum is the same in whatever order it is taken."""
        return self.scope.column(self.exact(function), EXACT)

    def exact(self, function: str) -> exp.Expr:
        """The value over `f` as numeric(38,9)."""
        if not is_number(self.type):
            raise SqlError(
                f"`{function}` is not defined over {name_of(self.type)}, which `{self.what}` gives.",
                f"Write the cast: {_as_text(self.what, self.type)}::numeric(38,9).",
            )
        return self.value.copy() if self.type == EXACT else exp.cast(self.value.copy(), EXACT)

    def comparable(self, function: str) -> exp.Column:
        """The column with the value, of a type whose values every engine compares alike."""
        return self._refusing(("jsonb",), function)

    def ordered(self, function: str) -> exp.Column:
        """The column with the value, of a type whose least and greatest value PostgreSQL can tell."""
        return self._refusing(("jsonb", "boolean", "uuid"), function)

    def of_family(self, family: str, function: str) -> exp.Column:
        """The column with the value, which must be of one family of types."""
        if family_of(self.type) != family:
            raise SqlError(f"`{function}` takes {family}, and `{self.what}` gives {name_of(self.type)}.")
        return self.scope.column(self.value, self.type)

    @property
    def type(self) -> exp.DataType:
        """The type of the value.

        Raises:
            SqlError: no attribute can hold it.
        """
        type_ = self.rows.type_of(self.value)
        if family_of(type_) is None:
            raise SqlError(
                f"`{self.what}` gives {name_of(type_)}, which no attribute can hold.", "Cast it to text, say."
            )
        return type_

    def _refusing(self, families: tuple[str, ...], function: str) -> exp.Column:
        if family_of(self.type) in families:
            raise SqlError(
                f"`{function}` is not defined over {name_of(self.type)}, which `{self.what}` gives.",
                f"Write the cast to a type that can be compared: {_as_text(self.what, self.type)}"
                f"{'' if family_of(self.type) == 'jsonb' else '::text'}.",
            )
        return self.scope.column(self.value, self.type)


def _as_text(what: str, type_: exp.DataType) -> str:
    """How to read the value as text: `payload->'a'` as `(payload->>'a')`."""
    if what.startswith("jsonb_array_elements("):
        return what.replace("jsonb_array_elements(", "jsonb_array_elements_text(", 1)
    before, arrow, key = what.rpartition("->")
    if family_of(type_) == "jsonb" and arrow and not key.startswith(">") and not before.endswith("-"):
        return f"({before}->>{key})"
    return f"({what})"


def readable(tree: exp.Expr) -> str:
    """A tree over `f` as its author wrote it, as near as can be."""

    def plain(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Column):
            return exp.column(node.name)
        if not is_path(node):
            return node
        root, *keys = (part.sql("postgres") for part in node.expressions)
        arrow = "->>" if node.name.lower() == "cdp_path_text" else "->"
        return exp.Var(this="->".join([root, *keys[:-1]]) + arrow + keys[-1])

    return rewrite_up(tree.copy(), plain).sql("postgres")
