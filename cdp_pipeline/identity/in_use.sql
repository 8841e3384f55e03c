-- name: identifiers_before
create temporary table identifiers_before as
select i.identifier_id, i.first_seen, i.last_seen, i.events, i.first_event_id, i.superseded
from kind.identifiers as i
where i.identifier_id in (select c.identifier_id from changed_ids as c)

-- name: make_day_sightings
-- What the changed days said of identifiers, and what they say now.
create temporary table day_sightings (
    is_now boolean, arrived_on date, identifier_id uuid, first_seen timestamptz, last_seen timestamptz, events bigint,
    first_event_id uuid
)

-- name: add_day_sightings
insert into day_sightings (is_now, arrived_on, identifier_id, first_seen, last_seen, events, first_event_id)
select cast(:is_now as boolean), s.arrived_on, s.identifier_id, s.first_seen, s.last_seen, s.events, s.first_event_id
from kind.identifier_sightings as s
join changed_sightings as c on c.arrived_on = s.arrived_on and c.identifier_id = s.identifier_id

-- name: remove_identifiers
delete from kind.identifiers as i
where i.identifier_id in (select c.identifier_id from changed_ids as c)

-- name: remove_all_identifiers
delete from kind.identifiers as i

-- name: regathered_ids
-- Identifiers of which a changed day tells less than it did, and those that rows of maps hold: all days are asked about
-- them.
create temporary table regathered_ids as
select b.identifier_id
from day_sightings as b
left join day_sightings as a on a.is_now and a.arrived_on = b.arrived_on and a.identifier_id = b.identifier_id
where not b.is_now and (
    a.identifier_id is null or a.last_seen < b.last_seen or a.first_seen > b.first_seen
    or (a.first_seen = b.first_seen and a.first_event_id > b.first_event_id)
)
union
select c.identifier_id from changed_ids as c where c.by_map
union
select m.identifier_id
from kind.map_sightings as m
where m.identifier_id in (select c.identifier_id from changed_ids as c)

-- name: seen_now
-- When and how often each identifier was seen, over all days.
create temporary table seen_now as
select u.identifier_id, min(u.first_seen) as first_seen, max(u.last_seen) as last_seen,
    cast(sum(u.events) as bigint) as events, cdp_first(u.first_event_id, u.first_seen, u.first_event_id) as first_event_id
from (
    select s.identifier_id, s.first_seen, s.last_seen, s.events, s.first_event_id
    from kind.identifier_sightings as s
    where :wanted
    union all
    select s.identifier_id, s.seen_at, s.seen_at, cast(0 as bigint), cast(null as uuid)
    from kind.map_sightings as s
    where :wanted
) as u
group by u.identifier_id

-- name: grown_now
-- The others are what they were and what the changed days tell now, instead of what these told before.
insert into seen_now (identifier_id, first_seen, last_seen, events, first_event_id)
select u.identifier_id, min(u.first_seen), max(u.last_seen), cast(sum(u.events) as bigint),
    cdp_first(u.first_event_id, u.first_seen, u.first_event_id)
from (
    select i.identifier_id, i.first_seen, i.last_seen, i.events, i.first_event_id from identifiers_before as i
    union all
    select d.identifier_id, d.first_seen, d.last_seen, case when d.is_now then d.events else -d.events end as events,
        d.first_event_id
    from day_sightings as d
) as u
left join regathered_ids as l on l.identifier_id = u.identifier_id
where l.identifier_id is null
group by u.identifier_id

-- name: add_identifiers
insert into kind.identifiers (
    identifier_id, identifier_type, value, first_seen, last_seen, events, priority, superseded, first_event_id
)
select u.identifier_id, v.identifier_type, v.value, u.first_seen, u.last_seen, u.events, :priority, 0, u.first_event_id
from seen_now as u
join kind.identifier_values as v on v.identifier_id = u.identifier_id

-- name: touch_identifiers
-- Identifiers that came or went, and all of map rows that changed: how links are ranked depends on all that a row says.
insert into kind.touched_identifiers (identifier_id, trigger_event_id)
select c.identifier_id,
    case when (i.identifier_id is null) <> (b.identifier_id is null) then i.first_event_id end
from changed_ids as c
left join kind.identifiers as i on i.identifier_id = c.identifier_id
left join identifiers_before as b on b.identifier_id = c.identifier_id
where c.by_map or (i.identifier_id is null) <> (b.identifier_id is null)

-- name: changed_pairs
create temporary table changed_pairs as
select c.identifier_id, c.other_id from changed_links as c
union
select m.identifier_id, m.other_id from changed_map_pairs as m

-- name: pairs_before
create temporary table pairs_before as
select g.identifier_id, g.other_id, g.of_events, g.of_maps, g.last_seen
from kind.linked_pairs as g
where (g.identifier_id, g.other_id) in (select c.identifier_id, c.other_id from changed_links as c)

-- name: make_day_links
-- What the changed days said of pairs, and what they say now.
create temporary table day_links (
    is_now boolean, arrived_on date, identifier_id uuid, other_id uuid, last_seen timestamptz
)

-- name: add_day_links
insert into day_links (is_now, arrived_on, identifier_id, other_id, last_seen)
select cast(:is_now as boolean), g.arrived_on, g.identifier_id, g.other_id, max(g.last_seen)
from kind.identity_graph as g
join changed_links as c
    on c.arrived_on = g.arrived_on and c.identifier_id = g.identifier_id and c.other_id = g.other_id
where g.kind in ('anchor', 'next')
group by g.arrived_on, g.identifier_id, g.other_id

-- name: remove_pairs
delete from kind.linked_pairs as g
where (g.identifier_id, g.other_id) in (select c.identifier_id, c.other_id from changed_pairs as c)

-- name: remove_all_pairs
delete from kind.linked_pairs as g

-- name: regathered_pairs
-- Pairs of which a changed day tells less than it did, or a map's row something else: all days are asked about them.
create temporary table regathered_pairs as
select b.identifier_id, b.other_id
from day_links as b
left join day_links as a
    on a.is_now and a.arrived_on = b.arrived_on and a.identifier_id = b.identifier_id and a.other_id = b.other_id
where not b.is_now and (a.identifier_id is null or a.last_seen < b.last_seen)
union
select m.identifier_id, m.other_id from changed_map_pairs as m

-- name: add_pairs
insert into kind.linked_pairs (identifier_id, other_id, of_events, of_maps, last_seen)
select g.identifier_id, g.other_id, max(case when g.kind = 'map' then 0 else 1 end) = 1,
    max(case when g.kind = 'map' then 1 else 0 end) = 1, max(g.last_seen)
from kind.identity_graph as g
where g.kind <> 'same' and :wanted
group by g.identifier_id, g.other_id

-- name: add_grown_pairs
-- The other pairs are what they were and what the changed days tell now.
insert into kind.linked_pairs (identifier_id, other_id, of_events, of_maps, last_seen)
select u.identifier_id, u.other_id, max(u.of_events) = 1, max(u.of_maps) = 1, max(u.last_seen)
from (
    select a.identifier_id, a.other_id, 1 as of_events, 0 as of_maps, a.last_seen from day_links as a where a.is_now
    union all
    select b.identifier_id, b.other_id, case when b.of_events then 1 else 0 end as of_events,
        case when b.of_maps then 1 else 0 end as of_maps, b.last_seen
    from pairs_before as b
) as u
left join regathered_pairs as l on l.identifier_id = u.identifier_id and l.other_id = u.other_id
where l.identifier_id is null
group by u.identifier_id, u.other_id

-- name: touch_links
-- Both ends of the pairs that came or went as evidence; what operators called the same is looked at by itself. All events
-- of a pair that came are among those that were read, but for one whose ends have changed places.
insert into kind.touched_identifiers (identifier_id, trigger_event_id)
with after as (
    select g.identifier_id, g.other_id
    from kind.linked_pairs as g
    where (g.identifier_id, g.other_id) in (select c.identifier_id, c.other_id from changed_links as c)
),
different as (
    select a.identifier_id, a.other_id, cdp_first(p.event_id, p.event_time, p.event_id) as first_event_id
    from after as a
    left join pairs_before as b on b.identifier_id = a.identifier_id and b.other_id = a.other_id
    left join pairs as p on p.identifier_id = a.identifier_id and p.other_id = a.other_id
    where b.identifier_id is null
    group by a.identifier_id, a.other_id
    union all
    select b.identifier_id, b.other_id, cast(null as uuid) as first_event_id
    from pairs_before as b
    left join after as a on a.identifier_id = b.identifier_id and a.other_id = b.other_id
    where a.identifier_id is null
)
select d.identifier_id, d.first_event_id from different as d
union all
select d.other_id, d.first_event_id from different as d
