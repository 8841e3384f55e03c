-- name: mark_events
update kind.stitched_events as s set stitched = null where s.entity_id = cast(:entity_id as uuid)

-- name: touch_component
-- All identifiers of the components that the person's are of.
insert into kind.touched_identifiers (identifier_id)
select distinct g.identifier_id
from kind.identifier_groups as g
where g.component_id in (
    select o.component_id from kind.identifier_groups as o where o.entity_id = cast(:entity_id as uuid)
)

-- name: mark_profile
update kind.profiles as p set calculated = null where p.entity_id = cast(:entity_id as uuid)

-- name: mark_context
-- The newest value of a key, or of all of them.
update kind.context_values as c
set modified = null
where (cast(:key as text) is null or c.key = :key)
    and c.number = (select max(n.number) from kind.context_values as n where n.key = c.key)
