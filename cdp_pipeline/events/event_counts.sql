-- name: marks
select count(*) from cdp.event_counts as c where c.modified is null

-- name: all_days
create temporary table counted_days as
select distinct e.arrived_on from cdp.customer_events as e
union
select distinct c.arrived_on from cdp.event_counts as c

-- name: changed_days
create temporary table counted_days as
select e.arrived_on from cdp.customer_events as e where e.landed_in > :since
union
select r.arrived_on from cdp.removed_events as r where r.removed_in > :since
union
select c.arrived_on from cdp.event_counts as c where c.modified is null

-- name: forget
delete from cdp.event_counts as c where c.arrived_on in (select d.arrived_on from counted_days as d)

-- name: count
insert into cdp.event_counts (arrived_on, source_id, type, version, events, modified)
select e.arrived_on, e.source_id, e.type, e.version, count(*), cast(:now as timestamptz)
from cdp.customer_events as e
where e.arrived_on in (select d.arrived_on from counted_days as d)
group by e.arrived_on, e.source_id, e.type, e.version

-- name: figures
select count(*) from counted_days as d
