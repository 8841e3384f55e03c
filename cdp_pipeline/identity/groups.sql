-- name: unstitched
-- The links that operators took out of use.
create temporary table unstitched as
select g.identifier_id, g.other_id
from kind.linked_pairs as g
join unstitched_decisions as d
    on cast(d.one as uuid) = g.identifier_id and (d.other is null or cast(d.other as uuid) = g.other_id)
union
select g.identifier_id, g.other_id
from kind.linked_pairs as g
join unstitched_decisions as d
    on cast(d.one as uuid) = g.other_id and (d.other is null or cast(d.other as uuid) = g.identifier_id)

-- name: nothing_unstitched
create temporary table unstitched (identifier_id uuid, other_id uuid)

-- name: nodes
-- The identifiers to be solved, numbered for the graph; ties are never broken by these numbers.
create temporary table nodes as
select i.identifier_id, i.priority, i.superseded, i.first_seen, i.first_event_id, row_number() over () - 1 as number
from kind.identifiers as i
where i.identifier_id in (select t.identifier_id from touched as t)
    and i.identifier_id not in (select q.identifier_id from quarantine as q)

-- name: node_priorities
select n.number, n.priority from nodes as n

-- name: edges
-- The links in use.
select a.number as a, b.number as b, g.of_maps
from kind.linked_pairs as g
join nodes as a on a.identifier_id = g.identifier_id
join nodes as b on b.identifier_id = g.other_id
left join unstitched as u on u.identifier_id = g.identifier_id and u.other_id = g.other_id
where u.identifier_id is null

-- name: same
-- Identifiers that operators called the same as others, each with its class.
select n.number, m.class_number
from same_members as m
join nodes as n on n.identifier_id = cast(m.identifier_id as uuid)
order by m.class_number, n.number

-- name: different
select a.number, b.number
from different_decisions as d
join nodes as a on a.identifier_id = cast(d.one as uuid)
join nodes as b on b.identifier_id = cast(d.other as uuid)

-- name: links_in_order
-- The links in use of components that break a limit, those that prove most first. Renames come before all else, for what
-- they make one counts once in its type: taken later, they would let in what had been refused.
select l.a, l.b, l.renames, l.of_events
from (
    select a.number as a, b.number as b, g.identifier_id, g.other_id, a.priority, b.priority as other_priority,
        g.last_seen, g.of_events, g.of_maps, g.of_maps and a.priority = b.priority as renames
    from kind.linked_pairs as g
    join nodes as a on a.identifier_id = g.identifier_id
    join nodes as b on b.identifier_id = g.other_id
    join broken_nodes as n on n.number = a.number
    left join unstitched as u on u.identifier_id = g.identifier_id and u.other_id = g.other_id
    where u.identifier_id is null
) as l
order by l.renames desc, l.of_maps desc, l.other_priority, l.last_seen desc, l.priority, l.identifier_id, l.other_id

-- name: solved
-- Each identifier with the numbers of its group and of its component.
create temporary table solved as
select n.identifier_id, n.priority, n.superseded, n.first_seen, n.first_event_id, l.group_number, l.component_number
from nodes as n
join group_labels as l on l.number = n.number

-- name: refused
create temporary table refused as
select a.identifier_id, b.identifier_id as other_id, r.reason, r.effect, r.detail
from refusals as r
join nodes as a on a.number = r.a
join nodes as b on b.number = r.b

-- name: forget_all_refused
delete from kind.refused_links as r

-- name: forget_refused
delete from kind.refused_links as r
where r.identifier_id in (select t.identifier_id from touched as t)
    or r.other_id in (select t.identifier_id from touched as t)

-- name: record_refused
insert into kind.refused_links (identifier_id, other_id, reason, effect, detail, component_id)
select r.identifier_id, r.other_id, r.reason, r.effect, r.detail, g.component_id
from refused as r
join new_groups as g on g.identifier_id = r.identifier_id

-- name: figures
select
    (select count(*) from kind.refused_links as r) as refused_links,
    (select count(*) from kind.refused_links as r where r.effect = 'conflict') as refused_in_conflict,
    (select count(*) from kind.refused_links as r where r.effect = 'surplus') as refused_as_surplus
