-- name: events_of_entity
select
    s.entity_id, e.event_id, e.event_id as id, e.source_id, e.type, e.version, e.event_time, e.payload, e.source_event_id
from kind.stitched_events as s
join cdp.customer_events as e on e.event_id = s.event_id
where s.entity_id = cast(:entity_id as uuid)

-- name: events
-- The events of an entity that an attribute counts; a builder adds their order and how many are shown.
select f.event_time, f.source_id, f.type, f.source_event_id, cast(:value as text) as value
from :base as f
where :counts

-- name: value
select p.calculated, p.valid_at, cast(:column as text) as value
from kind.profiles as p
where p.entity_id = cast(:entity_id as uuid)
