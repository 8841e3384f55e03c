-- name: last_as_of
-- What now() meant in the last run that came to its end.
select r.as_of from cdp.runs as r where r.status = 'done' order by r.seq_no desc limit 1

-- name: run_number
-- The number of a run; of work that is no run of its own, that of the next one.
select coalesce(
    (select max(r.seq_no) from cdp.runs as r where r.run = :run),
    (select coalesce(max(l.seq_no), 0) + 1 from cdp.runs as l)
)

-- name: names
-- Identifiers by type and value, entities by the value of their key, events by what their source calls them.
select v.identifier_id, v.identifier_type || ':' || v.value as name
from kind.identifier_values as v
where v.identifier_id in (select cast(i.id as uuid) from verify_ids as i)
union all
select e.entity_id, k.identifier_type || ':' || k.value as name
from kind.entities as e
join kind.identifier_values as k on k.identifier_id = e.key_id
where e.entity_id in (select cast(j.id as uuid) from verify_ids as j)
union all
select c.event_id, c.source_id || ' ' || c.source_event_id as name
from cdp.customer_events as c
where c.event_id in (select cast(l.id as uuid) from verify_ids as l)
