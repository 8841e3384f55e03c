"""What becomes of an error: of the attribute, or NULL in the place of what cannot be worked out, counted."""

from collections.abc import Sequence

from sqlglot import exp

from cdp_pipeline.attributes.plan import Rows
from cdp_pipeline.sql.expressions import is_path

# Nodes that no value makes fail.
_SAFE = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Case, exp.If, exp.In, exp.Is,
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.Coalesce,
)  # fmt: skip
_BOOLEAN = exp.DataType.build("boolean")


class Columns:
    """How the columns of one attribute are made."""

    def __init__(self, *, forgiving: bool) -> None:
        """Forgiving: where a column cannot be worked out it is NULL, and that is counted."""
        self.forgiving = forgiving
        self._tried: dict[Rows, list[exp.Expr]] = {}

    def column(self, rows: Rows, tree: exp.Expr, type_: exp.DataType) -> exp.Column:
        """The column of `e` that holds a tree over `f`."""
        if not self.forgiving or not may_fail(tree):
            return rows.column(tree, type_)
        self._tried.setdefault(rows, []).append(tree)
        return rows.column(tried(tree, type_), type_)

    def errors(self, result: exp.Expr) -> exp.Expr | None:
        """How often something could not be worked out for an entity, as a tree over `v`; None: nothing can fail.

        Args:
            result: what is made of the entity's aggregates, before it is tried.
        """
        if not self.forgiving:
            return None
        counts = [_count(rows, trees) for rows, trees in self._tried.items()]
        if may_fail(result):
            counts.append(exp.Case().when(fails(result), exp.Literal.number(1)).else_(exp.Literal.number(0)))
        if not counts:
            return None
        total, *others = counts
        for other in others:
            total = exp.Add(this=total, expression=other)
        return exp.cast(total, "bigint")


def _count(rows: Rows, trees: Sequence[exp.Expr]) -> exp.Expr:
    """The number of an entity's rows of which one of the trees cannot be worked out."""
    failing = exp.Case().when(exp.or_(*map(fails, trees)), exp.true())
    return rows.aggregate(exp.Count(this=rows.column(failing, _BOOLEAN)))


def may_fail(tree: exp.Expr) -> bool:
    """Whether working out the tree may be an error."""
    return any(not isinstance(node, _SAFE) and not is_path(node) for node in tree.walk())


def tried(tree: exp.Expr, type_: exp.DataType) -> exp.Expr:
    """The tree, or NULL where working it out is an error."""
    return exp.func("cdp_try", tree.copy(), exp.cast(exp.null(), type_))


def fails(tree: exp.Expr) -> exp.Expr:
    """True where working out the tree is an error."""
    one, zero = exp.Literal.number(1), exp.Literal.number(0)
    known = exp.Case().when(tree.copy().is_(exp.null()), zero).else_(one)
    return exp.func("cdp_try", known, exp.cast(exp.null(), "integer")).is_(exp.null())
