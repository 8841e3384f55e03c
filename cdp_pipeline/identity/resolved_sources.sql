-- name: last_sources
-- By which sources the views were made.
select s.definition from cdp.stages as s where s.stage = :stage

-- name: resolved_events
-- What one source brought, each with its entity.
select e.event_id, e.source_event_id, e.type, e.version, e.event_time, e.arrived_on, e.payload, v.entity_id, v.person_key
from cdp.customer_events as e
join kind.events as v on v.event_id = e.event_id
where e.landed_from = :source
