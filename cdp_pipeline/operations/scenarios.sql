-- name: people
-- Every identifier in use and its entity; NULL: it is nobody's.
select i.identifier_type, i.value, g.entity_id
from kind.identifiers as i
left join kind.identifier_groups as g on g.identifier_id = i.identifier_id
order by i.priority, i.first_seen, i.identifier_id

-- name: quarantined
select i.identifier_type, i.value
from kind.quarantined_identifiers as q
join kind.identifiers as i on i.identifier_id = q.identifier_id
order by i.priority, i.value

-- name: owner
-- Whose an identifier is at a time.
select m.entity_id
from kind.entity_map as m
where m.identifier_id = cdp_hash('identifier', cast(:identifier_type as text), cast(:value as text))
    and (m.valid_from is null or m.valid_from <= cast(:at as timestamptz))
    and (m.valid_to is null or m.valid_to > cast(:at as timestamptz))

-- name: owner_of_event
-- Of a given event, else of the events of given rows that go by this id.
select s.entity_id
from kind.stitched_events as s
join cdp.customer_events as e on e.event_id = s.event_id
where e.source_event_id = :event and (
    e.landed_from = :given
    or not exists (select 1 from cdp.customer_events as g where g.source_event_id = :event and g.landed_from = :given)
)
order by e.source_id

-- name: attributes
select a.attribute_id, cast(a.value as text) from kind.attributes as a where a.entity_id = :entity_id

-- name: rejected
select d.landed_from, d.place_row, d.reason from cdp.rejected_events as d order by d.landed_from, d.place_row

-- name: last_arrival
select max(e.arrived_on) from cdp.customer_events as e

-- name: decide
insert into kind.decisions (identifier_id, other_id, verdict, by, why, at, decision_id, changed_in)
values (
    cdp_hash('identifier', cast(:identifier_type as text), cast(:value as text)),
    cdp_hash('identifier', cast(:other_type as text), cast(:other_value as text)),
    :verdict, 'a test', :why, :at, :number, 0
)

-- name: decide_of_one
insert into kind.decisions (identifier_id, verdict, by, why, at, decision_id, changed_in)
values (
    cdp_hash('identifier', cast(:identifier_type as text), cast(:value as text)),
    :verdict, 'a test', :why, :at, :number, 0
)
