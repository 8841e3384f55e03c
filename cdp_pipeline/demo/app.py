"""The app's rows: Parquet with real column types; what differs from event to event is JSON text in `properties`."""

from datetime import date

import numpy as np
import pyarrow as pa

from cdp_pipeline.demo.catalogue import PRODUCTS, catalogue
from cdp_pipeline.demo.devices import Devices
from cdp_pipeline.demo.people import People
from cdp_pipeline.demo.text import Ints, join, keep, pick, uuids
from cdp_pipeline.demo.visits import CART, LOGIN, PAGE, PRODUCT, Steps

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "name": pa.string(),
        "happened_at": pa.timestamp("us", "UTC"),
        "device_id": pa.string(),
        "user_id": pa.string(),
        "email": pa.string(),
        "screen": pa.string(),
        "properties": pa.string(),
    }
)

_NAMES = ["screen_view", "product_view", "add_to_wishlist", "search", "login", "screen_view", "screen_view"]
_SCREENS = ["home", "product", "product", "search", "login", "home", "home"]


def app_rows(rng: np.random.Generator, people: People, devices: Devices, day: int, on: date, steps: Steps) -> pa.Table:
    """The day's events in the columns of the file."""
    names = np.where(steps.opens_visit & (steps.kind == PAGE), len(_NAMES), steps.kind)
    return pa.table(
        {
            "id": uuids(rng, len(steps)),
            "name": pick([*_NAMES, "app_open"], names),
            "happened_at": moments(on, steps.milliseconds),
            "device_id": join("app-", devices.cookie.take(pa.array(steps.device))),
            "user_id": keep(people.contact_id.take(pa.array(steps.person)), steps.known, None),
            "email": keep(people.email_on(day, steps.person), steps.kind == LOGIN, None),
            "screen": pick(_SCREENS, steps.kind),
            "properties": _properties(steps),
        },
        schema=SCHEMA,
    )


def moments(on: date, milliseconds: Ints) -> pa.Array:
    """Moments of one day as timestamps."""
    midnight = np.datetime64(on, "us")
    return pa.array(midnight + milliseconds.astype("timedelta64[ms]")).cast(SCHEMA.field("happened_at").type)


def _properties(steps: Steps) -> pa.Array:
    product = (steps.product * PRODUCTS).astype(np.int64)
    fields = join(",", pick(catalogue().product_fields, product))
    system = pick(["android", "ios"], steps.device % 2)
    return join('{"os":"', system, '"', keep(fields, np.isin(steps.kind, (PRODUCT, CART))), "}")
