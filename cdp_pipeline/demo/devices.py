"""What the shop's people come with: laptops, phone browsers, tablets, the app, and a cookie of the magazine's site.

One element of each array is one cookie (or one installed app) with the span of days in which it is used. A person who
clears cookies has a second one from that day on, which knows nothing of the first until they log in again. A tablet
has two users, one in the morning and one in the evening.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cdp_pipeline.demo.people import NEVER, People
from cdp_pipeline.demo.text import Ints, hex_ids, join, scatter

LAPTOP, PHONE, TABLET, MAGAZINE, APP = range(5)

_SHARE_CLEARED = 0.12  # of laptops and phones, once in the time of the demo


@dataclass(frozen=True)
class Devices:
    """Every cookie and installed app, one array per trait."""

    owner: Ints
    evening_user: Ints  # the same as the owner, but on shared tablets
    kind: Ints
    first_day: Ints
    end_day: Ints  # the first day on which it is no longer used
    login_day: Ints  # the first day on which someone logs in there; NEVER
    cookie: pa.Array
    inbound: pa.Array  # other cookies of the same person, as a JSON array; empty where no link leads here


def create_devices(rng: np.random.Generator, people: People, days: int) -> Devices:
    """Give everybody one to four devices."""
    everybody = np.arange(len(people), dtype=np.int64)
    chance = rng.random((4, len(people)))
    second = everybody[chance[0] < 0.45]
    app = everybody[chance[1] < 0.30]
    readers = everybody[chance[2] < 0.08]
    first_kind = np.where(chance[3] < 0.6, LAPTOP, PHONE)
    tablets = people.tablet_pairs
    owner = np.concatenate([everybody, second, app, readers, tablets[:, 0]])
    user = np.concatenate([everybody, second, app, readers, tablets[:, 1]])
    kind = np.concatenate(
        [
            first_kind,
            LAPTOP + PHONE - first_kind[second],
            np.full(len(app), APP),
            np.full(len(readers), MAGAZINE),
            np.full(len(tablets), TABLET),
        ]
    )
    login_day = _login_days(rng, people, owner, kind, first=len(people))
    first_day = people.first_day[owner]
    cookie = hex_ids(rng, len(owner))
    magazine_at = len(owner) - len(tablets) - len(readers)
    inbound = _inbound(cookie, readers, magazine_at, second, len(people))
    whole = Devices(owner, user, kind, first_day, np.full(len(owner), days), login_day, cookie, inbound)
    return _with_cleared_cookies(rng, whole, days)


def _login_days(rng: np.random.Generator, people: People, owner: Ints, kind: Ints, first: int) -> Ints:
    """On the first device when the person first logs in; on others some days later or never; in the magazine never."""
    first_of_all = (np.arange(len(owner)) < first) | (kind == TABLET)
    day = people.login_day[owner]
    day = np.where(first_of_all, day, day + rng.geometric(0.3, len(owner)) - 1)
    never = (kind == MAGAZINE) | (~first_of_all & (rng.random(len(owner)) < 0.3))
    return np.where(never, NEVER, np.minimum(day, NEVER))


def _inbound(cookie: pa.Array, readers: Ints, magazine_at: int, second: Ints, people: int) -> pa.Array:
    """Links from the magazine carry its own cookie to the first device, and at times the second device's too."""
    magazine = cookie.slice(magazine_at, len(readers))
    seconds = scatter(people, second, join(',"', cookie.slice(people, len(second)), '"')).take(pa.array(readers))
    even = pa.array(readers % 2 == 0)
    link = join('["', magazine, '"', pc.if_else(even, seconds, ""), "]")
    return scatter(len(cookie), readers, link)


def _with_cleared_cookies(rng: np.random.Generator, devices: Devices, days: int) -> Devices:
    """End some cookies on a day and begin a fresh one that day."""
    browser = (devices.kind == LAPTOP) | (devices.kind == PHONE)
    chosen = np.flatnonzero(browser & (rng.random(len(devices.owner)) < _SHARE_CLEARED))
    cleared_on = rng.integers(1, days + 1, len(chosen))
    chosen, cleared_on = chosen[cleared_on < days], cleared_on[cleared_on < days]
    chosen, cleared_on = _still_in_use(devices, chosen, cleared_on)
    end_day = devices.end_day.copy()
    end_day[chosen] = cleared_on
    again = np.maximum(cleared_on, devices.login_day[chosen]) + rng.geometric(0.3, len(chosen)) - 1
    again = np.where(rng.random(len(chosen)) < 0.3, NEVER, np.minimum(again, NEVER))
    return Devices(
        owner=np.concatenate([devices.owner, devices.owner[chosen]]),
        evening_user=np.concatenate([devices.evening_user, devices.evening_user[chosen]]),
        kind=np.concatenate([devices.kind, devices.kind[chosen]]),
        first_day=np.concatenate([devices.first_day, cleared_on]),
        end_day=np.concatenate([end_day, np.full(len(chosen), days)]),
        login_day=np.concatenate([devices.login_day, again]),
        cookie=pa.concat_arrays([devices.cookie, hex_ids(rng, len(chosen))]),
        inbound=pa.concat_arrays([devices.inbound, devices.inbound.take(pa.array(chosen))]),
    )


def _still_in_use(devices: Devices, chosen: Ints, cleared_on: Ints) -> tuple[Ints, Ints]:
    used = devices.first_day[chosen] < cleared_on
    return chosen[used], cleared_on[used]
