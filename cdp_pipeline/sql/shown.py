"""How a part of a user's SQL is shown in a message: as it was written, and not as the form that it has become."""

from collections.abc import Callable

from sqlglot import exp

from cdp_pipeline.sql.bare import bare
from cdp_pipeline.sql.forms import rewrite_up

_WRITTEN = "written"
_MOST = 120  # characters


class _Written:
    """A part as it was written; whoever copies what it has become keeps the same one."""

    def __init__(self, tree: exp.Expr) -> None:
        self.tree = tree

    def __deepcopy__(self, memo: object) -> "_Written":
        return self


def shown(node: exp.Expr) -> str:
    """The text of a node."""
    written: _Written | None = node.meta_get(_WRITTEN)
    text = (node if written is None else written.tree).sql("postgres", comments=False).replace('"', "")
    return text if len(text) <= _MOST else text[:_MOST] + "…"


def rewrite_shown(tree: exp.Expr, rewrite: Callable[[exp.Expr], exp.Expr]) -> exp.Expr:
    """Rewrites a copy of the tree, children before their parents; `shown` shows what its nodes were before."""
    copied = tree.copy()
    for node, written in zip(copied.dfs(), tree.dfs(), strict=True):
        node.meta[_WRITTEN] = _Written(written)
    return bare(rewrite_up(copied, rewrite))
