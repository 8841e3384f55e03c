"""How definitions depend on the time that passes: by windows over the events' time, or otherwise.

An attribute that reads the clock only to compare it with the time of an event changes for an entity when one of its
events crosses the boundary, such as now() - interval '30 days', and at no other time. All others that read the clock
are worked out again once a day.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlglot import exp

from cdp_pipeline.attributes.graph import BASE, Graph, Node
from cdp_pipeline.attributes.language import read_any, read_expression, read_helper, read_query
from cdp_pipeline.config.attribute import Attribute
from cdp_pipeline.config.model import Entity
from cdp_pipeline.errors import SqlError
from cdp_pipeline.sql.clock import reads_clock

_COMPARISONS = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ, exp.NEQ, exp.Between)
_TIME = "event_time"
# What a boundary is made of that moves as the clock does: steadily, or at midnight.
_STEADY = (exp.Anonymous, exp.Add, exp.Sub, exp.Interval, exp.Paren, exp.Literal, exp.Var, exp.Cast, exp.DataType)
_CALENDAR = ("MONTH", "YEAR", "QUARTER", "DECADE", "CENTURY", "MON", "Y")


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


def is_steady(boundary: exp.Expr) -> bool:
    """Whether the boundary moves on just as fast as the clock."""
    nodes = list(boundary.walk())
    if any(
        isinstance(node, exp.Cast) and node.to.this is not exp.DType.TIMESTAMPTZ and not _is_interval(node)
        for node in nodes
    ):
        return False
    if any(
        part in node.name.upper() for node in nodes if isinstance(node, (exp.Literal, exp.Var)) for part in _CALENDAR
    ):
        return False
    return all(isinstance(node, _STEADY) for node in nodes)


def _is_interval(node: exp.Cast) -> bool:
    return node.to.this is exp.DType.INTERVAL


def _own(entity: Entity) -> Iterator[tuple[Node, ClockUse]]:
    for helper in entity.row_helpers:
        yield Node("row_helper", helper.id), _of(read_helper, helper.value) | _of(read_expression, helper.filter)
    for meta in entity.meta_attributes:
        yield Node("meta_attribute", meta.id), _of_query(entity, meta.definition)
    for attribute in entity.attributes:
        yield Node("attribute", attribute.id), _of_attribute(entity, attribute)


def _of_attribute(entity: Entity, attribute: Attribute) -> ClockUse:
    if attribute.type == "custom":
        return _of_query(entity, str(attribute.value))
    texts = (attribute.value, attribute.filter, attribute.weight)
    use = ClockUse()
    for text in texts:
        use |= _of(read_any, text)
    for text in (attribute.outer_value, attribute.outer_weight, attribute.outer_filter):
        use |= ClockUse((), bool(_of(read_expression, text)))
    # In the rows of a meta-attribute a column of that name may be any time.
    return ClockUse((), bool(use)) if attribute.from_ else use


def _of(read: Callable[[str], exp.Expr], text: str | None) -> ClockUse:
    if text is None:
        return ClockUse()
    try:
        return _in_tree(read(text))
    except SqlError:
        return ClockUse()


def _of_query(entity: Entity, text: str) -> ClockUse:
    try:
        query = read_query(text, (BASE, *(meta.id for meta in entity.meta_attributes)))
    except SqlError:
        return ClockUse()
    use = _in_tree(query.tree)
    renamed = any(alias.alias.lower() == _TIME for alias in query.tree.find_all(exp.Alias))
    return ClockUse((), bool(use)) if renamed or query.reads != {BASE} else use


def _in_tree(tree: exp.Expr) -> ClockUse:
    """Takes the boundaries out of a tree; what then still reads the clock reads it otherwise."""
    tree = tree.copy()
    boundaries: list[exp.Expr] = []
    for comparison in list(tree.find_all(*_COMPARISONS)):
        sides = list(comparison.iter_expressions())
        times = [side for side in sides if _is_event_time(side)]
        others = [side for side in sides if not _is_event_time(side)]
        if len(times) == 1 and all(not side.find(exp.Column) for side in others):
            for side in others:
                if reads_clock(side):
                    boundaries.append(side.copy())
                    side.replace(exp.null())
    return ClockUse(tuple(boundaries), reads_clock(tree))


def _is_event_time(node: exp.Expr) -> bool:
    while isinstance(node, exp.Paren):
        node = node.this
    return isinstance(node, exp.Column) and node.name.lower() == _TIME
