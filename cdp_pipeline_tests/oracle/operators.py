"""Random decisions, and random rows of identity maps.

Both are about the values that random files hold, and about one more of each type, which no file ever holds. Decisions
never contradict each other. Every row of a map is changed later than all others were before, as by a clock.
"""

import random
from collections.abc import Sequence
from dataclasses import replace as changed
from datetime import UTC, date, datetime, time, timedelta

from cdp_pipeline_tests.oracle.decisions import ContradictionError, InForce, decide
from cdp_pipeline_tests.oracle.events import Decision, Identifier, MapRow, MapTables
from cdp_pipeline_tests.oracle.kinds import EntityKind, MapRules

FIRST_DAY = date(2026, 1, 5)
Values = Sequence[tuple[str, int]]
VERDICTS = {"same": 3, "different": 3, "unstitch": 2, "quarantine": 2, "release": 1}


def some_value(rng: random.Random, type_: str, values: Values) -> str:
    """Return a value of a type."""
    return f"{type_}-{rng.randrange(dict(values)[type_] + 1)}"


class RandomDecisions:
    """Operators who decide at random."""

    def __init__(self, rng: random.Random, values: Values) -> None:
        """Nothing is decided yet."""
        self.rng = rng
        self.values = values
        self.in_force: InForce = {}
        self.made: list[Decision] = []

    def some(self) -> tuple[Decision, ...]:
        """Return one to three decisions."""
        return tuple(self._next() for _ in range(self.rng.randint(1, 3)))

    def _next(self) -> Decision:
        while True:
            decision = self._any()
            try:
                self.in_force = decide(self.in_force, [decision])
            except ContradictionError:
                continue
            self.made.append(decision)
            return decision

    def _any(self) -> Decision:
        in_force = [made for made in self.made if self.in_force.get(made.subject) == made.verdict]
        if in_force and self.rng.random() < 0.3:
            return changed(self.rng.choice(in_force), withdraws=True)
        verdict = self.rng.choices(list(VERDICTS), list(VERDICTS.values()))[0]
        one, other = self._identifier(), self._identifier()
        while other == one:
            other = self._identifier()
        needs_two = verdict in ("same", "different") or (verdict == "unstitch" and self.rng.random() < 0.7)
        return Decision(verdict, one, other if needs_two else None)

    def _identifier(self) -> str:
        type_ = self.rng.choice(self.values)[0]
        return Identifier(type_, some_value(self.rng, type_, self.values)).identifier_id


class RandomMaps:
    """The tables of a kind's identity maps, which change at random."""

    def __init__(self, rng: random.Random, values: Values, kind: EntityKind) -> None:
        """The tables are empty."""
        self.rng = rng
        self.values = values
        self.kind = kind
        self.tables: list[list[MapRow]] = [[] for _ in kind.maps]
        self.clock = datetime.combine(FIRST_DAY, time(), UTC)

    def some(self) -> MapTables:
        """Change some rows and return all tables."""
        for rules, rows in zip(self.kind.maps, self.tables, strict=True):
            for _ in range(self.rng.randint(0, 3)):
                self._change(rules, rows)
            if rows and self.rng.random() < 0.3:
                gone = self.rng.choice(rows).primary
                rows[:] = [row for row in rows if row.primary != gone]
        return tuple(map(tuple, self.tables))

    def _change(self, rules: MapRules, rows: list[MapRow]) -> None:
        """Write a row, in place of the one of its primary id or, where the newest counts, at times beside it."""
        row = self._row(rules)
        if not (rules.updated_at and self.rng.random() < 0.3):
            rows[:] = [other for other in rows if other.primary != row.primary]
        rows.append(row)

    def _row(self, rules: MapRules) -> MapRow:
        self.clock += timedelta(hours=self.rng.choice((1, 5, 11)))
        persons = tuple(
            (type_, some_value(self.rng, type_, self.values) if self.rng.random() < 0.7 else None)
            for type_ in rules.persons
        )
        primary = some_value(self.rng, rules.primary, self.values)
        return MapRow(primary, persons, self.clock if rules.updated_at else None, self.rng.random() < 0.1)
