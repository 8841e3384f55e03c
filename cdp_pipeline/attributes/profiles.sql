-- name: literal
select :value as value

-- name: owned_events
-- Every event that belongs to somebody, as attributes see it.
select
    s.entity_id, e.event_id, e.event_id as id, e.source_id, e.type, e.version, e.event_time, e.payload
from kind.stitched_events as s
join cdp.customer_events as e on e.event_id = s.event_id
where s.entity_id is not null

-- name: due_events
-- The same of the entities that are due and whose ids lie in one range.
select
    s.entity_id, e.event_id, e.event_id as id, e.source_id, e.type, e.version, e.event_time, e.payload
from :stitched as s
join cdp.customer_events as e on e.event_id = s.event_id
where s.entity_id between cast(:low as uuid) and cast(:high as uuid)

-- name: elements
-- The elements of the arrays that a column holds, each a row, with their places from 1 on. As a lateral join with
-- ordinality it would be the same; DuckDB takes 20 times as long for that, since it looks for equal rows first.
select unnest(:array) as value, generate_subscripts(:array, 1) as place
from :rows as e

-- name: tally
-- What each value of an entity weighs, and what an attribute takes from that.
select t.entity_id, :aggregate as value
from (
    select e.entity_id, :column as value, :weight as weight
    from :rows as e
    where :column is not null
    group by e.entity_id, :column
) as t
group by t.entity_id

-- name: marks
select count(*) from kind.profiles as p where p.calculated is null or p.modified is null

-- name: due_all
create temporary table profile_due as
select distinct s.entity_id from kind.stitched_events as s where s.entity_id is not null

-- name: due_changes
create temporary table profile_due as
select d.entity_id from kind.dirty_entities as d where d.entity_id is not null
union
select p.entity_id from kind.profiles as p
where p.entity_id is not null and (p.calculated is null or p.modified is null)

-- name: due_stitched
create temporary table due_stitched as
select s.event_id, s.entity_id
from kind.stitched_events as s
where s.entity_id in (select d.entity_id from profile_due as d)

-- name: count_due_events
select count(*) from :stitched as s where s.entity_id is not null

-- name: empty_queue
delete from kind.dirty_entities

-- name: profiles_removed
select count(distinct p.entity_id)
from kind.profiles as p
where :concerned
    and not exists (select 1 from profile_values as v where v.entity_id = p.entity_id)

-- name: profile_before
-- The profiles as they were; of several of one entity, which only a hand can have made, the last modified.
create temporary table profile_before as
select p.*, row_number() over (partition by p.entity_id order by p.modified desc nulls last) as _place
from kind.profiles as p
where :concerned

-- name: forget_all
delete from kind.profiles

-- name: forget_due
delete from kind.profiles as p where p.entity_id in (select d.entity_id from profile_due as d)

-- name: drop_attributes
drop view if exists kind.attributes

-- name: drop_profiles
drop table if exists kind.profiles

-- name: rows
-- The new profiles; a builder adds the attributes' columns.
select
    v.entity_id,
    i.value as person_key,
    cast(:now as timestamptz) as calculated,
    cast(:as_of as timestamptz) as valid_at,
    coalesce(case when :same then b.modified end, cast(:now as timestamptz)) as modified
from profile_values as v
left join kind.entities as n on n.entity_id = v.entity_id
left join kind.identifiers as i on i.identifier_id = n.key_id
left join profile_before as b on b.entity_id = v.entity_id and b._place = 1

-- name: figures
select
    (select count(*) from profile_values as v) as entities_calculated,
    (select count(*) from kind.profiles as p) as profiles,
    (select count(*) from kind.profiles as p where p.modified = cast(:now as timestamptz) and :concerned) as profiles_changed

-- name: entities_without_profile
select count(*)
from (select distinct d.entity_id from :stitched as d where d.entity_id is not null) as s
where not exists (select 1 from kind.profiles as p where p.entity_id = s.entity_id)

-- name: profiles_without_events
select count(*)
from kind.profiles as p
where :concerned
    and not exists (select 1 from :stitched as s where s.entity_id = p.entity_id)

-- name: doubled_profiles
select count(*)
from (
    select p.entity_id from kind.profiles as p
    where :concerned
    group by p.entity_id
    having count(*) > 1
) as r

-- name: profiles_of_nobody
select count(*)
from kind.profiles as p
where :concerned
    and not exists (select 1 from kind.entities as n where n.entity_id = p.entity_id)
