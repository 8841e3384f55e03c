-- name: fail_dead_runs
-- Whoever holds the writer's lock is alone: any run that is still `started` is dead.
update cdp.runs as r set status = 'failed' where r.status = 'started'

-- name: start_run
insert into cdp.runs (run, seq_no, as_of, project_hash, days, status, started_at, seconds, pid)
select :run, coalesce(max(r.seq_no), 0) + 1, :as_of, :project_hash, :days, 'started', :started_at, 0, :pid
from cdp.runs as r

-- name: end_run
update cdp.runs as r set status = :status, seconds = :seconds, as_of = :as_of where r.run = :run

-- name: last_status
select r.status from cdp.runs as r order by r.seq_no desc limit 1
