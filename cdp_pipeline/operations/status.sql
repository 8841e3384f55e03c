-- name: last_run
select r.run, r.status, r.started_at, r.seconds, r.days
from cdp.runs as r
order by r.seq_no desc
limit 1

-- name: cursors
select s.stage, s.cursor, s.changed_in from cdp.stages as s order by s.stage

-- name: queues
select
    (select count(distinct q.identifier_id) from kind.touched_identifiers as q) as touched_identifiers,
    (select count(distinct d.entity_id) from kind.dirty_entities as d) as dirty_entities,
    (select count(*) from kind.stitched_events as s where s.stitched is null) as events_marked,
    (select coalesce(sum(r.events_left), 0) from kind.replays as r) as events_left_by_a_replay

-- name: unfinished_erasures
select count(*) from cdp.erasures as e where e.finished_at is null
