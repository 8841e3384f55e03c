"""Reads each place of a JSON column once, however many expressions mention it.

Parsing JSON is the dear part of reading events. All the places that a set of expressions reads in one column are taken
out of them into one list per row, which the engine extracts in one pass; the expressions then read the list.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from cdp_pipeline.sql.expressions import flatten_paths, is_path
from cdp_pipeline.sql.forms import rewrite_up


@dataclass(frozen=True)
class Hoisted:
    """Expressions over lists of places instead of over JSON.

    Attributes:
        trees: the expressions, in the order given.
        lists: the columns that hold the lists, each a name and the tree that extracts it; to be selected below `trees`.
    """

    trees: list[exp.Expr]
    lists: list[tuple[str, exp.Expr]]


def hoist_paths(trees: Sequence[exp.Expr], column: exp.Column, prefix: str, *, needed: bool = True) -> Hoisted:
    """Takes all paths into `column` out of the trees.

    Args:
        trees: expressions whose columns are bound.
        column: the JSON column.
        prefix: how the names of the list columns begin.
        needed: whether it spares something; if not, the trees stay as they are, and there are no lists.
    """
    if not needed:
        return Hoisted([tree.copy() for tree in trees], [])
    wanted: dict[str, list[tuple[exp.Expr, ...]]] = {"cdp_path_text": [], "cdp_path": [], "cdp_path_kind": []}
    names = {"cdp_path_text": f"{prefix}_texts", "cdp_path": f"{prefix}_jsons", "cdp_path_kind": f"{prefix}_kinds"}

    def take(node: exp.Expr) -> exp.Expr:
        if not is_path(node) or node.expressions[0] != column:
            return node
        kind = node.name.lower()
        keys = tuple(node.expressions[1:])
        if keys not in wanted[kind]:
            wanted[kind].append(keys)
        place = exp.Literal.number(wanted[kind].index(keys))
        return exp.Bracket(this=exp.column(names[kind]), expressions=[place], offset=0)

    taken = [rewrite_up(flatten_paths(tree.copy()), take) for tree in trees]
    lists: list[tuple[str, exp.Expr]] = []
    for kind, paths in wanted.items():
        if paths:
            keys = [exp.Tuple(expressions=list(path)) for path in paths]
            lists.append((names[kind], exp.Anonymous(this=f"{kind}s", expressions=[column.copy(), *keys])))
    return Hoisted(taken, lists)
