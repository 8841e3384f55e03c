"""Kinds of entity with limits, hubs, shared devices and identity maps, and random histories in which all of it matters.

The numbers are small, so that small histories reach them.
"""

from cdp_pipeline_tests.oracle.histories import Shape
from cdp_pipeline_tests.oracle.kinds import EntityKind, MapRules, TypeRules

# Unique customers, shared devices of each manner.
SHARED = EntityKind(
    "customer",
    ("crm", "email", "device", "cookie"),
    {
        "crm": TypeRules(max_per_entity=1),
        "device": TypeRules(bridge=False, when_shared="last_login"),
    },
)
# Every limit there is.
CROWDED = EntityKind(
    "customer",
    ("crm", "email", "device", "cookie"),
    {
        "crm": TypeRules(max_per_entity=2),
        "email": TypeRules(max_per_entity=1),
        "device": TypeRules(bridge=False, when_shared="nobody", max_per_entity=2),
        "cookie": TypeRules(when_shared="last_login"),
    },
    max_identifiers=5,
)
# Few neighbours make a hub.
HUBS = EntityKind(
    "customer",
    ("crm", "email", "device", "cookie"),
    {
        "crm": TypeRules(max_per_entity=1, max_links=3),
        "email": TypeRules(max_per_entity=2, max_links=2),
        "device": TypeRules(bridge=False, max_links=4),
        "cookie": TypeRules(max_links=1),
    },
    max_links=3,
)
# Bring your own: two maps that rename, one that names persons.
MAPPED = EntityKind(
    "customer",
    ("crm", "email", "device", "cookie"),
    {"crm": TypeRules(max_per_entity=1), "email": TypeRules(max_per_entity=2), "device": TypeRules(bridge=False)},
    max_identifiers=8,
    max_links=5,
    maps=(
        MapRules("cookie", ("crm", "email")),
        MapRules("crm", ("crm",), updated_at=False, mode="snapshot"),
        MapRules("email", ("crm", "email"), resolve="all", mode="snapshot"),
        MapRules("email", ("email",)),
    ),
)
VALUES = (("crm", 4), ("email", 5), ("device", 3), ("cookie", 6))
SPARSE = (("crm", 6), ("email", 8), ("device", 5), ("cookie", 10))
LIMITED_SHAPES = (
    Shape(cuts=6, values=VALUES, kind=SHARED),
    Shape(cuts=6, values=SPARSE, kind=SHARED, decisions=0.6, sources=("contacts", "web")),
    Shape(cuts=6, values=VALUES, kind=CROWDED, decisions=0.6),
    Shape(cuts=8, days=6, rows=2, values=SPARSE, kind=CROWDED, decisions=0.4),
    Shape(cuts=6, values=SPARSE, kind=HUBS, decisions=0.3),
    Shape(cuts=8, days=6, rows=2, values=SPARSE, kind=HUBS, sources=("contacts", "web")),
    Shape(cuts=6, values=VALUES, kind=MAPPED, maps=0.6),
    Shape(cuts=6, rows=2, values=SPARSE, kind=MAPPED, decisions=0.6, maps=0.6),
)
