"""The tables and views that each kind of entity has, in flow order."""

from cdp_pipeline.tables.definition import KIND, Table
from cdp_pipeline.tables.of_profiles import (
    ATTRIBUTE_COUNTS,
    ATTRIBUTE_STATES,
    ATTRIBUTE_VALUE_COUNTS,
    CONTEXT_VALUES,
    PROFILE_CHANGES,
)

EVENT_IDENTIFIERS = Table(
    KIND,
    "event_identifiers",
    "an event with at least one identifier",
    daily=True,
    indexes=("event_id",),
    rising=("changed_in",),
).having("""
        event_id uuid: the event
        arrived_on date: the day on which it landed
        event_time timestamptz: when it happened
        anchor_id uuid: its most important identifier
        identifier_ids uuid[]: all its identifiers by importance, the anchor among them
        +changed_in bigint: the number of the transaction that wrote the row
""")
REMOVED_IDENTIFIERS = Table(
    KIND,
    "removed_event_identifiers",
    "a row of event_identifiers that was taken away or replaced",
    public=False,
    rising=("removed_in",),
).having("""
        event_id uuid: the event
        arrived_on date: the day it was stored under
        identifier_ids uuid[]: what it held
        removed_in bigint: the number of the transaction that took it away
""")
IDENTIFIER_VALUES = Table(
    KIND, "identifier_values", "the value behind an identifier_id", public=False, indexes=("identifier_id",)
).having("""
        identifier_id uuid: hash of type and value
        identifier_type text: such as email
        value text: normalised
""")
IDENTIFIER_SIGHTINGS = Table(
    KIND,
    "identifier_sightings",
    "an identifier on a day of arrival",
    public=False,
    daily=True,
    indexes=("identifier_id",),
).having("""
        arrived_on date: the day of arrival
        identifier_id uuid: the identifier
        first_seen timestamptz: the earliest event_time
        last_seen timestamptz: the latest event_time
        events bigint: in how many events
        first_event_id uuid: the earliest event
""")
IDENTIFIERS = Table(KIND, "identifiers", "an identifier in use", indexes=("identifier_id",)).having("""
        identifier_id uuid: hash of type and value
        identifier_type text: such as email
        value text: normalised
        first_seen timestamptz: the earliest event_time
        last_seen timestamptz: the latest event_time
        events bigint: in how many events; 0 where only an identity map knows it
        +priority integer: the place of its type in the project file, 0 the most important
        +superseded integer: how many renames of an identity map lead on from it to the id that stands for it; 0: none
        +first_event_id uuid: the earliest event
""")
IDENTITY_GRAPH = Table(
    KIND,
    "identity_graph",
    "a link: two identifiers seen together, per day of arrival",
    daily=True,
    indexes=("identifier_id, other_id", "other_id"),
).having("""
        arrived_on date: the day of arrival
        identifier_id uuid: the more important end
        other_id uuid: the other end
        kind text: anchor or next (two of one event: with the anchor, neighbours), map, or same (decided)
        first_seen timestamptz: the earliest event_time
        last_seen timestamptz: the latest event_time
        events bigint: in how many events; 0 where it comes of a map or a decision
        first_event_id uuid: the earliest event, where there is one
""")
LINKED_PAIRS = Table(
    KIND,
    "linked_pairs",
    "two identifiers with all the links between them, of all days, decisions apart",
    public=False,
    indexes=("identifier_id, other_id", "other_id"),
).having("""
        identifier_id uuid: the more important end
        other_id uuid: the other end
        of_events boolean: whether events link them
        of_maps boolean: whether identity maps link them
        last_seen timestamptz: the latest event_time, or time of a map's row
""")
DECISIONS = Table(
    KIND, "decisions", "what an operator decided (appended; the latest holds)", indexes=("identifier_id",)
).having("""
        identifier_id uuid: the identifier that it is about
        other_id uuid: the other one, of a decision about two
        verdict text: same, different, unstitch, quarantine, release or erase
        by text: who decided it
        why text: why, in words
        at timestamptz: when
        withdrawn_by text: who took it back; NULL: it is in force
        withdrawn_at timestamptz: when it was taken back
        +withdrawn_why text: why, if somebody said so
        +decision_id bigint: an increasing number
        +changed_in bigint: the number of the transaction that wrote or withdrew it
""")
MAP_ROWS = Table(
    KIND,
    "identity_map_rows",
    "what a row of an identity map says, the newest of its primary id",
    public=False,
    indexes=("primary_id", "changed_in", "row_hash"),
).having("""
        map_number integer: which of the kind's identity maps, from 0
        primary_id uuid: the identifier that the row is about
        person_ids uuid[]: whom it names, the most important first; only those that it links
        updated_at timestamptz: when the row was last changed, as it says
        row_hash text: of all that the map reads of it
        changed_in bigint: the number of the transaction that wrote it
""")
REMOVED_MAP_ROWS = Table(
    KIND,
    "removed_map_rows",
    "a row of identity_map_rows that was taken away or replaced",
    public=False,
    rising=("removed_in",),
).having("""
        map_number integer: which of the kind's identity maps
        primary_id uuid: the identifier that the row was about
        person_ids uuid[]: whom it named
        updated_at timestamptz: when the row was last changed
        removed_in bigint: the number of the transaction that took it away
""")
MAP_CURSORS = Table(KIND, "map_cursors", "an identity map as it was when it was last read", public=False).having("""
        map_number integer: which of the kind's identity maps, from 0
        definition text: hash of all that decides what its rows say
        read_up_to timestamptz: the latest updated_at that was seen; NULL: the map is always read whole
        fingerprint text: of the rows that are looked at again before the next reading
""")
MAP_SIGHTINGS = Table(
    KIND,
    "map_sightings",
    "an identifier in a row of an identity map",
    public=False,
    indexes=("identifier_id", "primary_id"),
).having("""
        map_number integer: which of the kind's identity maps
        primary_id uuid: the identifier that the row is about
        identifier_id uuid: one that the row holds: the primary itself, or one of a person
        place integer: 0 the primary, then those of the person by importance
        is_rename boolean: whether it is of a person and of the primary's own type, so that it stands for the primary
        seen_at timestamptz: when the row was last changed
""")
TOUCHED_IDENTIFIERS = Table(
    KIND, "touched_identifiers", "a queue: an identifier that came, went, or gained or lost a link", public=False
).having("""
        identifier_id uuid: the identifier
        trigger_event_id uuid: the event that caused it, where there is one
""")
IDENTIFIER_DEGREES = Table(
    KIND,
    "identifier_degrees",
    "how many neighbours of one type an identifier has",
    public=False,
    indexes=("identifier_id",),
).having("""
        identifier_id uuid: the identifier
        priority integer: the importance of its type
        other_priority integer: the importance of the neighbours' type
        links bigint: how many different neighbours of that type
""")
QUARANTINED_IDENTIFIERS = Table(
    KIND, "quarantined_identifiers", "an identifier that joins a crowd", indexes=("identifier_id",)
).having("""
        identifier_id uuid: the identifier
        links bigint: how many different neighbours of one type it has
        threshold bigint: how many it may have
        entities_it_would_join bigint: how many entities own its neighbours
        +other_priority integer: the importance of the neighbours' type
        +pinned boolean: whether an operator decided it
""")
IDENTIFIER_GROUPS = Table(
    KIND,
    "identifier_groups",
    "an identifier with its group and its component",
    public=False,
    indexes=("identifier_id", "component_id", "entity_id"),
).having("""
        identifier_id uuid: the identifier, in use and not in quarantine
        component_id uuid: all identifiers that the links in use connect have the same, refused links included
        entity_id uuid: the entity that its group is
""")
REFUSED_LINKS = Table(
    KIND, "refused_links", "a link that was not used", indexes=("identifier_id", "other_id", "component_id")
).having("""
        identifier_id uuid: the more important end
        other_id uuid: the other end
        reason text: max_per_entity, same_event, bridge, different or max_identifiers
        effect text: conflict: the other end is shared, and its owner follows its log-ins; surplus: it stays by itself
        detail text: which limit, in words
        +component_id uuid: the component that both ends are of
""")
SHARED_SIGHTINGS = Table(
    KIND,
    "shared_sightings",
    "an event that holds an identifier in conflict beside a more important one",
    public=False,
    indexes=("identifier_id", "event_id"),
).having("""
        identifier_id uuid: the identifier in conflict
        event_id uuid: the event
        event_time timestamptz: when it happened
        identifier_ids uuid[]: all its identifiers by importance
""")
ENTITIES = Table(
    KIND, "entities", "an entity id ever issued (the registry)", indexes=("entity_id", "key_id", "founder_id")
).having("""
        entity_id uuid: hash of kind, founder and ordinal
        key_id uuid: the identifier that it follows; NULL: retired
        founder_id uuid: the identifier that it was issued for
        ordinal bigint: which of the founder's ids it is, from 0
        issued_in bigint: an increasing number
        erased_at timestamptz: when the person was erased
        +founder_mark text: of an erased founder its tombstone, so that no id is issued twice
""")
ENTITY_MAP = Table(
    KIND, "entity_map", "whose an identifier is, and when", indexes=("identifier_id", "entity_id")
).having("""
        identifier_id uuid: the identifier
        valid_from timestamptz: from when, included; NULL: always
        valid_to timestamptz: until when, excluded; NULL: for ever
        entity_id uuid: the entity
        +recorded_from timestamptz: since when the map says so
""")
ENTITY_MAP_HISTORY = Table(
    KIND, "entity_map_history", "what the map said before", indexes=("identifier_id",), rising=("recorded_to",)
).having("""
        identifier_id uuid: the identifier
        valid_from timestamptz: from when, included; NULL: always
        valid_to timestamptz: until when, excluded; NULL: for ever
        entity_id uuid: the entity
        recorded_from timestamptz: since when the map said so
        recorded_to timestamptz: until when it said so
""")
ENTITY_CHANGES = Table(KIND, "entity_changes", "one change of the map", rising=("change_id",)).having("""
        change_id bigint: an increasing number
        run text: the run that published it
        identifier_id uuid: the identifier that changed hands
        from_entity_id uuid: whose it was; NULL: nobody's
        to_entity_id uuid: whose it is; NULL: nobody's
        valid_from timestamptz: the span of time concerned; NULL: always
        valid_to timestamptz: its end, excluded; NULL: for ever
        kind text: new, merge, split, move, rename, remove or erase
        reason text: why, in words
        trigger_event_id uuid: the event that caused it, where there is one
        changed_at timestamptz: when it was published
""")
AUDITS = Table(KIND, "audits", "a result that the publication gate held back", public=False).having("""
        run text: the run that worked it out
        audited_at timestamptz: when
        audited_hash text: of all that would have changed hands
        entities bigint: entities that were published
        entities_merged bigint: how many of them would have been merged into others
        largest_growth bigint: the most identifiers that one of them would have gained
        accepted_by text: the run that published it after all
""")
REANCHORED_IDENTIFIERS = Table(
    KIND, "reanchored_identifiers", "a queue: an identifier that went into quarantine or left it", public=False
).having("""
        identifier_id uuid: the identifier
""")
STITCHED_EVENTS = Table(
    KIND,
    "stitched_events",
    "an event and whose it is now",
    indexes=("event_id", "anchor_id", "entity_id"),
    rising=("stitched",),
).having("""
        event_id uuid: the event
        arrived_on date: the day on which it landed
        event_time timestamptz: when it happened
        anchor_id uuid: its most important identifier; NULL: it has none
        entity_id uuid: whose it is; NULL: nobody's
        stitched timestamptz: when that was last worked out; set it to NULL to have it done again
""")
REPLAYS = Table(KIND, "replays", "one replay").having("""
        replay_id bigint: an increasing number
        run text: the run that did it
        started_at timestamptz: when it began
        seconds double precision: how long it took
        changes bigint: changes of the map that it followed
        events_rekeyed bigint: events that changed hands
        entities_touched bigint: entities that gained or lost events
        from_change bigint: the first change followed
        to_change bigint: the last change followed
        +events_left bigint: events that are still to move; 0 when the replay is at its end
""")
DIRTY_ENTITIES = Table(
    KIND, "dirty_entities", "a queue: an entity that gained or lost events, or whose key changed", public=False
).having("""
        entity_id uuid: the entity
""")
ERASING_IDENTIFIERS = Table(
    KIND, "erasing_identifiers", "a queue: an identifier of what is being erased", public=False
).having("""
        identifier_id uuid: the identifier
        is_erased boolean: whether it is erased itself; if not, it is gone only if nobody else has it
""")
# Views, made by the stages whose tables they read.
ENTITY_REDIRECTS = Table(KIND, "entity_redirects", "an id that is no longer current, one hop").having("""
        from_entity_id uuid: the id
        to_entity_id uuid: the entity that it stands for now; NULL: retired
""")
EVENTS = Table(KIND, "events", "an event, whole, with its entity").having("""
        event_id uuid: the event
        source_id text: what the source calls itself
        source_event_id text: the id that the source gave the event
        type text: the kind of event
        version text: the version of the event's schema
        event_time timestamptz: when it happened
        arrived_on date: the day on which it landed
        payload jsonb: what the event says
        anchor_id uuid: its most important identifier
        entity_id uuid: whose it is; NULL: nobody's
        person_id uuid: the entity, else the event itself
        person_key text: the value of the entity's key, else of the event's anchor, else the event's id
""")

OF_A_KIND = (
    EVENT_IDENTIFIERS,
    REMOVED_IDENTIFIERS,
    IDENTIFIER_VALUES,
    IDENTIFIER_SIGHTINGS,
    IDENTIFIERS,
    IDENTITY_GRAPH,
    LINKED_PAIRS,
    DECISIONS,
    MAP_ROWS,
    REMOVED_MAP_ROWS,
    MAP_CURSORS,
    MAP_SIGHTINGS,
    TOUCHED_IDENTIFIERS,
    IDENTIFIER_DEGREES,
    QUARANTINED_IDENTIFIERS,
    IDENTIFIER_GROUPS,
    REFUSED_LINKS,
    SHARED_SIGHTINGS,
    ENTITIES,
    ENTITY_MAP,
    ENTITY_MAP_HISTORY,
    ENTITY_CHANGES,
    AUDITS,
    REANCHORED_IDENTIFIERS,
    STITCHED_EVENTS,
    REPLAYS,
    DIRTY_ENTITIES,
    CONTEXT_VALUES,
    ATTRIBUTE_STATES,
    PROFILE_CHANGES,
    ATTRIBUTE_COUNTS,
    ATTRIBUTE_VALUE_COUNTS,
    ERASING_IDENTIFIERS,
)
