-- name: drop_changed_sightings
drop table if exists changed_sightings

-- name: drop_changed_links
drop table if exists changed_links

-- name: drop_pairs
drop table if exists pairs

-- name: drop_pairs_before
drop table if exists pairs_before

-- name: drop_identifiers_before
drop table if exists identifiers_before

-- name: changed_sightings
-- Identifiers on days of arrival whose events changed.
create temporary table changed_sightings as
select distinct c.arrived_on, c.identifier_id
from (
    select a.arrived_on, unnest(a.identifier_ids) as identifier_id
    from kind.event_identifiers as a
    where a.changed_in > :since or a.arrived_on between :first_day and :final_day
    union all
    select r.arrived_on, unnest(r.identifier_ids) as identifier_id
    from kind.removed_event_identifiers as r
    where r.removed_in > :since
) as c

-- name: changed_links
-- Pairs on days of arrival whose events changed; the more important end first, of equals the smaller identifier_id.
create temporary table changed_links as
select distinct d.arrived_on, d.identifier_id, d.other_id
from (
    select p.arrived_on,
        case when v.identifier_type = w.identifier_type and p.b < p.a then p.b else p.a end as identifier_id,
        case when v.identifier_type = w.identifier_type and p.b < p.a then p.a else p.b end as other_id
    from (
        select c.arrived_on, c.identifier_ids[1] as a, unnest(c.identifier_ids[2:cdp_size(c.identifier_ids)]) as b
        from (
            select a.arrived_on, a.identifier_ids from kind.event_identifiers as a
            where a.changed_in > :since or a.arrived_on between :first_day and :final_day
            union all
            select r.arrived_on, r.identifier_ids from kind.removed_event_identifiers as r where r.removed_in > :since
        ) as c
        where cdp_size(c.identifier_ids) > 1
        union all
        select c.arrived_on,
            unnest(c.identifier_ids[1:cdp_size(c.identifier_ids) - 1]) as a,
            unnest(c.identifier_ids[2:cdp_size(c.identifier_ids)]) as b
        from (
            select a.arrived_on, a.identifier_ids from kind.event_identifiers as a
            where a.changed_in > :since or a.arrived_on between :first_day and :final_day
            union all
            select r.arrived_on, r.identifier_ids from kind.removed_event_identifiers as r where r.removed_in > :since
        ) as c
        where cdp_size(c.identifier_ids) > 1
    ) as p
    join kind.identifier_values as v on v.identifier_id = p.a
    join kind.identifier_values as w on w.identifier_id = p.b
) as d

-- name: pairs
-- The links of the events of the days concerned, one row for each event, pair and kind of link.
create temporary table pairs as
select p.arrived_on, p.event_time, p.event_id, p.kind,
    case when v.identifier_type = w.identifier_type and p.b < p.a then p.b else p.a end as identifier_id,
    case when v.identifier_type = w.identifier_type and p.b < p.a then p.a else p.b end as other_id
from (
    select e.arrived_on, e.event_time, e.event_id, 'anchor' as kind,
        e.identifier_ids[1] as a, unnest(e.identifier_ids[2:cdp_size(e.identifier_ids)]) as b
    from kind.event_identifiers as e
    where cdp_size(e.identifier_ids) > 1 and :concerned
    union all
    select e.arrived_on, e.event_time, e.event_id, 'next' as kind,
        unnest(e.identifier_ids[1:cdp_size(e.identifier_ids) - 1]) as a,
        unnest(e.identifier_ids[2:cdp_size(e.identifier_ids)]) as b
    from kind.event_identifiers as e
    where cdp_size(e.identifier_ids) > 1 and :concerned
) as p
join kind.identifier_values as v on v.identifier_id = p.a
join kind.identifier_values as w on w.identifier_id = p.b

-- name: identifiers_before
create temporary table identifiers_before as
select i.identifier_id from kind.identifiers as i
where i.identifier_id in (select c.identifier_id from changed_sightings as c)

-- name: pairs_before
create temporary table pairs_before as
select distinct g.identifier_id, g.other_id
from kind.identity_graph as g
join changed_links as c on c.identifier_id = g.identifier_id and c.other_id = g.other_id

-- name: remove_sightings
delete from kind.identifier_sightings as s
using changed_sightings as c
where c.arrived_on = s.arrived_on and c.identifier_id = s.identifier_id

-- name: remove_all_sightings
delete from kind.identifier_sightings as s

-- name: add_sightings
insert into kind.identifier_sightings (arrived_on, identifier_id, first_seen, last_seen, events, first_event_id)
select u.arrived_on, u.identifier_id, min(u.event_time), max(u.event_time), count(*),
    cdp_first(u.event_id, u.event_time, u.event_id)
from (
    select e.arrived_on, e.event_time, e.event_id, unnest(e.identifier_ids) as identifier_id
    from kind.event_identifiers as e
    where :concerned
) as u
where :wanted
group by u.arrived_on, u.identifier_id

-- name: remove_links
delete from kind.identity_graph as g
using changed_links as c
where c.arrived_on = g.arrived_on and c.identifier_id = g.identifier_id and c.other_id = g.other_id

-- name: remove_all_links
delete from kind.identity_graph as g

-- name: add_links
insert into kind.identity_graph (
    arrived_on, identifier_id, other_id, kind, first_seen, last_seen, events, first_event_id
)
select p.arrived_on, p.identifier_id, p.other_id, p.kind, min(p.event_time), max(p.event_time), count(*),
    cdp_first(p.event_id, p.event_time, p.event_id)
from pairs as p
where :wanted
group by p.arrived_on, p.identifier_id, p.other_id, p.kind

-- name: remove_identifiers
delete from kind.identifiers as i
where i.identifier_id in (select c.identifier_id from changed_sightings as c)

-- name: remove_all_identifiers
delete from kind.identifiers as i

-- name: add_identifiers
insert into kind.identifiers (
    identifier_id, identifier_type, value, first_seen, last_seen, events, priority, superseded, first_event_id
)
select s.identifier_id, v.identifier_type, v.value, min(s.first_seen), max(s.last_seen),
    cast(sum(s.events) as bigint), :priority, 0, cdp_first(s.first_event_id, s.first_seen, s.first_event_id)
from kind.identifier_sightings as s
join kind.identifier_values as v on v.identifier_id = s.identifier_id
where :wanted
group by s.identifier_id, v.identifier_type, v.value

-- name: touch_identifiers
-- Identifiers that came or went.
insert into kind.touched_identifiers (identifier_id, trigger_event_id)
select c.identifier_id, i.first_event_id
from (select distinct d.identifier_id from changed_sightings as d) as c
left join kind.identifiers as i on i.identifier_id = c.identifier_id
left join identifiers_before as b on b.identifier_id = c.identifier_id
where (i.identifier_id is null) <> (b.identifier_id is null)

-- name: touch_links
-- Both ends of the pairs that came or went.
insert into kind.touched_identifiers (identifier_id, trigger_event_id)
with after as (
    select g.identifier_id, g.other_id, cdp_first(g.first_event_id, g.first_seen, g.first_event_id) as first_event_id
    from kind.identity_graph as g
    join (select distinct c.identifier_id, c.other_id from changed_links as c) as c
        on c.identifier_id = g.identifier_id and c.other_id = g.other_id
    group by g.identifier_id, g.other_id
),
different as (
    select a.identifier_id, a.other_id, a.first_event_id
    from after as a
    left join pairs_before as b on b.identifier_id = a.identifier_id and b.other_id = a.other_id
    where b.identifier_id is null
    union all
    select b.identifier_id, b.other_id, cast(null as uuid) as first_event_id
    from pairs_before as b
    left join after as a on a.identifier_id = b.identifier_id and a.other_id = b.other_id
    where a.identifier_id is null
)
select d.identifier_id, d.first_event_id from different as d
union all
select d.other_id, d.first_event_id from different as d

-- name: figures
select
    (select count(*) from kind.identifiers as i) as identifiers,
    (select count(*) from kind.identity_graph as g) as links_by_day,
    (select count(*) from kind.touched_identifiers as t) as identifiers_touched

-- name: figures_by_day
select g.arrived_on, count(*) as links
from kind.identity_graph as g
where :days
group by g.arrived_on

-- name: unseen_identifiers
-- An identifier in use without an event that holds it.
select count(*)
from kind.identifiers as i
left join kind.identifier_sightings as s on s.identifier_id = i.identifier_id
where s.identifier_id is null and :concerned

-- name: missing_identifiers
-- An event's identifier that is not in use.
select count(*)
from (
    select distinct unnest(e.identifier_ids) as identifier_id from kind.event_identifiers as e where e.changed_in > :since
) as u
left join kind.identifiers as i on i.identifier_id = u.identifier_id
where i.identifier_id is null

-- name: loose_links
-- A link whose end is no identifier in use.
select count(*)
from kind.identity_graph as g
left join kind.identifiers as i on i.identifier_id = g.identifier_id
left join kind.identifiers as j on j.identifier_id = g.other_id
where (i.identifier_id is null or j.identifier_id is null) and :days
