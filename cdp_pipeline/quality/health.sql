-- name: landed
-- What became of the landed rows: events, rows that are no event, and among these the invalid and the duplicates.
select
    (select count(*) from cdp.customer_events as e) as events,
    count(*) as rejected,
    count(*) filter (where r.reason like 'invalid%') as invalid,
    count(*) filter (where r.reason = 'duplicate') as duplicates
from cdp.rejected_events as r

-- name: stitched
select count(*) as events, count(s.entity_id) as events_of_somebody
from kind.stitched_events as s

-- name: largest_entity
-- An identifier that an entity owns in several spans of time counts once; most are owned always, and simply counted.
select coalesce(max(o.identifiers), 0)
from (
    select
        count(*) filter (where m.valid_from is null and m.valid_to is null)
        + count(distinct m.identifier_id) filter (where m.valid_from is not null or m.valid_to is not null)
            as identifiers
    from kind.entity_map as m
    group by m.entity_id
) as o

-- name: record
-- A step that is tried again measures again: one figure of one run stays one row.
merge into cdp.metrics as m
using health_figures as f on m.run = :run and m.stage = f.stage and m.entity = f.entity and m.metric = f.metric
when matched then update set value = f.value, measured_at = :measured_at
when not matched then insert (run, stage, entity, metric, value, measured_at)
    values (:run, f.stage, f.entity, f.metric, f.value, :measured_at)

-- name: noted
select m.stage, m.metric, m.value from cdp.metrics as m where m.run = :run
