"""The tables of what is known about the entities of a kind."""

from cdp_pipeline.tables.definition import KIND, Table

PROFILE_CHANGES = Table(
    KIND,
    "profile_changes",
    "the newest change of a profile: what whoever keeps a copy has to do",
    public=False,
    indexes=("entity_id", "to_entity_id"),
    rising=("number",),
).having("""
        entity_id uuid: the entity
        number bigint: the number of the transaction that changed it, by which a reader takes up where it ended
        op text: upsert: it has other values; merge: it is another entity now; delete: it is nobody any more
        to_entity_id uuid: of a merge, the entity that it is now
        reason text: of a delete: erased; retired: its id stands for nobody; restitched: it lost all of its events
        changed_at timestamptz: when
""")
ATTRIBUTES = Table(KIND, "attributes", "an attribute of an entity, long").having("""
        entity_id uuid: the entity
        attribute_id text: the attribute
        value jsonb: its value
        calculated timestamptz: when it was calculated
""")
CONTEXT_VALUES = Table(
    KIND, "context_values", "a context value, the newest of each key current", indexes=("key",)
).having("""
        key text: its name
        value text: what its query gave
        query text: the query as it was written then
        modified timestamptz: when it was last worked out; set it to NULL to have it done again
        number bigint: 1, 2… for each further value of the key
        since timestamptz: when it was first worked out with this value
""")
ATTRIBUTE_STATES = Table(
    KIND, "attribute_states", "a cursor: by what an attribute or a context value was worked out last", public=False
).having("""
        definition_of text: which one, such as attribute revenue
        definition text: a hash of it, and of all that it reads
        as_of timestamptz: what now() meant when it was brought up to date
        due_at timestamptz: when it has to be looked at again though nothing came; NULL: never
""")
PROFILES = Table(
    KIND, "profiles", "an entity, one typed column per shown attribute", indexes=("entity_id", "calculated", "modified")
).having("""
        entity_id uuid: the entity
        person_key text: the value of the entity's key identifier
        calculated timestamptz: when it was last calculated; set it to NULL to have it done again
        valid_at timestamptz: what now() meant
        modified timestamptz: when a value last changed; set it to NULL to have the profile built anew
""")
ATTRIBUTE_COUNTS = Table(KIND, "attribute_counts", "how many entities have an attribute").having("""
        attribute_id text: the attribute
        entities bigint: profiles in which it has a value
        nulls bigint: profiles in which it has none
        modified timestamptz: when they were counted; set it to NULL to have all attributes counted again
""")
ATTRIBUTE_VALUE_COUNTS = Table(
    KIND, "attribute_value_counts", "how many entities have a value of an attribute that has few different ones"
).having("""
        attribute_id text: the attribute
        value text: one of its values
        entities bigint: profiles that have it
        modified timestamptz: when they were counted; set it to NULL to have all attributes counted again
""")
