-- name: keep_before
-- Identifiers that were written anew have the number that they had; what changes it comes next.
update kind.identifiers as i
set superseded = b.superseded
from identifiers_before as b
where b.identifier_id = i.identifier_id and b.superseded > 0

-- name: renamed_before
-- The identifiers whose renames may have changed: a row of a map named, or names, an id of their own type.
create temporary table renamed as
select c.identifier_id
from (
    select m.primary_id as identifier_id, unnest(m.person_ids) as other_id from changed_map_rows as m
) as c
join kind.identifier_values as v on v.identifier_id = c.identifier_id
join kind.identifier_values as w on w.identifier_id = c.other_id
where v.identifier_type = w.identifier_type
group by c.identifier_id

-- name: led_on
-- Those, and all whose chains lead to them.
create temporary table led_on as
with recursive led as (
    select n.identifier_id from renamed as n
    union
    select s.primary_id as identifier_id
    from led as l
    join kind.map_sightings as s on s.is_rename and s.identifier_id = l.identifier_id
)
select d.identifier_id from led as d

-- name: led_on_all
create temporary table led_on as
select distinct s.primary_id as identifier_id from kind.map_sightings as s where s.is_rename

-- name: led_on_count
select count(*) from led_on as l

-- name: targets
-- The one target of each: that of the first map, and in its row the most important; with the target's own number, where
-- that is not counted again too.
select t.origin_id, t.target_id, case when n.identifier_id is null then coalesce(i.superseded, 0) else 0 end as steps
from (
    select distinct on (s.primary_id) s.primary_id as origin_id, s.identifier_id as target_id
    from kind.map_sightings as s
    where s.is_rename and s.primary_id in (select l.identifier_id from led_on as l)
    order by s.primary_id, s.map_number, s.place
) as t
left join kind.identifiers as i on i.identifier_id = t.target_id
left join led_on as n on n.identifier_id = t.target_id

-- name: superseded_anew
create temporary table superseded_anew as
select i.identifier_id, coalesce(c.superseded, 0) as superseded
from led_on as l
join kind.identifiers as i on i.identifier_id = l.identifier_id
left join (select cast(n.identifier_id as uuid) as identifier_id, n.superseded from rename_steps as n) as c
    on c.identifier_id = l.identifier_id
where i.superseded <> coalesce(c.superseded, 0)

-- name: set_superseded
update kind.identifiers as i
set superseded = n.superseded
from superseded_anew as n
where n.identifier_id = i.identifier_id

-- name: touch
insert into kind.touched_identifiers (identifier_id, trigger_event_id)
select n.identifier_id, cast(null as uuid) from superseded_anew as n

