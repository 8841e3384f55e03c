"""Works out once a row what several expressions over it have in common.

An engine that looks for common parts leaves alone what stands in a CASE, because a branch may never be taken; and that
is where most of them stand, behind the conditions under which an event counts. Taken out are parts that cannot fail, or
that are worked out for every row anyway: places of JSON, texts read as numbers if they are numbers of usual size, and
the conditions that come first.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from cdp_pipeline.sql.forms import rewrite_up


@dataclass
class Shared:
    """Expressions over columns that hold what they have in common.

    Attributes:
        trees: the expressions, in the order given.
        levels: the columns, each a name and a tree, to be selected below `trees`: those of the first level lowest, for
            the others read them.
    """

    trees: list[exp.Expr]
    levels: list[list[tuple[str, exp.Expr]]] = field(default_factory=list)

    def take(self, prefix: str, parts: Callable[[exp.Expr], Iterator[exp.Expr]], instead: "Instead") -> None:
        """Takes out the parts that stand more than once in the trees, as a level of its own."""
        counts = Counter(part for tree in self.trees for part in parts(tree))
        names = {part: f"{prefix}_{number}" for number, part in enumerate(p for p, n in counts.items() if n > 1)}
        if not names:
            return
        taken = {part: instead(part, exp.column(name)) for part, name in names.items()}
        self.levels.append([(names[part], below) for part, (below, _) in taken.items()])

        def replace(node: exp.Expr) -> exp.Expr:
            return taken[node][1].copy() if node in taken else node

        self.trees = [rewrite_up(tree, replace) for tree in self.trees]


Instead = Callable[[exp.Expr, exp.Column], tuple[exp.Expr, exp.Expr]]
"""Of a part and the column for it: what the column holds, and what stands in the part's place."""


def share_parts(trees: Sequence[exp.Expr], prefix: str) -> Shared:
    """Takes out of the trees what they have in common.

    Args:
        trees: expressions over a row, whose places of JSON have been hoisted.
        prefix: how the names of the columns begin.
    """
    shared = Shared([tree.copy() for tree in trees])
    shared.take(f"{prefix}_place", _places, _as_it_is)
    shared.take(f"{prefix}_number", _numbers, _quickly)
    shared.take(f"{prefix}_is", _first_conditions, _as_it_is)
    return shared


def _as_it_is(part: exp.Expr, column: exp.Column) -> tuple[exp.Expr, exp.Expr]:
    return part.copy(), column


def _quickly(part: exp.Expr, column: exp.Column) -> tuple[exp.Expr, exp.Expr]:
    """What is no number of usual size is read where it stood, and fails there or not."""
    quick = exp.Anonymous(this="cdp_quick_exact", expressions=[each.copy() for each in part.expressions])
    return quick, exp.func("coalesce", column, part.copy())


def _places(tree: exp.Expr) -> Iterator[exp.Expr]:
    """Places that are written down; one that is calculated may be an error where its branch is not taken."""
    for node in tree.find_all(exp.Bracket):
        if isinstance(node.this, exp.Column) and all(isinstance(place, exp.Literal) for place in node.expressions):
            yield node


def _numbers(tree: exp.Expr) -> Iterator[exp.Expr]:
    for node in tree.find_all(exp.Anonymous):
        if node.name.lower() == "cdp_exact" and isinstance(node.expressions[0].unnest(), exp.Column):
            yield node


def _first_conditions(tree: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(tree, exp.Case) and tree.this is None:
        yield tree.args["ifs"][0].this
