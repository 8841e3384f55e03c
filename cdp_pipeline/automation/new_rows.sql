-- name: newest
-- When the newest row arrived that has arrived already.
select max(t.arrived_at)
from (select :moment as arrived_at from :source_table as f) as t
where t.arrived_at <= cast(:now as timestamptz)

-- name: recent_days
-- The days of arrival of the rows of late, with a fingerprint of each day's rows, whatever their order.
select t.day, count(*) as day_rows, max(t.arrived_at) as newest, cdp_fingerprint(t.row_text) as fingerprint
from (
    select :day as day, :moment as arrived_at, cast(f as text) as row_text
    from :source_table as f
    where :moment > cast(:after as timestamptz) and :moment <= cast(:now as timestamptz) and coalesce(:passes, true)
) as t
group by t.day
order by t.day
