"""What happened on one day in browsers and apps, still as numbers; `web.py` and `app.py` turn them into rows.

A visit is one person on one device for some minutes. It starts with a page, may hold a log-in as its second step, and
may end with a checkout and an order. Before the log-in of a visit nothing tells who the visitor is but the cookie.
"""

from dataclasses import dataclass

import numpy as np

from cdp_pipeline.demo.devices import APP, MAGAZINE, TABLET, Devices
from cdp_pipeline.demo.people import People
from cdp_pipeline.demo.text import Flags, Floats, Ints

PAGE, PRODUCT, CART, SEARCH, LOGIN, CHECKOUT, ORDER = range(7)

_DAY = 86_400_000  # milliseconds
_OPENS, _OPEN_HOURS, _NOON_SHIFT = 6, 16, 14  # people are awake from 6 to 22; a tablet changes hands at 14

_TABLET_VISITS_A_DAY = 0.5  # at least: shared tablets are few, and what they do to identities must be seen


@dataclass(frozen=True)
class Steps:
    """The steps of one day's visits in the order of time, one array per trait."""

    device: Ints
    person: Ints
    milliseconds: Ints  # since midnight
    kind: Ints
    opens_visit: Flags
    known: Flags  # logged in at this step
    product: Floats  # from 0 to 1: which of the catalogue

    def __len__(self) -> int:
        """How many steps there are."""
        return len(self.device)


@dataclass(frozen=True)
class _Visits:
    device: Ints
    person: Ints
    start: Ints
    known: Flags
    logs_in: Flags
    orders: Flags


def steps_of_day(rng: np.random.Generator, people: People, devices: Devices, day: int, *, in_app: bool) -> Steps:
    """Draw one day's steps, of the app or of all browsers."""
    visits = _visits(rng, people, devices, day, in_app=in_app)
    length = 1 + rng.poisson(2.6, len(visits.device)) + visits.logs_in + 2 * visits.orders
    visit = np.repeat(np.arange(len(length)), length)
    place = np.arange(len(visit)) - np.repeat(np.cumsum(length) - length, length)
    kind = rng.choice(np.array([PAGE, PRODUCT, CART, SEARCH]), len(visit), p=[0.42, 0.42, 0.09, 0.07])
    from_end = length[visit] - place
    kind = np.select(
        [
            visits.logs_in[visit] & (place == 1),
            visits.orders[visit] & (from_end == 2),
            visits.orders[visit] & (from_end == 1),
            (place == 0) | (devices.kind[visits.device[visit]] == MAGAZINE),
        ],
        [LOGIN, CHECKOUT, ORDER, PAGE],
        kind,
    )
    moment = visits.start[visit] + _waited(rng, length, visit)
    order = np.argsort(moment, kind="stable")
    known = visits.known[visit] & (~visits.logs_in[visit] | (place >= 1))
    return Steps(
        device=visits.device[visit][order],
        person=visits.person[visit][order],
        milliseconds=np.minimum(moment[order], _DAY - 1),
        kind=kind[order],
        opens_visit=(place == 0)[order],
        known=known[order],
        product=rng.random(len(visit)) ** 2,  # some products are looked at far more often
    )


def _visits(rng: np.random.Generator, people: People, devices: Devices, day: int, *, in_app: bool) -> _Visits:
    in_use = (devices.first_day <= day) & (day < devices.end_day) & ((devices.kind == APP) == in_app)
    candidates = np.flatnonzero(in_use)
    expected = people.visits_a_day[devices.owner[candidates]]
    expected = np.where(devices.kind[candidates] == TABLET, np.maximum(expected, _TABLET_VISITS_A_DAY), expected)
    device = np.repeat(candidates, rng.poisson(expected))
    start = _starts(rng, len(device))
    person = np.where(start < _NOON_SHIFT * 3_600_000, devices.owner[device], devices.evening_user[device])
    login_day = np.maximum(devices.login_day[device], people.login_day[person])
    tablet = devices.kind[device] == TABLET
    known = (login_day == day) | ((login_day < day) & (rng.random(len(device)) < 0.75))
    logs_in = known & ((login_day == day) | tablet | (rng.random(len(device)) < 0.25))
    chance = np.where(known, 0.09, 0.03) * ((devices.kind[device] != MAGAZINE) & (not in_app))
    return _Visits(device, person, start, known, logs_in, rng.random(len(device)) < chance)


def _starts(rng: np.random.Generator, visits: int) -> Ints:
    hours = _OPENS + _OPEN_HOURS * rng.beta(2.0, 1.8, visits)
    return (hours * 3_600_000).astype(np.int64)


def _waited(rng: np.random.Generator, length: Ints, visit: Ints) -> Ints:
    """The time from the start of a visit to each of its steps."""
    pauses = rng.exponential(40_000, len(visit)).astype(np.int64) + 500
    total = np.cumsum(pauses)
    before_first = np.cumsum(length) - length
    waited: Ints = total - total[before_first[visit]]
    return waited
