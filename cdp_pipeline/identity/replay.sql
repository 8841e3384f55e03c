-- name: rekeyed_count
select count(*) from rekeyed_events as k

-- name: flows
-- From whom to whom events go and how many; and who gains or loses an event that is worked out again.
select k.from_entity_id, k.to_entity_id, count(*) as events, false as is_restitched
from rekeyed_events as k
group by k.from_entity_id, k.to_entity_id
union all
select distinct b.entity_id, n.entity_id, 0 as events, true as is_restitched
from restitched as r
left join stitched_before as b on b.event_id = r.event_id
left join stitched_anew as n on n.event_id = r.event_id
where b.entity_id is not null or n.entity_id is not null

-- name: leave_to_later
-- What is not of this batch.
delete from rekeyed_events as k
where coalesce(k.to_entity_id, k.from_entity_id) not in (select cast(b.entity_id as uuid) from batch_entities as b)
