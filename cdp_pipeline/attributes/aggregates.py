"""Attributes of type `expression`: an expression of the user's over aggregates of an entity's events.

The expression is taken apart: what stands inside an aggregate becomes a column of each event, with the attribute's
conditions and the aggregate's own FILTER folded in; what stands around the aggregates is calculated from their results,
once for each entity. So `count(*)` counts the events that the attribute reads, and nothing of a single event can stand
outside an aggregate.
"""

from dataclasses import dataclass, replace

from sqlglot import exp

from cdp_pipeline.attributes.reading import Reading, Scope, filter_conditions, readable
from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.aggregates import aggregate_form
from cdp_pipeline.sql.functions import CALLED_AGGREGATES

_NAMES: dict[type[exp.Expr], str] = {
    exp.Count: "count",
    exp.Sum: "sum",
    exp.Avg: "avg",
    exp.Min: "min",
    exp.Max: "max",
    exp.LogicalAnd: "bool_and",
    exp.LogicalOr: "bool_or",
    exp.GroupConcat: "string_agg",
}

_AROUND_ARGUMENTS = (exp.Order, exp.Ordered, exp.Distinct)


def aggregate_expression(text: str, scope: Scope) -> exp.Expr:
    """Reads an aggregate expression and gives a tree over the entity's aggregates.

    Args:
        text: the user's expression.
        scope: the rows that the attribute reads.

    Raises:
        SqlError: it has no aggregate, reads an event outside one, or an aggregate cannot take what it is given.
    """
    tree = scope.rows.bind(scope.rows.parse(text, aggregates=True))
    if not any(_is_aggregate(node) and not isinstance(node, exp.Filter) for node in tree.walk()):
        raise SqlError(
            f"`{text}` has no aggregate, and an attribute of type expression makes one value of many events.",
            "Write one, such as sum((payload->>'total')::numeric(38,9)), or choose another type, such as last.",
        )
    return _Around(scope).rewrite(tree)


@dataclass(frozen=True)
class _Around:
    """What stands around the aggregates; each of them gives way to its result."""

    scope: Scope

    def rewrite(self, node: exp.Expr) -> exp.Expr:
        if _is_aggregate(node):
            return self._result(node)
        if isinstance(node, exp.Column):
            raise SqlError(
                f"`{node.name}` stands outside an aggregate, and an entity has many events.",
                f"Say which: max({node.name}), for example, or string_agg for all of a text.",
            )
        for child in list(node.iter_expressions()):
            child.replace(self.rewrite(child))
        return node

    def _result(self, node: exp.Expr) -> exp.Expr:
        scope, aggregate = self.scope, node
        if isinstance(node, exp.Filter):
            aggregate = node.this
            scope = scope.where(filter_conditions(node.expression.this.copy(), scope.rows))
        name = _NAMES.get(type(aggregate))
        if isinstance(aggregate, (exp.WithinGroup, exp.Anonymous)):
            return _gathered(aggregate, scope)
        if name is None or (aggregate.args.get("expressions")):
            raise SqlError(
                f"`{readable(node)}` is not an aggregate of one value.", f"Use {', '.join(_NAMES.values())}."
            )
        return _Aggregate(name, aggregate, scope).result()


@dataclass(frozen=True)
class _Aggregate:
    """One aggregate over the rows that it counts."""

    name: str
    node: exp.Expr
    scope: Scope

    def result(self) -> exp.Expr:
        if self.name == "count":
            return self.scope.rows.aggregate(self._count())
        if self.name == "string_agg":
            return self.scope.rows.aggregate(self._joined())
        if isinstance(self.node.this, exp.Distinct):
            raise SqlError(f"`{readable(self.node)}`: distinct is only supported in count and string_agg.")
        reading = self._read(self.node.this)
        if self.name == "sum":
            return self.scope.rows.aggregate(exp.func("cdp_sum", reading.numbers(self.name)))
        if self.name == "avg":
            return self.scope.rows.aggregate(exp.func("cdp_average", reading.numbers(self.name)))
        ordered = self.name in ("min", "max")
        value = reading.ordered(self.name) if ordered else reading.of_family("boolean", self.name)
        return self.scope.rows.aggregate(type(self.node)(this=value))

    def _read(self, tree: exp.Expr) -> Reading:
        return Reading(self.scope, tree.copy(), readable(tree))

    def _count(self) -> exp.Expr:
        counted = self.node.this
        if isinstance(counted, exp.Star):
            some = self.scope.counted()
            return exp.Count(this=exp.Star() if some is None else some)
        if isinstance(counted, exp.Distinct):
            value = self._read(_only(counted)).comparable("count(distinct)")
            return exp.Count(this=exp.Distinct(expressions=[value]))
        return exp.Count(this=self._read(counted).as_it_is())

    def _joined(self) -> exp.Expr:
        """The texts of the events joined, in an order that is always told to the end."""
        inner, order = self.node.this, list[exp.Expr]()
        if isinstance(inner, exp.Order):
            inner, order = inner.this, inner.expressions
        separator = self.node.args.get("separator")
        if not isinstance(separator, exp.Literal) or not separator.is_string:
            raise SqlError(f"`{readable(self.node)}` needs a separator that is a text, such as string_agg(type, ', ').")
        distinct = isinstance(inner, exp.Distinct)
        value = self._read(_only(inner) if distinct else inner).of_family("text", self.name)
        if distinct:
            keys = self._keys_of_distinct(_only(inner), value, order)
            joined: exp.Expr = exp.Distinct(expressions=[value])
        else:
            keys = [*(self._key(part) for part in order), *map(_ascending, self.scope.rows.keys)]
            joined = value
        return exp.GroupConcat(this=exp.Order(this=joined, expressions=keys), separator=separator.copy())

    def _key(self, part: exp.Expr) -> exp.Expr:
        column = Reading(replace(self.scope, conditions=()), part.this.copy(), readable(part.this)).comparable(
            "order by"
        )
        return exp.Ordered(this=column, desc=part.args.get("desc"), nulls_first=part.args.get("nulls_first"))

    def _keys_of_distinct(self, inner: exp.Expr, value: exp.Column, order: list[exp.Expr]) -> list[exp.Expr]:
        if not order:
            return [_ascending(value)]
        if len(order) > 1 or order[0].this != inner:
            raise SqlError(
                f"`{readable(self.node)}` joins distinct texts.", "They can be ordered by the text itself only."
            )
        return [exp.Ordered(this=value.copy(), desc=order[0].args.get("desc"))]


def _is_aggregate(node: exp.Expr) -> bool:
    called = isinstance(node, exp.Anonymous) and node.name.lower() in CALLED_AGGREGATES
    return called or isinstance(node, (exp.AggFunc, exp.Filter, exp.WithinGroup))


def _gathered(node: exp.Expr, scope: Scope) -> exp.Expr:
    """The result of an aggregate that stays as it is, but for its arguments, and counts the rows of the scope."""
    tree = aggregate_form(_with_columns(node.copy(), scope))
    counted = scope.counted()
    return scope.rows.aggregate(tree if counted is None else exp.Filter(this=tree, expression=exp.Where(this=counted)))


def _with_columns(node: exp.Expr, scope: Scope) -> exp.Expr:
    """An aggregate with a column in the place of each of its arguments; literals stay."""
    for child in list(node.iter_expressions()):
        if isinstance(child, _AROUND_ARGUMENTS) or _is_aggregate(child):
            _with_columns(child, scope)
        elif not isinstance(child, exp.Literal):
            reading = Reading(scope, child.copy(), readable(child))
            column = reading.as_it_is()
            column.type = reading.type
            child.replace(column)
    return node


def _ascending(column: exp.Column) -> exp.Expr:
    return exp.Ordered(this=column.copy())


def _only(distinct: exp.Expr) -> exp.Expr:
    if len(distinct.expressions) != 1:
        raise SqlError(f"`{readable(distinct)}` counts several values at once.", "Join them into one text with `||`.")
    only: exp.Expr = distinct.expressions[0]
    return only
