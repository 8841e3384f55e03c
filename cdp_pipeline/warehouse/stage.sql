-- name: states
select s.stage, s.cursor, s.changed_in, s.rebuilt_in, s.definition from cdp.stages as s

-- name: last_total
select s.total from cdp.stages as s where s.stage = :stage

-- name: next_number
merge into cdp.sequence as s using (select 1 as one) as n on true
when matched then update set number = s.number + 1
when not matched then insert (number) values (1)

-- name: last_number
select s.number from cdp.sequence as s

-- name: note_state
merge into cdp.stages as s using (select cast(:stage as text) as stage) as n on s.stage = n.stage
when matched then update set
    cursor = :number,
    changed_in = :number,
    rebuilt_in = case when :everything then :number else s.rebuilt_in end,
    definition = :definition,
    total = :total
when not matched then insert (stage, cursor, changed_in, rebuilt_in, definition, total)
    values (:stage, :number, :number, case when :everything then :number else 0 end, :definition, :total)

-- name: record_metrics
insert into cdp.metrics (run, stage, entity, metric, value, measured_at)
select :run, :stage, :entity, m.metric, m.value, cast(:measured_at as timestamptz)
from (
    select unnest(cast(:metrics as text[])) as metric, unnest(cast(:figures as double precision[])) as value
) as m
