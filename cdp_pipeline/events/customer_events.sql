-- name: last_arrival
select max(e.arrived_on) from cdp.customer_events as e

-- name: files
-- What was read; of a file of several days that was only ever asked for some of its days, its rows alone tell.
select f.source, f.place, f.day, f.fingerprint, f.size, f.modified, f.definition from cdp.landed_files as f
union all
select distinct r.source, r.place, cast(null as date), '', 0, cast(0 as double precision), ''
from cdp.landed_rows as r
where not exists (select 1 from cdp.landed_files as g where g.source = r.source and g.place = r.place)

-- name: make_scope
create temporary table scope (source text, place text, first_day date, final_day date)

-- name: add_to_scope
insert into scope (source, place, first_day, final_day) values (:source, :place, :first_day, :final_day)

-- name: read_again
-- The days of places that had rows when they were read last, and are read again or lie there no more.
create temporary table read_again as
select r.source, r.place, r.arrived_on
from cdp.landed_rows as r
join scope as s on s.source = r.source and s.place = r.place
where r.arrived_on between s.first_day and s.final_day

-- name: replaced_events
-- Their events and deletions of events. A row without a readable day goes with its file.
create temporary table replaced as
select e.event_id, e.arrived_on
from cdp.customer_events as e
join read_again as a on a.source = e.landed_from and a.place = e.place and a.arrived_on = e.arrived_on
union all
select d.event_id, d.arrived_on
from cdp.rejected_events as d
join read_again as a on a.source = d.landed_from and a.place = d.place and a.arrived_on = d.arrived_on
where d.reason = 'deleted'

-- name: related
-- What the warehouse already holds of the ids at hand, outside the rows that are replaced. A rejected row that has an
-- event_id is right in itself and gave way to another one, or deletes its event.
create temporary table related as
with ids as (
    select l.event_id from landed as l where l.reason is null
    union all
    select r.event_id from replaced as r
),
held as (
    select e.event_id, e.arrived_on, e.mirrored_at, false as is_deleted, e.landed_from, e.place, e.place_row,
        e.source_id, e.source_event_id, e.type, e.version, e.event_time, e.payload
    from cdp.customer_events as e
    where e.event_id in (select i.event_id from ids as i)
    union all
    select d.event_id, d.arrived_on, d.mirrored_at, coalesce(d.is_deleted, false) as is_deleted, d.landed_from,
        d.place, d.place_row, d.source_id, d.source_event_id, d.type, d.version, d.event_time, d.payload
    from cdp.rejected_events as d
    where d.event_id in (select i.event_id from ids as i)
)
select h.*
from held as h
where not exists (
    select 1 from scope as s
    where s.source = h.landed_from and s.place = h.place and h.arrived_on between s.first_day and s.final_day
)

-- name: contested
-- Ids for which there is more to decide than to take their one row.
create temporary table contested as
select c.event_id
from (
    select l.event_id, case when l.is_deleted then 2 else 1 end as candidates from landed as l where l.reason is null
    union all
    select r.event_id, 1 as candidates from related as r
    union all
    select o.event_id, 2 as candidates from replaced as o
) as c
group by c.event_id
having sum(c.candidates) > 1

-- name: contest
-- One event per event_id, whatever the order of processing. Rows of mirrors come before others, and of these the
-- greatest (mirrored_at, place, row) wins; without any, the least (arrived_on, source, place, row).
create temporary table contest as
select c.*, row_number() over (
    partition by c.event_id
    order by c.mirrored_at desc nulls last,
        case when c.mirrored_at is not null then c.place end desc,
        case when c.mirrored_at is not null then c.place_row end desc,
        c.arrived_on, c.landed_from, c.place, c.place_row
) as rank
from (
    select l.event_id, l.arrived_on, l.mirrored_at, l.is_deleted, l.landed_from, l.place, l.place_row, l.source_id,
        l.source_event_id, l.type, l.version, l.event_time, l.payload
    from landed as l
    where l.reason is null and l.event_id in (select i.event_id from contested as i)
    union all
    select r.event_id, r.arrived_on, r.mirrored_at, r.is_deleted, r.landed_from, r.place, r.place_row, r.source_id,
        r.source_event_id, r.type, r.version, r.event_time, r.payload
    from related as r
    where r.event_id in (select i.event_id from contested as i)
) as c

-- name: winners
-- The first row of each contested id, and what the others of that id are called beside it.
create temporary table winners as
select c.event_id, c.is_deleted, case when c.mirrored_at is null then 'duplicate' else 'superseded' end as reason
from contest as c
where c.rank = 1

-- name: contested_days
-- Where events of those ids stand now: an engine need not look for them among the rows of other days.
create temporary table contested_days as
select r.event_id, r.arrived_on from replaced as r where r.event_id in (select i.event_id from contested as i)
union
select l.event_id, l.arrived_on from related as l where l.event_id in (select i.event_id from contested as i)

-- name: unchanged
-- Events that stay as they are, so that nothing downstream is done again for them; one that stands twice is written anew.
create temporary table unchanged as
select e.event_id
from cdp.customer_events as e
join contest as c on c.event_id = e.event_id and c.rank = 1 and not c.is_deleted
where (e.event_id, e.arrived_on) in (select d.event_id, d.arrived_on from contested_days as d)
    and e.arrived_on = c.arrived_on and e.landed_from = c.landed_from and e.type = c.type and e.version = c.version and e.event_time = c.event_time
    and e.source_id = c.source_id and e.source_event_id = c.source_event_id
    and cast(e.payload as text) = cast(c.payload as text)
group by e.event_id
having count(*) = 1

-- name: move_places
-- An unchanged event whose row stands elsewhere now: in another line, in a file of another name, at another time.
update cdp.customer_events as e
set place = c.place, place_row = c.place_row, mirrored_at = c.mirrored_at
from contest as c
where c.event_id = e.event_id and c.arrived_on = e.arrived_on and c.rank = 1
    and (c.place <> e.place or c.place_row <> e.place_row or c.mirrored_at is distinct from e.mirrored_at)
    and e.event_id in (select u.event_id from unchanged as u)

-- name: landed_counts
-- How many rows of a file belong to a day, those that may be events apart; so `landed` itself need not be read again.
create temporary table landed_counts as
select l.landed_from, l.place, l.arrived_on, l.reason is null as is_good, count(*) as landed_rows
from landed as l
group by l.landed_from, l.place, l.arrived_on, l.reason is null

-- name: landed_days
select distinct l.arrived_on from landed_counts as l where l.is_good

-- name: log_removed
insert into cdp.removed_events (event_id, arrived_on, removed_in)
select e.event_id, e.arrived_on, :number
from cdp.customer_events as e
where (e.event_id, e.arrived_on) in (select d.event_id, d.arrived_on from contested_days as d)
    and e.event_id not in (select u.event_id from unchanged as u)

-- name: remove_events
delete from cdp.customer_events as e
where (e.event_id, e.arrived_on) in (select d.event_id, d.arrived_on from contested_days as d)
    and e.event_id not in (select u.event_id from unchanged as u)

-- name: add_uncontested
insert into cdp.customer_events (
    event_id, source_id, source_event_id, type, version, event_time, arrived_on, payload, landed_from, place, place_row,
    landed_in, mirrored_at
)
select l.event_id, l.source_id, l.source_event_id, l.type, l.version, l.event_time, l.arrived_on, l.payload,
    l.landed_from, l.place, l.place_row, :number, l.mirrored_at
from landed as l
where l.reason is null and l.event_id not in (select i.event_id from contested as i)

-- name: add_winners
insert into cdp.customer_events (
    event_id, source_id, source_event_id, type, version, event_time, arrived_on, payload, landed_from, place, place_row,
    landed_in, mirrored_at
)
select c.event_id, c.source_id, c.source_event_id, c.type, c.version, c.event_time, c.arrived_on, c.payload,
    c.landed_from, c.place, c.place_row, :number, c.mirrored_at
from contest as c
where c.rank = 1 and not c.is_deleted and c.event_id not in (select u.event_id from unchanged as u)

-- name: remove_rejected
delete from cdp.rejected_events as d
using scope as s
where s.source = d.landed_from and s.place = d.place
    and (d.arrived_on is null or d.arrived_on between s.first_day and s.final_day)

-- name: remove_contested_rows
delete from cdp.rejected_events as d where d.event_id in (select i.event_id from contested as i)

-- name: add_contested_rows
insert into cdp.rejected_events (
    arrived_on, source_id, location, reason, event_id, raw, landed_from, place, place_row, source_event_id, type,
    version, event_time, payload, mirrored_at, is_deleted
)
select c.arrived_on, c.source_id, c.place || ':' || cast(c.place_row as text),
    case when c.rank = 1 then 'deleted' else w.reason end, c.event_id,
    cast(cdp_object(
        'id', c.source_event_id, 'type', c.type, 'version', c.version, 'time', cast(c.event_time as text),
        'payload', c.payload
    ) as text),
    c.landed_from, c.place, c.place_row, c.source_event_id, c.type, c.version, c.event_time, c.payload, c.mirrored_at,
    c.is_deleted
from contest as c
join winners as w on w.event_id = c.event_id
where c.rank > 1 or c.is_deleted

-- name: add_rejected
insert into cdp.rejected_events (arrived_on, source_id, location, reason, raw, landed_from, place, place_row)
select l.arrived_on, l.source_id, l.place || ':' || cast(l.place_row as text), l.reason, l.raw, l.landed_from, l.place,
    l.place_row
from landed as l
where l.reason is not null

-- name: remove_counts
delete from cdp.landed_rows as r
using scope as s
where s.source = r.source and s.place = r.place
    and (r.arrived_on is null or r.arrived_on between s.first_day and s.final_day)

-- name: add_counts
insert into cdp.landed_rows (source, place, arrived_on, landed_rows)
select l.landed_from, l.place, l.arrived_on, cast(sum(l.landed_rows) as bigint)
from landed_counts as l
group by l.landed_from, l.place, l.arrived_on

-- name: remove_file
delete from cdp.landed_files as f where f.source = :source and f.place = :place

-- name: remove_emptied_file
-- A file that lies there no more is known until the last of its days was replaced.
delete from cdp.landed_files as f
where f.source = :source and f.place = :place
    and not exists (select 1 from cdp.landed_rows as r where r.source = f.source and r.place = f.place)

-- name: add_file
insert into cdp.landed_files (source, place, day, fingerprint, size, modified, definition, landed_in)
values (:source, :place, :day, :fingerprint, :size, :modified, :definition, :number)

-- name: first_future_day
-- The first day of a file's rows that has not come yet; the file is read again when it has.
select min(l.arrived_on)
from landed_counts as l
where l.landed_from = :source and l.place = :place and l.arrived_on > :last_day

-- name: before_start
select l.place, l.arrived_on, cast(sum(l.landed_rows) as bigint) as early_rows
from landed_counts as l
where l.arrived_on < :start
group by l.place, l.arrived_on
order by l.place, l.arrived_on
limit 1

-- name: touched_days
create temporary table touched_days as
select distinct d.arrived_on
from (
    select l.arrived_on from landed_counts as l
    union all
    select c.arrived_on from contest as c
    union all
    select r.arrived_on from cdp.removed_events as r where r.removed_in = :number
) as d

-- name: figures_by_day
-- Landed rows are events or rejected rows: by source and day of arrival, of the days touched.
with touched as (select t.arrived_on from touched_days as t),
figures as (
    select r.source, r.arrived_on, r.landed_rows, 0 as events, 0 as rejected, 0 as duplicates, 0 as superseded,
        0 as deleted
    from cdp.landed_rows as r
    where r.arrived_on in (select t.arrived_on from touched as t) or r.arrived_on is null
    union all
    select e.landed_from, e.arrived_on, 0, count(*), 0, 0, 0, 0
    from cdp.customer_events as e
    where e.arrived_on in (select t.arrived_on from touched as t)
    group by e.landed_from, e.arrived_on
    union all
    select d.landed_from, d.arrived_on, 0, 0, count(*), count(*) filter (where d.reason = 'duplicate'),
        count(*) filter (where d.reason = 'superseded'), count(*) filter (where d.reason = 'deleted')
    from cdp.rejected_events as d
    where d.arrived_on in (select t.arrived_on from touched as t) or d.arrived_on is null
    group by d.landed_from, d.arrived_on
)
select f.source, f.arrived_on, cast(sum(f.landed_rows) as bigint) as landed_rows, cast(sum(f.events) as bigint) as events,
    cast(sum(f.rejected) as bigint) as rejected, cast(sum(f.duplicates) as bigint) as duplicates,
    cast(sum(f.superseded) as bigint) as superseded, cast(sum(f.deleted) as bigint) as deleted
from figures as f
group by f.source, f.arrived_on
order by f.source, f.arrived_on

-- name: times_stored
-- Of the ids at hand: how many are stored more than once (or once, and the winning row deletes them), and how many that
-- landed are not stored at all.
select count(*) filter (where s.times > s.wanted) as doubled, count(*) filter (where s.times < s.wanted) as lost
from (
    select w.event_id, count(e.event_id) as times, min(case when n.is_deleted then 0 else 1 end) as wanted
    from (
        select l.event_id from landed as l where l.reason is null union select c.event_id from contest as c
    ) as w
    left join cdp.customer_events as e on e.event_id = w.event_id
    left join winners as n on n.event_id = w.event_id
    group by w.event_id
) as s

-- name: table_days
-- A source table's days of arrival with a fingerprint of each day's rows, whatever their order.
select t.day, count(*) as day_rows, cdp_fingerprint(t.row_text) as fingerprint
from (
    select :day as day, cast(f as text) as row_text from :source_table as f where coalesce(:passes, true)
) as t
group by t.day
order by t.day

-- name: table_batch
-- A day of a source table as a batch; a row's number is its place in the order of the rows' texts.
create temporary table landing_batch as
select t.*
from (
    select f.*,
        row_number() over (order by :row) as cdp_place_row,
        cast(null as text) as cdp_read_problem, cast(null as text) as cdp_broken
    from :source_table as f
    where :of_day
) as t

