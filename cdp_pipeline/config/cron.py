"""Cron expressions: five fields that say at which minutes something happens, in UTC.

Accepted is what every cron knows: `*`, numbers, names of months and weekdays, ranges, steps and lists. Where both a day
of the month and a weekday are asked for, either will do, as everywhere.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAY = timedelta(days=1)
# A leap day comes at last after eight years, around 2100.
_YEARS = [date(2096, 1, 1) + _DAY * number for number in range(366 * 9)]


@dataclass(frozen=True)
class _Field:
    """A field of the expression: its name, its least and greatest number, and names for its numbers from `first` on."""

    name: str
    low: int
    high: int
    names: Sequence[str] = ()
    first: int = 0

    def number(self, word: str) -> int:
        """The number that a word stands for.

        Raises:
            ValueError: it stands for none of this field.
        """
        if word in self.names:
            return self.names.index(word) + self.first
        if not re.fullmatch("[0-9]{1,2}", word) or not self.low <= int(word) <= self.high:
            raise ValueError(f"`{word}` is no {self.name} ({self.low} to {self.high})")
        return int(word)

    def numbers(self, text: str) -> frozenset[int]:
        """The numbers that a whole field asks for.

        Raises:
            ValueError: it cannot be read.
        """
        return frozenset(number for part in text.split(",") for number in self._part(part))

    def _part(self, part: str) -> range:
        span, slash, step = part.partition("/")
        if slash and (not re.fullmatch("[1-9][0-9]?", step) or not ("-" in span or span == "*")):
            raise ValueError(f"`{part}` is no step such as */5 or {self.low}-{self.high}/5")
        if span == "*":
            return range(self.low, self.high + 1, int(step or 1))
        first, dash, last = span.partition("-")
        ends = self.number(first), self.number(last if dash else first)
        if ends[0] > ends[1]:
            raise ValueError(f"`{part}` runs backwards")
        return range(ends[0], ends[1] + 1, int(step or 1))


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS, 1),
    _Field("weekday", 0, 7, _WEEKDAYS),
)


def longest_gap(expression: str) -> timedelta:
    """The longest time that passes between two moments of a cron expression.

    Raises:
        ValueError: it is no cron expression, or its day never comes; the message says what is wrong.
    """
    texts = expression.lower().split()
    if len(texts) != len(_FIELDS):
        raise ValueError(f"it has not 5 fields but {len(texts)}")
    minutes, hours, days, months, weekdays = (field.numbers(text) for field, text in zip(_FIELDS, texts, strict=True))
    weekdays = frozenset(number % 7 for number in weekdays)

    def is_of(day: date) -> bool:
        by_month, by_week = day.day in days, day.isoweekday() % 7 in weekdays
        either = texts[2] != "*" and texts[4] != "*"
        return day.month in months and (by_month or by_week if either else by_month and by_week)

    found = [day for day in _YEARS if is_of(day)]
    if not found:
        raise ValueError("there is no such day")
    moments = sorted(timedelta(hours=hour, minutes=minute) for hour in hours for minute in minutes)
    overnight = max(later - earlier for earlier, later in pairwise(found)) - moments[-1] + moments[0]
    return max([overnight, *(later - earlier for earlier, later in pairwise(moments))])
