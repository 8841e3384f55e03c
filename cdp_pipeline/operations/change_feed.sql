-- name: cursors
-- The number of the newest change, and the last one that any transaction took.
select
    (select coalesce(max(c.number), 0) from kind.profile_changes as c) as newest,
    (select coalesce(max(s.number), 0) from cdp.sequence as s) as last_number
