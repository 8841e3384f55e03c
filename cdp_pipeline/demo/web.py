"""The web tracker's rows: one JSON object per line, gzipped."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cdp_pipeline.demo.catalogue import CAMPAIGNS, PRODUCTS, SEARCHES, catalogue
from cdp_pipeline.demo.devices import LAPTOP, MAGAZINE, PHONE, TABLET, Devices
from cdp_pipeline.demo.people import People
from cdp_pipeline.demo.text import Flags, Ints, digits, join, keep, money, pick, scatter, times, uuids
from cdp_pipeline.demo.visits import CART, CHECKOUT, LOGIN, ORDER, PAGE, PRODUCT, SEARCH, Steps

EVENT_NAMES = ["page_view", "product_view", "add_to_cart", "search", "login", "checkout_started", "order_completed"]
JUNK_EMAILS = ["test@test.com", "unknown", "null", "n/a", "undefined", "Test@Test.com "]

_DEVICE_NAMES = {LAPTOP: "laptop", PHONE: "phone", TABLET: "tablet", MAGAZINE: "laptop"}
_PRODUCT_STEPS = (PRODUCT, CART)
_PAGE_URLS = {
    SEARCH: "https://shop.example/search",
    LOGIN: "https://shop.example/login",
    CHECKOUT: "https://shop.example/checkout",
    ORDER: "https://shop.example/thank-you",
}


def web_rows(rng: np.random.Generator, people: People, devices: Devices, day: int, date: str, steps: Steps) -> pa.Table:
    """The day's events with columns id and line."""
    ids = uuids(rng, len(steps))
    user = join('","user_id":"', people.contact_id.take(pa.array(steps.person)))
    newer = _newer_version(rng, steps, day)
    line = join(
        '{"message_id":"',
        ids,
        '","type":"',
        pick(EVENT_NAMES, steps.kind),
        '","version":"',
        pick(["1-0-0", "1-1-0"], newer),
        '","timestamp":"',
        times(date, steps.milliseconds),
        '","env":"prod","properties":{"anonymous_id":"',
        devices.cookie.take(pa.array(steps.device)),
        keep(user, steps.known),
        _undefined_user(rng, steps),
        '","device":"',
        pick([_DEVICE_NAMES.get(kind, "") for kind in range(5)], devices.kind[steps.device]),
        '","url":"',
        _urls(devices, steps),
        '"',
        _arrival_fields(rng, devices, steps),
        _step_fields(rng, people, day, steps, newer),
        "}}",
    )
    return pa.table({"id": ids, "line": line})


def _newer_version(rng: np.random.Generator, steps: Steps, day: int) -> Ints:
    """Log-ins come in a newer version from the second week on; it adds a field."""
    newer: Flags = (steps.kind == LOGIN) & (day >= 7) & (rng.random(len(steps)) < 0.8)
    return newer.astype(np.int64)


def _undefined_user(rng: np.random.Generator, steps: Steps) -> pa.Array:
    """A bug that many trackers have: now and then an unknown visitor's number is the word `undefined`."""
    wrong: Flags = ~steps.known & (rng.random(len(steps)) < 0.005)
    return pick(["", '","user_id":"undefined'], wrong.astype(np.int64))


def _product(steps: Steps) -> Ints:
    return (steps.product * PRODUCTS).astype(np.int64)


def _urls(devices: Devices, steps: Steps) -> pa.Array:
    """Where the step happened: the index into all the shop's and the magazine's addresses."""
    books = catalogue()
    fixed = [_PAGE_URLS.get(kind, "") for kind in range(7)]
    table = [*fixed, *books.browsing_urls, *books.magazine_urls, *books.product_urls]
    magazine_at = len(fixed) + len(books.browsing_urls)
    magazine = devices.kind[steps.device] == MAGAZINE
    index = np.select(
        [magazine, steps.kind == PAGE, np.isin(steps.kind, _PRODUCT_STEPS)],
        [
            magazine_at + (steps.product * len(books.magazine_urls)).astype(np.int64),
            len(fixed) + (steps.product * len(books.browsing_urls)).astype(np.int64),
            magazine_at + len(books.magazine_urls) + _product(steps),
        ],
        steps.kind,
    )
    return pick(table, index)


def _arrival_fields(rng: np.random.Generator, devices: Devices, steps: Steps) -> pa.Array:
    """What a visit's first page tells: the campaign, and other cookies of the visitor when a link led here."""
    chance = rng.random(len(steps))
    by_campaign = np.flatnonzero(steps.opens_visit & (chance < 0.3))
    campaign = pick(CAMPAIGNS, rng.integers(0, len(CAMPAIGNS), len(by_campaign)))
    has_link = pc.not_equal(devices.inbound, "").to_numpy(zero_copy_only=False)[steps.device]
    by_link = np.flatnonzero(steps.opens_visit & (chance > 0.6) & has_link)
    inbound = devices.inbound.take(pa.array(steps.device[by_link]))
    return join(
        scatter(len(steps), by_campaign, join(',"campaign":"', campaign, '"')),
        scatter(len(steps), by_link, join(',"inbound_user_ids":', inbound)),
    )


def _step_fields(rng: np.random.Generator, people: People, day: int, steps: Steps, newer: Ints) -> pa.Array:
    """What only one type of event tells."""
    rows = len(steps)
    products = np.flatnonzero(np.isin(steps.kind, _PRODUCT_STEPS))
    searches = np.flatnonzero(steps.kind == SEARCH)
    logins = np.flatnonzero(steps.kind == LOGIN)
    guests = np.flatnonzero((steps.kind == CHECKOUT) & ~steps.known)
    orders = np.flatnonzero(steps.kind == ORDER)
    query = pick(SEARCHES, (steps.product[searches] * len(SEARCHES)).astype(np.int64))
    method = pick(["", ',"method":"password"'], newer[logins])
    return join(
        scatter(rows, products, join(",", pick(catalogue().product_fields, _product(steps)[products]))),
        scatter(rows, searches, join(',"query":"', query, '"')),
        scatter(rows, logins, join(_emails(rng, people, day, steps.person[logins]), method)),
        scatter(rows, guests, _emails(rng, people, day, steps.person[guests])),
        scatter(rows, orders, _order_fields(rng, people, day, steps.person[orders])),
    )


def _emails(rng: np.random.Generator, people: People, day: int, person: Ints) -> pa.Array:
    """The e-mail as typed: at times in capitals or with a blank, and at times junk."""
    email = people.email_on(day, person)
    chance = rng.random(len(person))
    email = pc.if_else(pa.array(chance < 0.06), join(" ", pc.ascii_capitalize(email)), email)
    junk = pick(JUNK_EMAILS, rng.integers(0, len(JUNK_EMAILS), len(person)))
    email = pc.if_else(pa.array(chance > 0.97), junk, email)
    return join(',"user":{"email":"', email, '"}')


def _order_fields(rng: np.random.Generator, people: People, day: int, person: Ints) -> pa.Array:
    """Order number, total, one to three items, and the VAT number of the company that pays."""
    lines = rng.integers(1, 4, len(person))
    items, total = pa.array([""] * len(person), pa.string()), np.zeros(len(person), dtype=np.int64)
    for place in range(3):
        wanted = lines > place
        product, quantity = rng.integers(0, PRODUCTS, len(person)), rng.integers(1, 3, len(person))
        item = join("," if place else "", pick(catalogue().items, 2 * product + quantity - 1))
        items = join(items, keep(item, wanted))
        total += wanted * quantity * catalogue().cents[product]
    number = digits(day * 1_000_000 + np.arange(len(person), dtype=np.int64), 8)
    vat = join(',"company_vat":"CZ', vat_digits(people.company[person]), '"')
    pays = (people.company[person] >= 0) & (rng.random(len(person)) < 0.7)
    return join(
        ',"order_id":"O', number, '","total":', money(total), ',"currency":"EUR","items":[', items, "]", keep(vat, pays)
    )


def vat_digits(company: Ints) -> pa.Array:
    """The company's VAT number without its country."""
    return digits(25_000_000 + np.maximum(company, 0) * 37, 8)


def robot_lines(rng: np.random.Generator, people: People, day: int, date: str, rows: int) -> list[str]:
    """The log-ins of a robot that tests the shop as one customer after another.

    Without the project's `where` it would fuse them all.
    """
    return [
        json.dumps(
            {
                "message_id": f"robot-{day:03}-{number:06}",
                "type": "login",
                "version": "1-0-0",
                "timestamp": f"{date}T03:{number // 60 % 60:02}:{number % 60:02}.000Z",
                "env": "test",
                "properties": {
                    "anonymous_id": "robot",
                    "user_id": people.contact_id[person].as_py(),
                    "user": {"email": people.email[person].as_py()},
                },
            },
            separators=(",", ":"),
        )
        for number, person in enumerate(rng.integers(0, len(people), rows).tolist())
    ]
