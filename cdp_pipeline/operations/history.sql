-- name: owner_known_today
-- Whose an identifier was at a moment, as the map says it now.
select m.entity_id, m.valid_from, m.valid_to, m.recorded_from, cast(null as timestamptz) as recorded_to
from kind.entity_map as m
where m.identifier_id = :id
    and (m.valid_from is null or m.valid_from <= :moment) and (m.valid_to is null or m.valid_to > :moment)

-- name: owner_said_then
-- Whose an identifier was at a moment, as the map said it at that moment. A row of an earlier release does not know
-- since when the map said so; it counts as always.
select r.entity_id, r.valid_from, r.valid_to, r.recorded_from, r.recorded_to
from (
    select m.identifier_id, m.entity_id, m.valid_from, m.valid_to, m.recorded_from,
        cast(null as timestamptz) as recorded_to
    from kind.entity_map as m
    union all
    select h.identifier_id, h.entity_id, h.valid_from, h.valid_to, h.recorded_from, h.recorded_to
    from kind.entity_map_history as h
) as r
where r.identifier_id = :id
    and (r.valid_from is null or r.valid_from <= :moment) and (r.valid_to is null or r.valid_to > :moment)
    and (r.recorded_from is null or r.recorded_from <= :moment)
    and (r.recorded_to is null or r.recorded_to > :moment)
order by r.recorded_from desc nulls last
limit 1

-- name: owned_known_today
select v.identifier_type, v.value, i.first_seen, i.last_seen, i.identifier_id is not null as in_use
from kind.entity_map as m
join kind.identifier_values as v on v.identifier_id = m.identifier_id
left join kind.identifiers as i on i.identifier_id = m.identifier_id
where m.entity_id = :entity_id
    and (m.valid_from is null or m.valid_from <= :moment) and (m.valid_to is null or m.valid_to > :moment)
order by i.priority nulls last, i.superseded, i.first_seen, m.identifier_id

-- name: owned_said_then
select v.identifier_type, v.value, i.first_seen, i.last_seen, i.identifier_id is not null as in_use
from (
    select m.identifier_id, m.valid_from, m.valid_to, m.recorded_from, cast(null as timestamptz) as recorded_to
    from kind.entity_map as m
    where m.entity_id = :entity_id
    union all
    select h.identifier_id, h.valid_from, h.valid_to, h.recorded_from, h.recorded_to
    from kind.entity_map_history as h
    where h.entity_id = :entity_id
) as r
join kind.identifier_values as v on v.identifier_id = r.identifier_id
left join kind.identifiers as i on i.identifier_id = r.identifier_id
where (r.valid_from is null or r.valid_from <= :moment) and (r.valid_to is null or r.valid_to > :moment)
    and (r.recorded_from is null or r.recorded_from <= :moment)
    and (r.recorded_to is null or r.recorded_to > :moment)
order by i.priority nulls last, i.superseded, i.first_seen, r.identifier_id

-- name: today
-- What an entity id stands for today: itself, another one, or (retired) nobody.
select e.entity_id, g.entity_id as current_id
from kind.entities as e
left join kind.identifier_groups as g on g.identifier_id = e.key_id
where e.entity_id = :entity_id

-- name: began
select min(b.recorded_from)
from (
    select m.recorded_from from kind.entity_map as m
    union all
    select h.recorded_from from kind.entity_map_history as h
) as b
