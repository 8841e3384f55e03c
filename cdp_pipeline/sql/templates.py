"""How a form is written: as text in the engine's own dialect, or as a function over the arguments' trees."""

from collections.abc import Callable, Sequence

import sqlglot
from sqlglot import exp

from cdp_pipeline.sql.bare import bare

Form = Callable[[Sequence[exp.Expr]], exp.Expr]

ISO_TIME = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:[0-5]\d(\.\d+)?)?( ?(Z|z|[+-](0\d|1[0-5])(:?[0-5]\d)?))?)?$"


def template(text: str, dialect: str) -> Form:
    """A form written as text in the engine's own dialect, with the arguments as :a, :b, :c."""
    tree = bare(sqlglot.parse_one(text, read=dialect))

    def fill(arguments: Sequence[exp.Expr]) -> exp.Expr:
        filled = tree.copy()
        names = dict(zip("abcdef", arguments, strict=False))
        if isinstance(filled, exp.Placeholder):
            return names[filled.name].copy()
        for place in list(filled.find_all(exp.Placeholder)):
            if place.name in names:
                place.replace(names[place.name].copy())
        return exp.paren(filled, copy=False)

    return fill
