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
    lists: list[tuple[str, exp.Expr]] = []
    for kind, paths in wanted.items():
        if paths:
            keys = [exp.Tuple(expressions=list(path)) for path in paths]
            lists.append((names[kind], exp.Anonymous(this=f"{kind}s", expressions=[column.copy(), *keys])))
    return Hoisted(taken, lists)
