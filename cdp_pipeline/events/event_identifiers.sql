-- name: changed
-- The events whose identifiers are to be worked out: those that came since, and those of the days asked for.
create temporary table changed_events as
select e.event_id, e.arrived_on
from cdp.customer_events as e
where e.landed_in > :since
union all
select e.event_id, e.arrived_on
from cdp.customer_events as e
where e.landed_in <= :since and e.arrived_on between :first_day and :final_day

-- name: nothing_extracted
create temporary table extracted (event_number bigint, event_id uuid, arrived_on date, event_time timestamptz)

-- name: make_occurrences
create temporary table occurrences (
    event_number bigint, rank bigint, priority integer, value text, kind text
)

-- name: make_readings
create temporary table readings (
    priority integer, identifier_type text, raw text, value text, status text, identifier_id uuid
)

-- name: found
-- An identifier of an event, at its most important place in it.
create temporary table found as
select o.event_number, r.identifier_id, min(o.rank) as rank
from occurrences as o
join readings as r on r.priority = o.priority and r.raw = o.value
where r.status = 'valid' and (o.kind is null or o.kind not in ('object', 'array', 'number', 'null'))
group by o.event_number, r.identifier_id

-- name: log_removed
insert into kind.removed_event_identifiers (event_id, arrived_on, identifier_ids, removed_in)
select i.event_id, i.arrived_on, i.identifier_ids, :number
from kind.event_identifiers as i
where (i.event_id, i.arrived_on) in (
    select c.event_id, c.arrived_on from changed_events as c
    union all
    select r.event_id, r.arrived_on from cdp.removed_events as r where r.removed_in > :since
)

-- name: remove
delete from kind.event_identifiers as i
where (i.event_id, i.arrived_on) in (
    select c.event_id, c.arrived_on from changed_events as c
    union all
    select r.event_id, r.arrived_on from cdp.removed_events as r where r.removed_in > :since
)

-- name: remove_all
delete from kind.event_identifiers as i

-- name: add
insert into kind.event_identifiers (event_id, arrived_on, event_time, anchor_id, identifier_ids, changed_in)
select x.event_id, x.arrived_on, x.event_time, f.identifier_ids[1], f.identifier_ids, :number
from (
    select g.event_number, cdp_ordered(g.identifier_id, g.rank) as identifier_ids
    from found as g
    where g.event_number between :first and :final
    group by g.event_number
) as f
join extracted as x on x.event_number = f.event_number

-- name: last_event_number
select coalesce(max(f.event_number), 0) from found as f

-- name: add_values
insert into kind.identifier_values (identifier_id, identifier_type, value)
select distinct r.identifier_id, r.identifier_type, r.value
from readings as r
where r.status = 'valid'
    and not exists (select 1 from kind.identifier_values as v where v.identifier_id = r.identifier_id)

-- name: figures
select
    (select count(*) from occurrences as o) as occurrences,
    (
        select count(*) from occurrences as o
        left join readings as r on r.priority = o.priority and r.raw = o.value
        where o.kind in ('object', 'array', 'number') or r.status = 'invalid'
    ) as invalid_values,
    (
        select count(*) from occurrences as o
        join readings as r on r.priority = o.priority and r.raw = o.value
        where r.status = 'blocked' and (o.kind is null or o.kind not in ('object', 'array', 'number', 'null'))
    ) as blocked_values

-- name: figures_by_day
select i.arrived_on, count(*) as identified_events
from kind.event_identifiers as i
where i.arrived_on in (select distinct x.arrived_on from extracted as x)
group by i.arrived_on

-- name: doubled_events
select count(*)
from (
    select i.event_id
    from kind.event_identifiers as i
    where :concerned
    group by i.event_id
    having count(*) > 1
) as doubled

-- name: orphans
select count(*)
from kind.event_identifiers as i
left join cdp.customer_events as e on e.event_id = i.event_id and e.arrived_on = i.arrived_on
where e.event_id is null and i.changed_in = :number

-- name: unanchored
select count(*)
from kind.event_identifiers as i
where i.changed_in = :number and (i.anchor_id is null or i.anchor_id <> i.identifier_ids[1])

-- name: failing_event
select e.event_id, e.source_id, e.source_event_id
from cdp.customer_events as e
where :fails
order by e.event_id
limit 1

-- name: read_event
select :value as value
from cdp.customer_events as e
where e.event_id = :event
