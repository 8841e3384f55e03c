-- name: changed_carriers
-- The identifiers of events that changed, as they are and as they were, and of the events of the days asked for. Each
-- condition stands by itself, so that an engine can pass over what it rules out.
create temporary table changed_carriers as
select a.arrived_on, a.identifier_ids from kind.event_identifiers as a where a.changed_in > :since
union all
select a.arrived_on, a.identifier_ids
from kind.event_identifiers as a
where a.changed_in <= :since and a.arrived_on between :first_day and :final_day
union all
select r.arrived_on, r.identifier_ids from kind.removed_event_identifiers as r where r.removed_in > :since

-- name: changed_sightings
-- Identifiers on days of arrival whose events changed.
create temporary table changed_sightings as
select distinct c.arrived_on, c.identifier_id
from (select a.arrived_on, unnest(a.identifier_ids) as identifier_id from changed_carriers as a) as c

-- name: changed_types
-- Their types.
create temporary table changed_types as
select v.identifier_id, v.identifier_type
from kind.identifier_values as v
where v.identifier_id in (select c.identifier_id from changed_sightings as c)

-- name: changed_links
-- Pairs on days of arrival whose events changed. Of two of the same type either may stand first (see `renames`).
create temporary table changed_links as
with linked as (
    select distinct p.arrived_on, p.a, p.b, v.identifier_type = w.identifier_type as is_of_one_type
    from (
        select c.arrived_on, c.identifier_ids[1] as a, unnest(c.identifier_ids[2:cdp_size(c.identifier_ids)]) as b
        from changed_carriers as c
        where cdp_size(c.identifier_ids) > 1
        union all
        select d.arrived_on,
            unnest(d.identifier_ids[1:cdp_size(d.identifier_ids) - 1]) as a,
            unnest(d.identifier_ids[2:cdp_size(d.identifier_ids)]) as b
        from changed_carriers as d
        where cdp_size(d.identifier_ids) > 1
    ) as p
    join changed_types as v on v.identifier_id = p.a
    join changed_types as w on w.identifier_id = p.b
)
select l.arrived_on, l.a as identifier_id, l.b as other_id from linked as l
union
select m.arrived_on, m.b as identifier_id, m.a as other_id from linked as m where m.is_of_one_type

-- name: changed_map_rows
-- Rows of identity maps that changed, as they are and as they were.
create temporary table changed_map_rows as
select m.primary_id, m.person_ids, m.updated_at from kind.identity_map_rows as m where m.changed_in > :since
union all
select r.primary_id, r.person_ids, r.updated_at from kind.removed_map_rows as r where r.removed_in > :since

-- name: add_map_rows_of_days
insert into changed_map_rows (primary_id, person_ids, updated_at)
select m.primary_id, m.person_ids, m.updated_at
from kind.identity_map_rows as m
where m.changed_in <= :since and cast(m.updated_at as date) between :first_day and :final_day

-- name: any_changed_map_row
select exists (select 1 from changed_map_rows as c)

-- name: changed_map_pairs
-- The links of those rows, from either end.
create temporary table changed_map_pairs as
select c.primary_id as identifier_id, unnest(c.person_ids) as other_id from changed_map_rows as c
union
select unnest(d.person_ids) as identifier_id, d.primary_id as other_id from changed_map_rows as d

-- name: changed_days
-- The days on which links may have changed.
create temporary table changed_days as
select s.arrived_on from changed_sightings as s
union
select cast(m.updated_at as date) as arrived_on from changed_map_rows as m

-- name: changed_days_of_all
select
    (select count(*) from changed_days as d) as changed,
    (select count(distinct r.arrived_on) from cdp.landed_rows as r) as landed

-- name: changed_ids
create temporary table changed_ids as
select c.identifier_id, cast(sum(c.by_map) as integer) > 0 as by_map
from (
    select s.identifier_id, 0 as by_map from changed_sightings as s
    union all
    select m.primary_id as identifier_id, 1 as by_map from changed_map_rows as m
    union all
    select unnest(n.person_ids) as identifier_id, 1 as by_map from changed_map_rows as n
) as c
group by c.identifier_id

-- name: remove_map_sightings
delete from kind.map_sightings as s where s.primary_id in (select c.primary_id from changed_map_rows as c)

-- name: remove_all_map_sightings
delete from kind.map_sightings as s

-- name: add_map_sightings
insert into kind.map_sightings (map_number, primary_id, identifier_id, place, is_rename, seen_at)
select h.map_number, h.primary_id, h.identifier_id, h.place,
    h.place > 0 and v.identifier_type = w.identifier_type, h.updated_at
from (
    select m.map_number, m.primary_id, m.primary_id as identifier_id, 0 as place, m.updated_at
    from kind.identity_map_rows as m
    where :wanted
    union all
    select p.map_number, p.primary_id, p.identifier_id, p.place + 1, p.updated_at
    from (
        select m.map_number, m.primary_id, unnest(m.person_ids) as identifier_id,
            unnest(cdp_places(m.person_ids)) as place, m.updated_at
        from kind.identity_map_rows as m
        where cdp_size(m.person_ids) > 0 and :wanted
    ) as p
) as h
join kind.identifier_values as v on v.identifier_id = h.primary_id
join kind.identifier_values as w on w.identifier_id = h.identifier_id

-- name: renames
-- Pairs of one type of which a map says that the first is the second by now (and not the reverse too): then the second
-- is the more important end of their link. Of other pairs of one type it is the smaller identifier_id.
create temporary table renames as
select distinct s.primary_id as origin_id, s.identifier_id as target_id
from kind.map_sightings as s
left join kind.map_sightings as b
    on b.is_rename and b.primary_id = s.identifier_id and b.identifier_id = s.primary_id
where s.is_rename and b.primary_id is null and :concerned

-- name: pairs
-- The links of the events of the days concerned, one row for each event, pair and kind of link.
create temporary table pairs as
select o.arrived_on, o.event_time, o.event_id, o.kind,
    case when t.origin_id is null then o.identifier_id else o.other_id end as identifier_id,
    case when t.origin_id is null then o.other_id else o.identifier_id end as other_id
from (
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
    join :types as v on v.identifier_id = p.a
    join :types as w on w.identifier_id = p.b
) as o
left join renames as t on t.origin_id = o.identifier_id and t.target_id = o.other_id

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
where g.kind in ('anchor', 'next')
    and c.arrived_on = g.arrived_on and c.identifier_id = g.identifier_id and c.other_id = g.other_id

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

-- name: remove_map_links
delete from kind.identity_graph as g
using changed_map_pairs as c
where g.kind = 'map' and c.identifier_id = g.identifier_id and c.other_id = g.other_id

-- name: any_map_sighting
select exists (select 1 from kind.map_sightings as s)

-- name: map_days
-- The days on which rows of maps were changed: those of the links that are going to be added.
select distinct cast(s.seen_at as date) from kind.map_sightings as s where s.place > 0 and :concerned

-- name: add_map_links
insert into kind.identity_graph (
    arrived_on, identifier_id, other_id, kind, first_seen, last_seen, events, first_event_id
)
select m.arrived_on, m.identifier_id, m.other_id, 'map', min(m.seen_at), max(m.seen_at), 0, cast(null as uuid)
from (
    select cast(p.seen_at as date) as arrived_on, p.seen_at,
        case when t.origin_id is null then p.identifier_id else p.other_id end as identifier_id,
        case when t.origin_id is null then p.other_id else p.identifier_id end as other_id
    from (
        select s.seen_at,
            case when i.priority < j.priority or (i.priority = j.priority and i.identifier_id < j.identifier_id)
                then i.identifier_id else j.identifier_id end as identifier_id,
            case when i.priority < j.priority or (i.priority = j.priority and i.identifier_id < j.identifier_id)
                then j.identifier_id else i.identifier_id end as other_id
        from kind.map_sightings as s
        join kind.identifiers as i on i.identifier_id = s.primary_id
        join kind.identifiers as j on j.identifier_id = s.identifier_id
        where s.place > 0 and :concerned
    ) as p
    left join renames as t on t.origin_id = p.identifier_id and t.target_id = p.other_id
) as m
group by m.arrived_on, m.identifier_id, m.other_id

-- name: turned_links
-- Links of events whose ends change places, because a map says of them what it did not say, or the reverse.
create temporary table turned_links as
select g.arrived_on, g.identifier_id, g.other_id, g.kind, g.first_seen, g.last_seen, g.events, g.first_event_id
from changed_map_pairs as c
join kind.identifier_values as v on v.identifier_id = c.identifier_id
join kind.identifier_values as w on w.identifier_id = c.other_id
join kind.identity_graph as g on g.identifier_id = c.identifier_id and g.other_id = c.other_id
left join renames as f on f.origin_id = c.identifier_id and f.target_id = c.other_id
left join renames as b on b.origin_id = c.other_id and b.target_id = c.identifier_id
where v.identifier_type = w.identifier_type and g.kind in ('anchor', 'next')
    and (f.origin_id is not null or (b.origin_id is null and c.other_id < c.identifier_id))

-- name: remove_turned
delete from kind.identity_graph as g
using turned_links as t
where t.arrived_on = g.arrived_on and t.identifier_id = g.identifier_id and t.other_id = g.other_id and t.kind = g.kind

-- name: add_turned
insert into kind.identity_graph (
    arrived_on, identifier_id, other_id, kind, first_seen, last_seen, events, first_event_id
)
select t.arrived_on, t.other_id, t.identifier_id, t.kind, t.first_seen, t.last_seen, t.events, t.first_event_id
from turned_links as t

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

-- name: on_changed_days
-- Whom the changed days hold; they need not be looked for on all others.
create temporary table on_changed_days as
select distinct s.identifier_id
from kind.identifier_sightings as s
join changed_sightings as c on c.arrived_on = s.arrived_on and c.identifier_id = s.identifier_id

-- name: unseen_identifiers
-- An identifier in use that neither an event holds nor a row of a map.
select count(*)
from (select i.identifier_id from kind.identifiers as i where :concerned) as c
where not exists (select 1 from kind.identifier_sightings as s where s.identifier_id = c.identifier_id)
    and not exists (select 1 from kind.map_sightings as m where m.identifier_id = c.identifier_id)

-- name: carried_now
create temporary table carried_now as
select distinct unnest(e.identifier_ids) as identifier_id from kind.event_identifiers as e where e.changed_in > :since

-- name: missing_identifiers
-- An event's identifier that is not in use.
select count(*)
from carried_now as u
left join kind.identifiers as i on i.identifier_id = u.identifier_id
where i.identifier_id is null

-- name: missing_map_identifiers
-- An identifier of a row of a map that is not in use.
select count(*)
from (
    select m.primary_id as identifier_id from kind.identity_map_rows as m where m.changed_in > :since
    union
    select unnest(n.person_ids) as identifier_id from kind.identity_map_rows as n where n.changed_in > :since
) as u
left join kind.identifiers as i on i.identifier_id = u.identifier_id
where i.identifier_id is null

-- name: link_ends
create temporary table link_ends as
select g.identifier_id from kind.identity_graph as g where :days
union
select g.other_id as identifier_id from kind.identity_graph as g where :days

-- name: all_link_ends
-- Those of all days: of the pairs, and of what operators called the same, which is no pair by evidence.
create temporary table link_ends as
select g.identifier_id from kind.linked_pairs as g
union
select g.other_id as identifier_id from kind.linked_pairs as g
union
select s.identifier_id from kind.identity_graph as s where s.kind = 'same'
union
select s.other_id as identifier_id from kind.identity_graph as s where s.kind = 'same'

-- name: loose_links
-- The end of a link that is no identifier in use.
select count(*)
from link_ends as e
left join kind.identifiers as i on i.identifier_id = e.identifier_id
where i.identifier_id is null
