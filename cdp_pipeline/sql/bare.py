"""Trees without what a parser notes beside them: where each word stood, and comments.

Copies of a tree copy these notes too, and take twice as long for it.
"""

from sqlglot import exp


def bare(tree: exp.Expr) -> exp.Expr:
    """The tree, its notes gone."""
    for node in tree.walk():
        node.comments = None
        node._meta = None
    return tree
