"""How definitions depend on the time that passes: by windows over the events' time, or otherwise.

An attribute that reads the clock only to compare it with the time of an event changes for an entity when one of its
events crosses the boundary, such as now() - interval '30 days', and at no other time. All others that read the clock
are worked out again once a day.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from cdp_pipeline.attributes.graph import BASE, Graph, Node, graph_of
from cdp_pipeline.attributes.language import read_expression
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.model import Entity
from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.context import context_keys
from cdp_pipeline.sql.mentions import mentions, mentions_clock

_COMPARISONS = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.NEQ, exp.Between)
_TIME = "event_time"
# What a boundary is made of that moves as the clock does: steadily, or at midnight.
_STEADY = (exp.Anonymous, exp.Add, exp.Sub, exp.Interval, exp.Paren, exp.DataType)
# Units of time that are not always equally long.
_CALENDAR = {"month", "mon", "year", "yr", "y", "quarter", "decade", "century", "centurie", "millennium", "millennia"}


@dataclass(frozen=True)
class ClockUse:
    """How a definition reads the clock.

    Attributes:
        boundaries: what the times of events are compared with, as trees that read nothing but the clock.
        otherwise: whether it reads the clock in any other way.
    """

    boundaries: tuple[exp.Expr, ...] = ()
    otherwise: bool = False

    def __bool__(self) -> bool:
        """Whether it reads the clock at all."""
        return bool(self.boundaries) or self.otherwise

    def __or__(self, other: "ClockUse") -> "ClockUse":
        """Both together, each boundary once."""
        return ClockUse(tuple(dict.fromkeys((*self.boundaries, *other.boundaries))), self.otherwise or other.otherwise)


def clock_uses(entity: Entity, graph: Graph) -> dict[Node, ClockUse]:
    """How each definition reads the clock, itself and in what it reads; a context value's reading is its own affair."""
    own = dict(_own(entity))
    found: dict[Node, ClockUse] = {}
    for node in graph.order:
        use = own.get(node, ClockUse())
        for read in graph.nodes[node]:
            if read.kind != "context":
                use |= found[read]
        found[node] = use
    return found


def worked_out_daily(entity: Entity) -> set[str]:
    """The attributes that are worked out again once a day: what they say is as of a moment of the day, not of a run."""
    uses = clock_uses(entity, graph_of(entity))
    return {node.id for node, use in uses.items() if node.kind == "attribute" and use.otherwise}


def is_steady(boundary: exp.Expr) -> bool:
    """Whether the boundary moves on just as fast as the clock: it is now(), more or less some days or less each."""
    return all(_is_steady(node) for node in boundary.walk())


def _is_steady(node: exp.Expr) -> bool:
    if isinstance(node, (exp.Literal, exp.Var)):
        return not any(word.strip("0123456789").rstrip("sS").lower() in _CALENDAR for word in node.name.split())
    if isinstance(node, exp.Cast):
        return node.to.this in (exp.DType.TIMESTAMPTZ, exp.DType.INTERVAL)
    return isinstance(node, _STEADY)


def _own(entity: Entity) -> Iterator[tuple[Node, ClockUse]]:
    for helper in entity.row_helpers:
        yield Node("row_helper", helper.id), _of(helper.value) | _of(helper.filter)
    for meta in entity.meta_attributes:
        yield Node("meta_attribute", meta.id), _of(meta.definition)
    for attribute in entity.attributes:
        yield Node("attribute", attribute.id), _of_attribute(attribute)


def _of_attribute(attribute: Attribute) -> ClockUse:
    use = ClockUse()
    for text in (attribute.value, attribute.filter, attribute.weight):
        use |= _of(text)
    for text in (attribute.outer_value, attribute.outer_weight, attribute.outer_filter):
        use |= ClockUse((), bool(_of(text)))
    # In the rows of a meta-attribute a column of that name may be any time.
    return ClockUse((), bool(use)) if attribute.from_ else use


def _of(text: str | None) -> ClockUse:
    if not text:
        return ClockUse()
    try:
        mentioned = mentions(text)
    except SqlError:
        return ClockUse()
    use = _in_tree(mentioned.tree.copy())
    return ClockUse((), bool(use)) if _may_rename(mentioned.tree) or mentioned.tables - {BASE} else use


def _may_rename(tree: exp.Expr) -> bool:
    """Whether `event_time` may be something else in it than the time of an event."""
    lists = (list_.args.get("columns") or [] for list_ in tree.find_all(exp.TableAlias))
    names = [alias.alias for alias in tree.find_all(exp.Alias)] + [name.name for names in lists for name in names]
    # Of a UNION the first query names the columns of all.
    return any(name.lower() == _TIME for name in names) or tree.find(exp.SetOperation) is not None


def _in_tree(tree: exp.Expr) -> ClockUse:
    """Takes the boundaries out of a tree; what then still reads the clock reads it otherwise."""
    boundaries: list[exp.Expr] = []
    for comparison in list(tree.find_all(*_COMPARISONS)):
        sides = list(comparison.iter_expressions())
        others = [side for side in sides if not _is_event_time(side)]
        if len(sides) - len(others) != 1 or any(map(_reads_more, others)):
            continue
        for side in others:
            if mentions_clock(side):
                boundaries.append(read_expression(side.sql("postgres"), {}))
                side.replace(exp.null())
    return ClockUse(tuple(boundaries), mentions_clock(tree))


def _reads_more(side: exp.Expr) -> bool:
    return side.find(exp.Column, exp.Query) is not None or bool(context_keys(side))


def _is_event_time(node: exp.Expr) -> bool:
    while isinstance(node, exp.Paren):
        node = node.this
    return isinstance(node, exp.Column) and node.name.lower() == _TIME
