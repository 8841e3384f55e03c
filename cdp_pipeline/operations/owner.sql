-- name: owner
-- Whose an identifier is now: in the map, else by its group.
select x.entity_id
from (
    select m.entity_id, 0 as place from kind.entity_map as m
    where m.identifier_id = cast(:identifier_id as uuid) and m.valid_to is null
    union all
    select g.entity_id, 1 as place from kind.identifier_groups as g
    where g.identifier_id = cast(:identifier_id as uuid)
) as x
order by x.place
limit 1

-- name: current_entity
-- The entity that an id stands for today.
select g.entity_id
from kind.entities as e
join kind.identifier_groups as g on g.identifier_id = e.key_id
where e.entity_id = cast(:entity_id as uuid)
