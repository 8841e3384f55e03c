-- name: last_groups
-- The last published groups of what is touched.
create temporary table last_groups as
select m.identifier_id, m.component_id, m.entity_id
from kind.identifier_groups as m
where m.identifier_id in (select t.identifier_id from touched as t)

-- name: add_last_owners
-- A warehouse of a release that kept no groups had one group an entity.
insert into last_groups (identifier_id, component_id, entity_id)
select o.identifier_id, cast(null as uuid), o.entity_id
from kind.entity_map as o
where o.valid_from is null and o.valid_to is null and not exists (select 1 from kind.identifier_groups as g)
    and o.identifier_id in (select t.identifier_id from touched as t)

-- name: firsts
-- Each group's first identifier: the most important, then the earliest seen, then the smallest id.
create temporary table firsts as
select distinct on (s.group_number) s.group_number, s.identifier_id, s.priority, s.superseded
from solved as s
order by s.group_number, s.priority, s.superseded, s.first_seen, s.identifier_id

-- name: rekeyed
-- Step (a): ids whose key is not there any more. The key moves to the first identifier that the id owned in the last map
-- and that is still there.
create temporary table rekeyed as
select r.entity_id, r.key_id as old_key_id, o.new_key_id, l.entity_id as last_owner_id, o.owned_any
from kind.entities as r
left join last_groups as l on l.identifier_id = r.key_id
left join (
    select distinct on (m.entity_id) m.entity_id, n.identifier_id as new_key_id, true as owned_any
    from last_groups as m
    left join nodes as n on n.identifier_id = m.identifier_id
    order by m.entity_id, n.priority nulls last, n.superseded, n.first_seen, n.identifier_id
) as o on o.entity_id = r.entity_id
where r.key_id in (select t.identifier_id from touched as t)
    and r.key_id not in (select n.identifier_id from nodes as n)

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
select distinct on (s.group_number) s.group_number, r.entity_id, s.priority as key_priority,
    s.superseded as key_superseded
from kind.entities as r
join solved as s on s.identifier_id = r.key_id
left join last_groups as l on l.identifier_id = r.key_id and l.entity_id = r.entity_id
order by s.group_number, s.priority, s.superseded, case when l.entity_id is not null then 0 else 1 end, r.issued_in,
    r.entity_id

-- name: issue
-- Step (c): a group without an id is issued one, founded by its first identifier. Of an id that was erased only a mark of
-- its founder is left; it counts all the same, so that no id is issued twice.
insert into kind.entities (entity_id, key_id, founder_id, ordinal, issued_in)
select cdp_hash('entity', :kind_name, f.identifier_id, f.ordinal), f.identifier_id, f.identifier_id, f.ordinal, :number
from (
    select x.identifier_id, count(e.entity_id) as ordinal
    from firsts as x
    left join inherited as g on g.group_number = x.group_number
    left join (
        select i.founder_id, i.entity_id from kind.entities as i
        union all
        select y.identifier_id as founder_id, m.entity_id
        from (select n.entity_id, n.founder_mark from kind.entities as n where n.founder_mark is not null) as m
        join firsts as y on m.founder_mark = cdp_hmac(
            'identifier ' || cast(y.identifier_id as text), cast(:inner_key as text), cast(:outer_key as text)
        )
    ) as e on e.founder_id = x.identifier_id
    where g.group_number is null
    group by x.identifier_id
) as f

-- name: groups
-- Each group with its id, inherited or issued just now.
create temporary table groups as
select g.group_number, g.entity_id, g.key_priority, g.key_superseded from inherited as g
union all
select x.group_number, e.entity_id, x.priority as key_priority, x.superseded as key_superseded
from firsts as x
join kind.entities as e on e.key_id = x.identifier_id and e.issued_in = :number
where x.group_number not in (select g.group_number from inherited as g)

-- name: raised
-- Step (d): ids whose group has an identifier that is more important than their key.
create temporary table raised as
select g.entity_id, x.identifier_id
from groups as g
join firsts as x on x.group_number = g.group_number
where x.priority < g.key_priority or (x.priority = g.key_priority and x.superseded < g.key_superseded)

-- name: raise_keys
update kind.entities as r
set key_id = x.identifier_id
from raised as x
where x.entity_id = r.entity_id

-- name: new_groups
-- Each identifier with its component, by the smallest of its identifiers, and its group's entity.
create temporary table new_groups as
select s.identifier_id, s.component_number, c.component_id, g.entity_id
from solved as s
join groups as g on g.group_number = s.group_number
join (
    select x.component_number, cast(min(cast(x.identifier_id as text)) as uuid) as component_id
    from solved as x
    group by x.component_number
) as c on c.component_number = s.component_number

-- name: remove_all_groups
delete from kind.identifier_groups as m

-- name: add_all_groups
insert into kind.identifier_groups (identifier_id, component_id, entity_id)
select n.identifier_id, n.component_id, n.entity_id from new_groups as n

-- name: remove_changed_groups
-- Rows of what is touched that say something else now.
delete from kind.identifier_groups as m
where m.identifier_id in (
    select l.identifier_id
    from last_groups as l
    left join new_groups as n on n.identifier_id = l.identifier_id
    where n.identifier_id is null or n.component_id <> l.component_id or n.entity_id <> l.entity_id
)

-- name: add_changed_groups
insert into kind.identifier_groups (identifier_id, component_id, entity_id)
select n.identifier_id, n.component_id, n.entity_id
from new_groups as n
left join last_groups as l on l.identifier_id = n.identifier_id
where l.identifier_id is null or n.component_id <> l.component_id or n.entity_id <> l.entity_id

-- name: queue_entities
-- Entities whose key changed: their profiles name them anew.
insert into kind.dirty_entities (entity_id)
select x.entity_id from raised as x
union
select a.entity_id from rekeyed as a
