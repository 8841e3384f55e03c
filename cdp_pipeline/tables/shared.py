"""The tables that all kinds of entity share, in flow order."""

from cdp_pipeline.tables.definition import CDP, Table

CUSTOMER_EVENTS = Table(
    CDP,
    "customer_events",
    "an event, for ever",
    daily=True,
    indexes=("event_id", "place", "arrived_on"),
    rising=("landed_in",),
).having("""
        event_id uuid: hash of source_id and source_event_id
        source_id text: what the source calls itself: its name, or the value of its `source` expression
        source_event_id text: the id that the source gave the event
        type text: the kind of event, such as order_completed
        version text: the version of the event's schema
        event_time timestamptz: when it happened
        arrived_on date: the day on which it landed
        payload jsonb: what the event says
        +landed_from text: the source of the project file that brought it
        +place text: the file or table that holds its row
        +place_row bigint: its row there, from 1
        +landed_in bigint: the number of the landing that brought it
        +mirrored_at timestamptz: of a mirror, when its row arrived; NULL of a source that appends
""")
REJECTED_EVENTS = Table(
    CDP, "rejected_events", "a landed row that is no event", indexes=("event_id", "place", "arrived_on")
).having("""
        arrived_on date: the day on which it landed; NULL when the row does not say a readable one
        source_id text: the source of the project file, or what a row with an event_id calls its source
        location text: file (or table) and row
        reason text: why it is no event: invalid…, duplicate, superseded, deleted
        event_id uuid: the event that it repeats, gave way to, or deletes
        raw text: the row as it landed
        +landed_from text: the source of the project file that brought it
        +place text: the file or table that holds its row
        +place_row bigint: its row there, from 1
        +source_event_id text: of a row with an event_id, so that it can take over
        +type text: the same
        +version text: the same
        +event_time timestamptz: the same
        +payload jsonb: the same
        +mirrored_at timestamptz: of a row of a mirror, when it arrived
        +is_deleted boolean: whether it says that its event is deleted; NULL counts as false
""")
EVENT_COUNTS = Table(
    CDP, "event_counts", "how many events of one sort arrived on a day", indexes=("arrived_on",)
).having("""
        arrived_on date: the day of arrival
        source_id text: what the source calls itself
        type text: the kind of event
        version text: the version of the event's schema
        events bigint: how many
        modified timestamptz: when they were counted; set it to NULL to have the day counted again
""")
RUNS = Table(CDP, "runs", "a run").having("""
        run text: the run's id in Dagster
        seq_no bigint: an increasing number
        as_of timestamptz: what now() meant
        project_hash text: the project file that was in force
        days text: the days that were asked for; empty for all that was new
        status text: started, done or failed
        started_at timestamptz: when it got the writer's lock
        seconds double precision: how long it held it
        +pid bigint: the process that ran it
""")
METRICS = Table(CDP, "metrics", "one figure of one run").having("""
        run text: the run's id in Dagster
        stage text: the asset that the figure tells about
        entity text: the entity kind; empty for what all share
        metric text: the name of the figure
        value double precision: the figure
        measured_at timestamptz: when it was taken
""")
LANDED_FILES = Table(
    CDP, "landed_files", "a landing file (or a day of a source table) as it was when it was last read", public=False
).having("""
        source text: the source of the project file
        place text: the file's path in the project, or the table's name and day
        day date: the day in the file's path; NULL for a file of several days
        fingerprint text: hash of the content
        size bigint: bytes, 0 for a table
        modified double precision: modification time of the file, seconds since 1970
        definition text: hash of the source's definition that read it
        landed_in bigint: the number of the landing that read it
""")
LANDED_ROWS = Table(
    CDP,
    "landed_rows",
    "how many rows of a file belong to a day of arrival",
    public=False,
    indexes=("place", "arrived_on"),
).having("""
        source text: the source of the project file
        place text: the file's path in the project, or the table's name and day
        arrived_on date: the day of arrival; NULL for rows that do not say a readable one
        landed_rows bigint: rows that passed the source's `where`, broken ones included
""")
REMOVED_EVENTS = Table(
    CDP, "removed_events", "an event that was taken away or replaced", public=False, indexes=("removed_in",)
).having("""
        event_id uuid: the event
        arrived_on date: the day it was stored under
        removed_in bigint: the number of the landing that took it away
""")
TOMBSTONES = Table(
    CDP, "tombstones", "something that was erased and is kept out", public=False, indexes=("mark",)
).having("""
        marks text: event, identifier or row (the text of a rejected row)
        entity text: the kind of entity of an identifier; else empty
        mark text: hex of HMAC-SHA256 of what it is and its id or text
""")
ERASURE_SECRETS = Table(CDP, "erasure_secrets", "the key of the tombstones", public=False, secret=True).having("""
        inner_key text: the key with each byte xor 0x36, in hex
        outer_key text: the key with each byte xor 0x5c, in hex
""")
ERASURES = Table(CDP, "erasures", "a receipt: what was erased, chained to the one before").having("""
        erasure_id bigint: an increasing number
        entity text: the kind of entity
        scope text: person or identifier
        entity_id uuid: the id that the person had; NULL where nobody had the identifier
        by text: who asked for it
        why text: why, in words
        erased_at timestamptz: when
        removed text: JSON, how many rows went from which table
        finished_at timestamptz: when nothing was left of it; NULL: the next run finishes it
        previous_hash text: the hash of the receipt before
        receipt_hash text: hex of SHA-256 of what the receipt says and of the hash before
""")
SEQUENCE = Table(CDP, "sequence", "the last number given to a transaction", public=False).having("""
        number bigint: the number
""")
STAGES = Table(CDP, "stages", "how far a stage has read, and by which definition", public=False).having("""
        stage text: the asset, such as customer/entity_map
        cursor bigint: the number of the transaction in which it last took in what its inputs had changed
        changed_in bigint: the number of the transaction that last changed its output
        rebuilt_in bigint: the number of the transaction that last wrote its output anew as a whole
        definition text: hash of the part of the project that it works by
        total bigint: how many there are of what it counts on from run to run, such as entities; NULL where it does not
""")
SCHEMAS = Table(CDP, "schemas", "a schema that this project made", public=False).having("""
        name text: the schema
        project text: the project's name
""")

SHARED = (
    CUSTOMER_EVENTS,
    REJECTED_EVENTS,
    EVENT_COUNTS,
    RUNS,
    METRICS,
    LANDED_FILES,
    LANDED_ROWS,
    REMOVED_EVENTS,
    TOMBSTONES,
    ERASURE_SECRETS,
    ERASURES,
    SEQUENCE,
    STAGES,
    SCHEMAS,
)
