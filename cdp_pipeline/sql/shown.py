"""How a part of a user's SQL is shown in a message: as it was written, and not as the form that it has become."""

from collections.abc import Callable

from sqlglot import exp

from cdp_pipeline.sql.forms import rewrite_up

_WRITTEN = "written"
_MOST = 120  # characters


def shown(node: exp.Expr) -> str:
    """The text of a node."""
    written: exp.Expr = node.meta.get(_WRITTEN, node)
    text = written.sql("postgres", comments=False).replace('"', "")
    return text if len(text) <= _MOST else text[:_MOST] + "…"


def rewrite_shown(tree: exp.Expr, rewrite: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Rewrites a copy of the tree, children before their parents; `shown` shows what its nodes were before."""
    copied = tree.copy()
    for node, written in zip(copied.dfs(), tree.dfs(), strict=True):
        node.meta[_WRITTEN] = written
    rewritten = rewrite_up(copied, rewrite)
    for node in rewritten.walk():
        node.meta.pop(_WRITTEN, None)
    return rewritten
