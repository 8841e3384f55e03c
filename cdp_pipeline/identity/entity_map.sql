-- name: touched_all
-- Everything: the identifiers in use, and those that the last published map still holds.
create temporary table touched as
select i.identifier_id, cast(null as uuid) as trigger_event_id from kind.identifiers as i
union
select m.identifier_id, cast(null as uuid) as trigger_event_id from kind.entity_map as m

-- name: touched_queue
-- What the queue holds, and all that belongs to the same entities: their components are worked out again as a whole.
create temporary table touched as
with queue as (
    select q.identifier_id, cdp_any(q.trigger_event_id) as trigger_event_id
    from kind.touched_identifiers as q
    group by q.identifier_id
),
owners as (
    select distinct m.entity_id
    from kind.entity_map as m
    where m.identifier_id in (select q.identifier_id from queue as q)
)
select t.identifier_id, q.trigger_event_id
from (
    select m.identifier_id from kind.entity_map as m where m.entity_id in (select o.entity_id from owners as o)
    union
    select u.identifier_id from queue as u
) as t
left join queue as q on q.identifier_id = t.identifier_id

-- name: nodes
-- The identifiers to be solved, numbered for the graph; ties are never broken by these numbers.
create temporary table nodes as
select i.identifier_id, i.priority, i.first_seen, i.first_event_id, row_number() over () - 1 as number
from kind.identifiers as i
where i.identifier_id in (select t.identifier_id from touched as t)

-- name: node_count
select count(*) from nodes as n

-- name: edges
select distinct a.number as a, b.number as b
from kind.identity_graph as g
join nodes as a on a.identifier_id = g.identifier_id
join nodes as b on b.identifier_id = g.other_id

-- name: solved
-- Each identifier with the number of its group.
create temporary table solved as
select n.identifier_id, n.priority, n.first_seen, n.first_event_id, l.group_number
from nodes as n
join group_labels as l on l.number = n.number

-- name: last_map
-- The last published map of what is touched.
create temporary table last_map as
select m.identifier_id, m.entity_id
from kind.entity_map as m
where m.identifier_id in (select t.identifier_id from touched as t)

-- name: firsts
-- Each group's first identifier: the most important, then the earliest seen, then the smallest id.
create temporary table firsts as
select distinct on (s.group_number) s.group_number, s.identifier_id, s.priority
from solved as s
order by s.group_number, s.priority, s.first_seen, s.identifier_id

-- name: rekeyed
-- Step (a): ids whose key is in use no more. The key moves to the first identifier that the id owned in the last map
-- and that is still in use.
create temporary table rekeyed as
select r.entity_id, r.key_id as old_key_id, o.new_key_id, l.entity_id as last_owner_id, o.owned_any
from kind.entities as r
left join last_map as l on l.identifier_id = r.key_id
left join (
    select distinct on (m.entity_id) m.entity_id, i.identifier_id as new_key_id, true as owned_any
    from last_map as m
    left join kind.identifiers as i on i.identifier_id = m.identifier_id
    order by m.entity_id, i.priority nulls last, i.first_seen, i.identifier_id
) as o on o.entity_id = r.entity_id
where r.key_id in (select t.identifier_id from touched as t)
    and r.key_id not in (select j.identifier_id from kind.identifiers as j)

-- name: follow
-- Step (a), an id that owned nothing: it takes the key of the entity that it redirected to.
create temporary table followed as
select f.entity_id, case when t.entity_id is not null then t.new_key_id else e.key_id end as new_key_id
from rekeyed as f
left join rekeyed as t on t.entity_id = f.last_owner_id
left join kind.entities as e on e.entity_id = f.last_owner_id
where f.owned_any is null

-- name: move_keys
update kind.entities as r
set key_id = k.new_key_id
from (
    select a.entity_id, a.new_key_id from rekeyed as a where a.owned_any
    union all
    select f.entity_id, f.new_key_id from followed as f
) as k
where k.entity_id = r.entity_id

-- name: inherited
-- Step (b): a group takes the id with the most important key among its identifiers; of equals the one that was current,
-- then the one issued first, then the smaller id.
create temporary table inherited as
select distinct on (s.group_number) s.group_number, r.entity_id, s.priority as key_priority
from kind.entities as r
join solved as s on s.identifier_id = r.key_id
left join last_map as l on l.identifier_id = r.key_id and l.entity_id = r.entity_id
order by s.group_number, s.priority, case when l.entity_id is not null then 0 else 1 end, r.issued_in, r.entity_id

-- name: issue
-- Step (c): a group without an id is issued one, founded by its first identifier.
insert into kind.entities (entity_id, key_id, founder_id, ordinal, issued_in)
select cdp_hash('entity', :kind_name, f.identifier_id, f.ordinal), f.identifier_id, f.identifier_id, f.ordinal, :number
from (
    select x.identifier_id, count(e.entity_id) as ordinal
    from firsts as x
    left join inherited as g on g.group_number = x.group_number
    left join kind.entities as e on e.founder_id = x.identifier_id
    where g.group_number is null
    group by x.identifier_id
) as f

-- name: groups
-- Each group with its id, inherited or issued just now.
create temporary table groups as
select g.group_number, g.entity_id, g.key_priority from inherited as g
union all
select x.group_number, e.entity_id, x.priority as key_priority
from firsts as x
join kind.entities as e on e.key_id = x.identifier_id and e.issued_in = :number
where x.group_number not in (select g.group_number from inherited as g)

-- name: raised
-- Step (d): ids whose group has an identifier that is more important than their key.
create temporary table raised as
select g.entity_id, x.identifier_id
from groups as g
join firsts as x on x.group_number = g.group_number
where x.priority < g.key_priority

-- name: raise_keys
update kind.entities as r
set key_id = x.identifier_id
from raised as x
where x.entity_id = r.entity_id

-- name: moved
-- What changes hands: the new map held against the last published one.
create temporary table moved as
select t.identifier_id, l.entity_id as from_entity_id, g.entity_id as to_entity_id,
    coalesce(t.trigger_event_id, case when l.entity_id is null then s.first_event_id end) as trigger_event_id
from touched as t
left join last_map as l on l.identifier_id = t.identifier_id
left join solved as s on s.identifier_id = t.identifier_id
left join groups as g on g.group_number = s.group_number
where l.entity_id is distinct from g.entity_id

-- name: remove_moved
delete from kind.entity_map as m
where m.identifier_id in (select c.identifier_id from moved as c)

-- name: add_moved
insert into kind.entity_map (identifier_id, entity_id)
select c.identifier_id, c.to_entity_id from moved as c where c.to_entity_id is not null

-- name: remove_all
delete from kind.entity_map as m

-- name: add_all
insert into kind.entity_map (identifier_id, entity_id)
select s.identifier_id, g.entity_id from solved as s join groups as g on g.group_number = s.group_number

-- name: record_changes
insert into kind.entity_changes (
    change_id, run, identifier_id, from_entity_id, to_entity_id, kind, reason, trigger_event_id, changed_at
)
select coalesce((select max(p.change_id) from kind.entity_changes as p), 0)
        + row_number() over (order by k.to_entity_id nulls first, k.identifier_id),
    :run, k.identifier_id, k.from_entity_id, k.to_entity_id, k.kind,
    case k.kind
        when 'new' then 'seen for the first time'
        when 'remove' then 'no event holds it any more'
        when 'merge' then 'linked with an identifier of the entity that it joined'
        when 'split' then 'the links that held it are gone'
        when 'rename' then 'the entity goes by another of its ids'
        else 'its links lead to another entity now'
    end,
    k.trigger_event_id, :now
from (
    select c.identifier_id, c.from_entity_id, c.to_entity_id, c.trigger_event_id,
        case
            when c.from_entity_id is null then 'new'
            when c.to_entity_id is null then 'remove'
            when f.entity_id is null and b.entity_id is not null then 'merge'
            when f.entity_id is null then 'rename'
            when b.entity_id is null then 'split'
            else 'move'
        end as kind
    from moved as c
    left join (
        select distinct m.entity_id from kind.entity_map as m
        where m.entity_id in (select d.from_entity_id from moved as d)
    ) as f on f.entity_id = c.from_entity_id
    left join (select distinct l.entity_id from last_map as l) as b on b.entity_id = c.to_entity_id
) as k

-- name: queue_entities
-- Entities whose key changed: their profiles name them anew.
insert into kind.dirty_entities (entity_id)
select x.entity_id from raised as x
union
select a.entity_id from rekeyed as a

-- name: clear_queue
delete from kind.touched_identifiers as q

-- name: figures
select
    (select count(distinct m.entity_id) from kind.entity_map as m) as entities,
    (select count(*) from kind.entities as e) as ids_issued,
    (select count(*) from kind.entities as e where e.key_id is null) as ids_retired,
    (select count(distinct s.group_number) from solved as s) as components_solved,
    (select count(*) from moved as c) as changes,
    (select coalesce(max(g.identifiers), 0) from (
        select count(*) as identifiers from solved as s group by s.group_number
    ) as g) as largest_group_solved

-- name: figures_of_changes
select c.kind, count(*)
from kind.entity_changes as c
where c.change_id > :last_change
group by c.kind

-- name: last_change
select coalesce(max(c.change_id), 0) from kind.entity_changes as c

-- name: two_owners
select count(*)
from (
    select m.identifier_id
    from kind.entity_map as m
    where m.identifier_id in (select t.identifier_id from touched as t)
    group by m.identifier_id
    having count(*) > 1
) as doubled

-- name: owned_by_nobody
-- Identifiers in use without an owner, and owned ones that are in use no more.
select count(*)
from touched as t
left join kind.identifiers as i on i.identifier_id = t.identifier_id
left join kind.entity_map as m on m.identifier_id = t.identifier_id
where (i.identifier_id is null) <> (m.identifier_id is null)

-- name: keyless
-- Entities of the map that the registry does not know, or whose key is not theirs.
select count(*)
from (
    select distinct m.entity_id from kind.entity_map as m
    where m.identifier_id in (select t.identifier_id from touched as t)
) as o
left join kind.entities as e on e.entity_id = o.entity_id
left join kind.entity_map as k on k.identifier_id = e.key_id
where e.entity_id is null or k.entity_id is distinct from o.entity_id

-- name: redirects_view
create or replace view kind.entity_redirects as
select e.entity_id as from_entity_id, m.entity_id as to_entity_id
from kind.entities as e
left join kind.entity_map as m on m.identifier_id = e.key_id
where m.entity_id is distinct from e.entity_id

-- name: drop_touched
drop table if exists touched

-- name: drop_nodes
drop table if exists nodes

-- name: drop_solved
drop table if exists solved

-- name: drop_last_map
drop table if exists last_map

-- name: drop_firsts
drop table if exists firsts

-- name: drop_rekeyed
drop table if exists rekeyed

-- name: drop_followed
drop table if exists followed

-- name: drop_inherited
drop table if exists inherited

-- name: drop_groups
drop table if exists groups

-- name: drop_raised
drop table if exists raised

-- name: drop_moved
drop table if exists moved
