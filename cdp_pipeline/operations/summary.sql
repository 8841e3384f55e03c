-- name: landed_by_day
-- Landed rows are events or rejected rows: by source and day of arrival.
select f.source, f.arrived_on, cast(sum(f.landed_rows) as bigint) as landed_rows,
    cast(sum(f.events) as bigint) as events, cast(sum(f.rejected) as bigint) as rejected,
    cast(sum(f.duplicates) as bigint) as duplicates, cast(sum(f.superseded) as bigint) as superseded,
    cast(sum(f.deleted) as bigint) as deleted
from (
    select r.source, r.arrived_on, r.landed_rows, 0 as events, 0 as rejected, 0 as duplicates, 0 as superseded,
        0 as deleted
    from cdp.landed_rows as r
    union all
    select e.landed_from, e.arrived_on, 0, count(*), 0, 0, 0, 0
    from cdp.customer_events as e
    group by e.landed_from, e.arrived_on
    union all
    select d.landed_from, d.arrived_on, 0, 0, count(*), count(*) filter (where d.reason = 'duplicate'),
        count(*) filter (where d.reason = 'superseded'), count(*) filter (where d.reason = 'deleted')
    from cdp.rejected_events as d
    group by d.landed_from, d.arrived_on
) as f
group by f.source, f.arrived_on
order by f.source, f.arrived_on

-- name: reasons
select d.landed_from, d.reason, count(*) from cdp.rejected_events as d group by d.landed_from, d.reason order by 1, 3 desc, 2

-- name: people
select
    (select count(*) from (select distinct s.entity_id from kind.stitched_events as s where s.entity_id is not null) as o) as entities,
    (select count(*) from kind.stitched_events as s) as events,
    (select count(*) from kind.stitched_events as s where s.entity_id is not null) as stitched,
    (select count(*) from kind.identifiers as i) as identifiers,
    (select count(distinct r.other_id) from kind.refused_links as r where r.effect = 'conflict') as shared,
    (select count(*) from kind.refused_links as r) as refused_links,
    (select count(*) from kind.quarantined_identifiers as q) as quarantined

-- name: traveller
-- An entity worth telling about: known by many types of identifier, and not by too many events.
select m.entity_id
from kind.identifier_groups as m
join kind.identifiers as i on i.identifier_id = m.identifier_id
group by m.entity_id
having sum(i.events) between 5 and 200
order by count(distinct i.identifier_type) desc, max(i.last_seen) - min(i.first_seen) desc, m.entity_id
limit 1

-- name: owner
-- Whose an identifier is; of one that is shared, who had it last.
select i.identifier_id, m.entity_id
from kind.identifiers as i
join kind.entity_map as m on m.identifier_id = i.identifier_id and m.valid_to is null
where i.identifier_id = cdp_hash('identifier', cast(:identifier_type as text), cast(:value as text))
order by m.valid_from desc nulls last
limit 1

-- name: identifiers
select i.identifier_type, i.value, i.first_seen, i.last_seen, i.events
from kind.identifiers as i
where i.identifier_id in (select m.identifier_id from kind.entity_map as m where m.entity_id = :entity_id)
order by i.priority, i.first_seen, i.identifier_id

-- name: journey
-- The entity's events in the order in which they happened, each with its anchor and the identifiers beside it.
select e.event_time, e.source_id, e.type, a.identifier_type, a.value, i.identifier_ids
from kind.stitched_events as s
join cdp.customer_events as e on e.event_id = s.event_id
join kind.event_identifiers as i on i.event_id = s.event_id
join kind.identifiers as a on a.identifier_id = s.anchor_id
where s.entity_id = :entity_id
order by e.event_time, e.event_id

-- name: values_of
select v.identifier_id, v.identifier_type, v.value
from kind.identifier_values as v
where v.identifier_id in (select m.identifier_id from kind.entity_map as m where m.entity_id = :entity_id)

-- name: last_events
select e.event_time, e.source_id, e.type, e.source_event_id
from kind.stitched_events as s
join cdp.customer_events as e on e.event_id = s.event_id
where s.entity_id = :entity_id
order by e.event_time desc, e.event_id desc
limit 10

-- name: earlier_ids
select r.from_entity_id from kind.entity_redirects as r where r.to_entity_id = :entity_id order by r.from_entity_id

-- name: follow_id
-- An entity id, current or not, and whose it is now.
select coalesce(m.entity_id, e.entity_id)
from kind.entities as e
left join kind.identifier_groups as m on m.identifier_id = e.key_id
where e.entity_id = cast(:entity_id as uuid)
