-- name: sizes_before
-- The published entities that are touched, each with how many identifiers it has.
create temporary table sizes_before as
select l.entity_id, count(*) as identifiers from last_groups as l group by l.entity_id

-- name: sizes_after
create temporary table sizes_after as
select n.entity_id, count(*) as identifiers from new_groups as n group by n.entity_id

-- name: published
-- All published entities, where they were not counted when they were published.
select count(distinct m.entity_id)
from (
    select g.entity_id from kind.identifier_groups as g
    union all
    select o.entity_id from kind.entity_map as o where not exists (select 1 from kind.identifier_groups as g)
) as m

-- name: more
-- How many entities more there are than there were.
select (select count(*) from sizes_after as a) - (select count(*) from sizes_before as b)

-- name: figures
-- Published entities that another one takes in, and the most identifiers that one gains. Where an id comes back that was
-- only redirected, the largest published entity among what it takes in goes on under it, and the others are taken in.
with gone as (
    select distinct l.entity_id as from_entity_id, n.entity_id as to_entity_id
    from last_groups as l
    join new_groups as n on n.identifier_id = l.identifier_id
    where l.entity_id not in (select a.entity_id from sizes_after as a)
),
placed as (
    select g.from_entity_id, g.to_entity_id, b.entity_id is not null as is_published, s.identifiers,
        row_number() over (partition by g.to_entity_id order by s.identifiers desc, g.from_entity_id) as place
    from gone as g
    join sizes_before as s on s.entity_id = g.from_entity_id
    left join sizes_before as b on b.entity_id = g.to_entity_id
)
select
    (select count(distinct p.from_entity_id) from placed as p where p.is_published or p.place > 1) as merged,
    (
        select coalesce(max(a.identifiers - c.identifiers), 0)
        from sizes_after as a
        join (
            select b.entity_id, b.identifiers from sizes_before as b
            union all
            select p.to_entity_id as entity_id, p.identifiers from placed as p where not p.is_published and p.place = 1
        ) as c on c.entity_id = a.entity_id
    ) as growth

-- name: fingerprint
-- Of all that is published and changes hands; who comes for the first time is no business of the gate's.
select cdp_fingerprint(
    concat(
        cast(m.identifier_id as text), '|', cast(m.valid_from as text), '|', cast(m.valid_to as text), '|',
        coalesce(cast(m.from_entity_id as text), ''), '|', coalesce(cast(m.to_entity_id as text), '')
    )
)
from moved as m
where m.from_entity_id is not null

-- name: audited
select a.audited_hash from kind.audits as a where a.run = :run and a.accepted_by is null

-- name: held
-- Runs whose map is held back, the latest first.
select a.run from kind.audits as a where a.accepted_by is null order by a.audited_at desc

-- name: accept
update kind.audits as a set accepted_by = :accepted_by where a.run = :run

-- name: record
insert into kind.audits (run, audited_at, audited_hash, entities, entities_merged, largest_growth)
values (:run, :now, :audited_hash, :entities, :merged, :growth)

-- name: responsible
-- Identifiers whose links join most of the published entities that are one group now.
select i.identifier_type, i.value, count(distinct p.entity_id) as joined
from (
    select g.identifier_id, l.entity_id
    from kind.identity_graph as g
    join new_groups as a on a.identifier_id = g.identifier_id
    join new_groups as b on b.identifier_id = g.other_id and b.entity_id = a.entity_id
    join last_groups as l on l.identifier_id = g.other_id
    union
    select g.other_id as identifier_id, l.entity_id
    from kind.identity_graph as g
    join new_groups as a on a.identifier_id = g.identifier_id
    join new_groups as b on b.identifier_id = g.other_id and b.entity_id = a.entity_id
    join last_groups as l on l.identifier_id = g.identifier_id
) as p
join kind.identifiers as i on i.identifier_id = p.identifier_id
group by i.identifier_id, i.identifier_type, i.value
having count(distinct p.entity_id) > 1
order by joined desc, i.identifier_type, i.value
limit :shown
