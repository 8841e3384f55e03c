-- name: drop_sizes_before
drop table if exists sizes_before

-- name: drop_sizes_after
drop table if exists sizes_after

-- name: sizes_before
-- The published entities that are touched, each with how many identifiers it has.
create temporary table sizes_before as
select l.entity_id, count(*) as identifiers from last_groups as l group by l.entity_id

-- name: sizes_after
create temporary table sizes_after as
select n.entity_id, count(*) as identifiers from new_groups as n group by n.entity_id

-- name: published
select count(distinct m.entity_id) from kind.identifier_groups as m

-- name: figures
-- Published entities that another one takes in, and the most identifiers that one of those that stay gains.
select
    (
        select count(distinct l.entity_id)
        from last_groups as l
        join new_groups as n on n.identifier_id = l.identifier_id
        where l.entity_id not in (select a.entity_id from sizes_after as a)
            and n.entity_id in (select b.entity_id from sizes_before as b)
    ) as merged,
    (
        select coalesce(max(a.identifiers - b.identifiers), 0)
        from sizes_after as a
        join sizes_before as b on b.entity_id = a.entity_id
    ) as growth

-- name: fingerprint
select cdp_fingerprint(
    concat(
        cast(m.identifier_id as text), '|', cast(m.valid_from as text), '|', cast(m.valid_to as text), '|',
        coalesce(cast(m.from_entity_id as text), ''), '|', coalesce(cast(m.to_entity_id as text), '')
    )
)
from moved as m

-- name: audited
select a.audited_hash from kind.audits as a where a.run = :run

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
