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

-- name: identifiers_of_part
-- The identifiers of one type that entities have now, by when they were first seen.
select g.entity_id, i.value,
    row_number() over (partition by g.entity_id order by i.first_seen, i.value) as place
from kind.identifier_groups as g
join kind.identifiers as i on i.identifier_id = g.identifier_id
where i.identifier_type = :wanted and g.entity_id in (select p.entity_id from :part as p)

-- name: values_of_attribute
-- The rows of an attribute put together: for each entity its value, and whether it had more rows than one.
select q.entity_id, :gathered as value, count(*) > 1 as is_several
from :rows as q
group by q.entity_id

-- name: several_values
-- An entity for which a query gave more than one row.
select cdp_any(t.entity_id), count(*) from :made as t where t.is_several

-- name: marks
-- Profiles and context values that somebody marked by hand.
select (select count(*) from kind.profiles as p where p.calculated is null or p.modified is null)
    + (select count(*) from kind.context_values as c where c.modified is null)

-- name: states
select a.definition_of, a.definition, a.as_of, a.due_at from kind.attribute_states as a

-- name: forget_states
delete from kind.attribute_states

-- name: add_states
insert into kind.attribute_states (definition_of, definition, as_of, due_at)
select n.definition_of, n.definition, cast(:as_of as timestamptz), n.due_at
from (
    select unnest(cast(:names as text[])) as definition_of, unnest(cast(:hashes as text[])) as definition,
        unnest(cast(:due as timestamptz[])) as due_at
) as n

-- name: next_due
select min(a.due_at) from kind.attribute_states as a

-- name: next_crossing
-- When the next event crosses a boundary that moves on as fast as the clock.
select cast(:as_of as timestamptz) + (min(s.event_time) - :boundary) + interval '1 microsecond'
from kind.stitched_events as s
where s.entity_id is not null and s.event_time >= :boundary

-- name: context_values
-- Each context value as it stands.
select c.key, c.value, c.query, c.modified
from kind.context_values as c
join (select n.key, max(n.number) as number from kind.context_values as n group by n.key) as l
    on l.key = c.key and l.number = c.number

-- name: confirm_context
-- It was worked out again and has the value that it had.
update kind.context_values as c
set modified = :as_of, query = :query
where c.key = :key and c.number = (select max(n.number) from kind.context_values as n where n.key = :key)

-- name: unmark_context
-- Past values, and those that the project has no more, are not worked out again, whoever marked them by hand.
update kind.context_values as c set modified = c.since where c.modified is null

-- name: add_context
insert into kind.context_values (key, value, query, modified, number, since)
select :key, :value, :query, :as_of,
    coalesce((select max(n.number) from kind.context_values as n where n.key = :key), 0) + 1, :as_of

-- name: take_in
-- What a pass worked out goes into the rows of its entities; a builder puts the attributes in the place of the column.
update profile_values as v
set entity_id = n.entity_id
from pass_values as n
where n.entity_id = v.entity_id

-- name: also_due
-- Those who are touched beside those who are due for all attributes.
insert into profile_due (entity_id)
select v.entity_id
from profile_values as v
where not exists (select 1 from profile_due as d where d.entity_id = v.entity_id)

-- name: touched_stitched
select s.event_id, s.entity_id
from kind.stitched_events as s
where s.entity_id in (select d.entity_id from profile_due as d)

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

-- name: unchanged_profiles
-- The profiles that stay as they were, with the time when they became so.
create temporary table unchanged_profiles as
select v.entity_id, max(p.modified) as modified
from profile_values as v
join kind.profiles as p on p.entity_id = v.entity_id
left join kind.entities as n on n.entity_id = v.entity_id
left join kind.identifiers as i on i.identifier_id = n.key_id
where :same
group by v.entity_id

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
    coalesce(u.modified, cast(:now as timestamptz)) as modified
from profile_values as v
left join kind.entities as n on n.entity_id = v.entity_id
left join kind.identifiers as i on i.identifier_id = n.key_id
left join unchanged_profiles as u on u.entity_id = v.entity_id

-- name: profiles_now
-- The profiles of who is touched, as they stand now.
create temporary table profiles_now as
select p.entity_id, p.modified
from kind.profiles as p
where p.entity_id in (select d.entity_id from profile_due as d)

-- name: figures
select
    (select count(*) from profile_values as v) as entities_calculated,
    (select count(*) from kind.profiles as p) as profiles,
    (select count(*) from :profiles as p where p.modified = cast(:now as timestamptz)) as profiles_changed

-- name: entities_without_profile
select count(*)
from (select distinct d.entity_id from :stitched as d where d.entity_id is not null) as s
where not exists (select 1 from :profiles as p where p.entity_id = s.entity_id)

-- name: profiles_without_events
select count(*)
from :profiles as p
where not exists (select 1 from :stitched as s where s.entity_id = p.entity_id)

-- name: doubled_profiles
select count(*)
from (
    select p.entity_id from :profiles as p
    group by p.entity_id
    having count(*) > 1
) as r

-- name: profiles_of_nobody
select count(*)
from :profiles as p
where not exists (select 1 from kind.entities as n where n.entity_id = p.entity_id)
