"""Random queries over `base`: aggregates over no rows, unions, sub-queries within each other, joins, windows."""

import random
import re

_AGGREGATES = (
    "count(*)", "sum(n)", "max(s)", "min(x)", "avg(n)", "count(distinct type)", "bool_or(flag)", "max(n) - min(n)",
    "coalesce(max(n), -1)", "string_agg(id, ',' order by id)",
)  # fmt: skip
_NUMBERS = ("count(*)", "sum(n)", "max(n)", "min(n)")
_VALUES = ("n", "s", "x", "type", "id", "n + 1", "coalesce(n, 0)", "length(s)", "case when n > 0 then 1 end")
_WINDOWS = (
    "row_number() over (order by id)", "sum(n) over (partition by type order by id)", "lag(s) over (order by id)",
    "max(n) over ()",
)  # fmt: skip
_TESTS = ("n > 0", "type = 'buy'", "s is null", "n is not null and n < 10", "id <> 'e1'")
_COLUMN = re.compile(r"\b(n|s|x|type|id|flag)\b(?!')")


class Queries:
    """Makes queries from a seed; each gives one column named `value`."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._names = 0

    def query(self) -> str:
        """Return the next query."""
        inner = self._query(self._random.randint(1, 3))
        around = (
            "{}",
            "{}",
            "select g.value from ({}) as g order by g.value",
            "select distinct g.value from ({}) as g",
        )
        return self._random.choice(around).replace("{}", inner)

    def _query(self, depth: int) -> str:
        simple = (self._aggregate, self._plain, self._grouped)
        others = (self._joined, self._window, self._scalar, self._over, self._set_operation, self._with)
        return self._random.choice(simple if depth <= 0 else simple + others)(depth)

    def _aggregate(self, depth: int) -> str:
        name = self._name()
        where = f" where {self._test(name, depth - 1)}" if self._maybe(0.7) else ""
        having = self._random.choice((" having count(*) > 0", " having count(*) = 0")) if self._maybe(0.2) else ""
        return self._select(self._of(_AGGREGATES, name), name, depth, where + having)

    def _grouped(self, depth: int) -> str:
        name = self._name()
        having = " having count(*) > 1" if self._maybe(0.3) else ""
        rest = f" where {self._test(name, depth - 1)} group by {name}.type{having}"
        return self._select(self._of(_AGGREGATES, name), name, depth, rest)

    def _plain(self, depth: int) -> str:
        name = self._name()
        distinct = self._random.choice(("", "distinct "))
        return self._select(distinct + self._of(_VALUES, name), name, depth, f" where {self._test(name, depth)}")

    def _window(self, depth: int) -> str:
        name = self._name()
        return self._select(self._of(_WINDOWS, name), name, depth, f" where {self._test(name, depth - 1)}")

    def _joined(self, depth: int) -> str:
        left, right = self._name(), self._name()
        kind = self._random.choice(("join", "left join", "right join"))
        on = f"on {left}.type = {right}.type and {left}.id < {right}.id"
        rest = f" {kind} {self._source(right, depth - 1)} {on}"
        return self._select(self._of(_VALUES, self._random.choice((left, right))), left, depth - 1, rest)

    def _scalar(self, depth: int) -> str:
        name = self._name()
        value = f"({self._aggregate(depth - 1)})"
        where = f" where {self._test(name, depth - 1)}"
        return self._select(value, name, depth - 1, where) if self._maybe(0.5) else f"select {value} as value"

    def _over(self, depth: int) -> str:
        value = self._random.choice(("max(g.value)", "count(*)", "min(g.value)"))
        return " ".join(("select", value, "as value from (", self._query(depth - 1), ") as g"))

    def _set_operation(self, depth: int) -> str:
        left, right = self._name(), self._name()
        operation = self._random.choice(("union all", "union", "except", "intersect"))
        sides = [
            self._select(self._of(_NUMBERS, name), name, depth - 1, f" where {self._test(name, depth - 1)}")
            for name in (left, right)
        ]
        return f" {operation} ".join(sides)

    def _with(self, depth: int) -> str:
        if self._maybe(0.5):
            value = self._random.choice(("count(*)", "max(c.value)"))
            return " ".join(("with c as (", self._query(depth - 1), ") select", value, "as value from c"))
        inner = self._aggregate(depth - 1)
        return " ".join(("with c as (", inner, "), e as (select count(*) as m from c) select c.value from c, e"))

    def _select(self, value: str, name: str, depth: int, rest: str) -> str:
        return " ".join(("select", value, "as value from", self._source(name, depth))) + rest

    def _source(self, name: str, depth: int) -> str:
        if depth <= 0 or not self._maybe(0.3):
            return f"base as {name}"
        inner = self._name()
        columns = ", ".join(f"{inner}.{column}" for column in ("id", "n", "s", "x", "type", "flag"))
        limit = self._random.choice(("", f" order by {inner}.id limit 2"))
        source = self._source(inner, depth - 1)
        return " ".join(
            ("(select", columns, "from", source, "where", self._test(inner, depth - 1), limit, ") as", name)
        )

    def _test(self, name: str, depth: int) -> str:
        kind = self._random.randrange(8)
        if kind < 4 or depth <= 0:
            return self._of(_TESTS, name)
        if kind == 4:
            return f"({self._test(name, depth - 1)} {self._random.choice(('and', 'or'))} {self._test(name, depth - 1)})"
        other = self._name()
        rest = f"from {self._source(other, depth - 1)} where"
        if kind == 5:
            test = f"{other}.type = {name}.type and {self._test(other, depth - 2)}"
            return f"{self._random.choice(('', 'not '))}exists (select 1 {rest} {test})"
        if kind == 6:
            compared = f"{name}.n {self._random.choice(('>', '=', '<'))} "
            return (
                compared + f"(select {self._random.choice(('max', 'min'))}({other}.n) {rest} {other}.id <> {name}.id)"
            )
        test = self._test(other, depth - 2)
        return f"{name}.id {self._random.choice(('', 'not '))}in (select {other}.id {rest} {test})"

    def _of(self, texts: tuple[str, ...], name: str) -> str:
        return _COLUMN.sub(lambda found: f"{name}.{found[1]}", self._random.choice(texts))

    def _maybe(self, share: float) -> bool:
        return self._random.random() < share

    def _name(self) -> str:
        self._names += 1
        return f"t{self._names}"
