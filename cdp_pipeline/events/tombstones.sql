-- name: keys
-- The halves of the secret key, made when somebody was erased for the first time.
select s.inner_key, s.outer_key from cdp.erasure_secrets as s

-- name: make_keys
insert into cdp.erasure_secrets (inner_key, outer_key) values (:inner_key, :outer_key)

-- name: kinds
-- The kinds of which identifiers were erased.
select distinct t.entity from cdp.tombstones as t where t.marks = 'identifier'

-- name: mark_landed
-- Landed rows of an erased event, and rejected ones that were erased as they stood.
update landed as l
set reason = 'erased', raw = null
where cdp_hmac(
    case when l.reason is null then 'event ' || cast(l.event_id as text) else 'row ' || coalesce(l.raw, '') end,
    cast(:inner_key as text), cast(:outer_key as text)
) in (select t.mark from cdp.tombstones as t where t.marks in ('event', 'row'))

-- name: erase_losers
-- Rows that lost against an event which is not erased, and were erased as they stood.
update cdp.rejected_events as d
set reason = 'erased', event_id = null, raw = null, source_event_id = null, type = null, version = null,
    event_time = null, payload = null, mirrored_at = null, is_deleted = null
where d.event_id is not null
    and exists (
        select 1 from scope as s
        where s.source = d.landed_from and s.place = d.place and d.arrived_on between s.first_day and s.final_day
    )
    and cdp_hmac('row ' || coalesce(d.raw, ''), cast(:inner_key as text), cast(:outer_key as text))
        in (select t.mark from cdp.tombstones as t where t.marks = 'row')

-- name: just_landed
create temporary table changed_events as
select e.event_id, e.arrived_on from cdp.customer_events as e where e.landed_in = :number

-- name: blank_readings
-- An erased identifier is none any more.
update readings as r
set status = 'erased', value = null, identifier_id = null
where r.status = 'valid' and cdp_hmac(
    'identifier ' || cast(r.identifier_id as text), cast(:inner_key as text), cast(:outer_key as text)
) in (select t.mark from cdp.tombstones as t where t.marks = 'identifier' and t.entity = :entity)

-- name: make_erased
-- Events that go for good.
create temporary table erased (event_id uuid)

-- name: find_erased
insert into erased (event_id)
select distinct x.event_id
from occurrences as o
join readings as r on r.priority = o.priority and r.raw = o.value
join extracted as x on x.event_number = o.event_number
where r.status = 'erased' and (o.kind is null or o.kind not in ('object', 'array', 'number', 'null'))

-- name: any_erased
select count(*) from erased as x

-- name: add_event_tombstones
insert into cdp.tombstones (marks, entity, mark)
select distinct 'event', '', m.mark
from (
    select cdp_hmac('event ' || cast(x.event_id as text), cast(:inner_key as text), cast(:outer_key as text)) as mark
    from erased as x
) as m
where m.mark not in (select t.mark from cdp.tombstones as t where t.marks = 'event')

-- name: erase_rejected
-- Rows that lost against an erased event, or were replaced by it.
update cdp.rejected_events as d
set reason = 'erased', event_id = null, raw = null, source_event_id = null, type = null, version = null,
    event_time = null, payload = null, mirrored_at = null, is_deleted = null
where d.event_id in (select x.event_id from erased as x)

-- name: reject_erased
insert into cdp.rejected_events (arrived_on, source_id, location, reason, landed_from, place, place_row)
select e.arrived_on, e.source_id, e.place || ':' || cast(e.place_row as text), 'erased', e.landed_from, e.place, e.place_row
from cdp.customer_events as e
where e.event_id in (select x.event_id from erased as x)

-- name: log_removed
-- What others may have read already.
insert into cdp.removed_events (event_id, arrived_on, removed_in)
select e.event_id, e.arrived_on, :number
from cdp.customer_events as e
where e.event_id in (select x.event_id from erased as x) and e.landed_in < :number

-- name: remove_events
delete from cdp.customer_events as e where e.event_id in (select x.event_id from erased as x)

-- name: forget_landed
-- So that the landing does not look for them among the events.
update landed as l
set reason = 'erased'
where l.event_id in (select x.event_id from erased as x)

-- name: forget_contest
delete from contest as c where c.event_id in (select x.event_id from erased as x)
