-- name: cursors
select c.map_number, c.definition, c.read_up_to, c.fingerprint from kind.map_cursors as c

-- name: maps_with_rows
select distinct m.map_number from kind.identity_map_rows as m

-- name: remove_cursors
delete from kind.map_cursors as c

-- name: remove_cursor
delete from kind.map_cursors as c where c.map_number = :map_number

-- name: add_cursor
insert into kind.map_cursors (map_number, definition, read_up_to, fingerprint)
values (:map_number, :definition, :read_up_to, :fingerprint)

-- name: kept_rows
-- The rows of maps that stand at another place in the project file now.
create temporary table kept_rows as
select n.new_number as map_number, m.primary_id, m.person_ids, m.updated_at, m.row_hash
from kind.identity_map_rows as m
join map_moves as n on n.old_number = m.map_number
where n.new_number is not null

-- name: moving_rows
select count(*) from kind.identity_map_rows as m where m.map_number in (select n.old_number from map_moves as n)

-- name: log_moved
insert into kind.removed_map_rows (map_number, primary_id, person_ids, updated_at, removed_in)
select m.map_number, m.primary_id, m.person_ids, m.updated_at, :number
from kind.identity_map_rows as m
where m.map_number in (select n.old_number from map_moves as n)

-- name: remove_moved
delete from kind.identity_map_rows as m where m.map_number in (select n.old_number from map_moves as n)

-- name: add_kept
insert into kind.identity_map_rows (map_number, primary_id, person_ids, updated_at, row_hash, changed_in)
select k.map_number, k.primary_id, k.person_ids, k.updated_at, k.row_hash, :number
from kept_rows as k

-- name: known_rows
-- Rows that are the same as when they were last read, so that nothing of them need be worked out again.
create temporary table known_rows as
select r.event_number, m.primary_id, m.person_ids
from map_read as r
join kind.identity_map_rows as m on m.map_number = :map_number and m.row_hash = r.row_hash
where not r.is_deleted and :trusted

-- name: make_occurrences
create temporary table occurrences (
    event_number bigint, rank bigint, priority integer, value text, kind text, is_primary boolean
)

-- name: make_readings
create temporary table readings (
    priority integer, identifier_type text, raw text, value text, status text, identifier_id uuid
)

-- name: map_found
-- An identifier of a row, at its most important place in it.
create temporary table map_found as
select o.event_number, o.is_primary, r.identifier_id, min(o.rank) as rank
from occurrences as o
join readings as r on r.priority = o.priority and r.raw = o.value
where r.status = 'valid' and (o.kind is null or o.kind not in ('object', 'array', 'number', 'null'))
group by o.event_number, o.is_primary, r.identifier_id

-- name: primaries
create temporary table primaries as
select p.event_number, p.identifier_ids[1] as identifier_id
from (
    select f.event_number, cdp_ordered(f.identifier_id, f.rank) as identifier_ids
    from map_found as f
    where f.is_primary
    group by f.event_number
) as p

-- name: persons
-- The ids of each row's person, the most important first; one that is the primary id itself links nothing.
create temporary table persons as
select f.event_number, cdp_ordered(f.identifier_id, f.rank) as person_ids
from map_found as f
join primaries as p on p.event_number = f.event_number
where not f.is_primary and f.identifier_id <> p.identifier_id
group by f.event_number

-- name: newest_rows
-- The newest row of each primary id; of rows of the same time the one with the greatest hash.
create temporary table newest_rows as
select distinct on (c.primary_id) c.primary_id, c.person_ids, c.updated_at, c.is_deleted, c.row_hash
from (
    select k.primary_id, k.person_ids, coalesce(r.moment, :start) as updated_at, r.is_deleted, r.row_hash
    from known_rows as k
    join map_read as r on r.event_number = k.event_number
    union all
    select p.identifier_id as primary_id, coalesce(q.person_ids, cast(array[] as uuid[])) as person_ids,
        coalesce(r.moment, :start) as updated_at, r.is_deleted, r.row_hash
    from primaries as p
    join map_read as r on r.event_number = p.event_number
    left join (select s.event_number, :persons as person_ids from persons as s) as q
        on q.event_number = p.event_number
) as c
order by c.primary_id, c.updated_at desc, c.row_hash desc

-- name: changed_rows
-- Rows that say something else than before; of a mirror, a row that is older than the one that was read stays unheard.
create temporary table changed_rows as
select n.primary_id, n.person_ids, n.updated_at, n.row_hash
from newest_rows as n
left join kind.identity_map_rows as m on m.map_number = :map_number and m.primary_id = n.primary_id
where not n.is_deleted and (
    m.primary_id is null
    or (
        (:whole or n.updated_at >= m.updated_at)
        and (m.row_hash <> n.row_hash or m.person_ids <> n.person_ids or m.updated_at <> n.updated_at)
    )
)

-- name: gone_rows
-- Rows whose newest version is deleted, and those that are missing where a missing row is a deleted one.
create temporary table gone_rows as
select m.primary_id
from kind.identity_map_rows as m
join newest_rows as n on n.primary_id = m.primary_id
where m.map_number = :map_number and n.is_deleted and (:whole or n.updated_at >= m.updated_at)
union all
select m.primary_id
from kind.identity_map_rows as m
where m.map_number = :map_number and :whole and m.primary_id not in (select n.primary_id from newest_rows as n)

-- name: counts
select (select count(*) from changed_rows as c) as written, (select count(*) from gone_rows as g) as gone

-- name: log_removed
insert into kind.removed_map_rows (map_number, primary_id, person_ids, updated_at, removed_in)
select m.map_number, m.primary_id, m.person_ids, m.updated_at, :number
from kind.identity_map_rows as m
where m.map_number = :map_number and m.primary_id in (
    select c.primary_id from changed_rows as c union all select g.primary_id from gone_rows as g
)

-- name: remove
delete from kind.identity_map_rows as m
where m.map_number = :map_number and m.primary_id in (
    select c.primary_id from changed_rows as c union all select g.primary_id from gone_rows as g
)

-- name: add
insert into kind.identity_map_rows (map_number, primary_id, person_ids, updated_at, row_hash, changed_in)
select :map_number, c.primary_id, c.person_ids, c.updated_at, c.row_hash, :number
from changed_rows as c

-- name: add_values
insert into kind.identifier_values (identifier_id, identifier_type, value)
select distinct r.identifier_id, r.identifier_type, r.value
from readings as r
where r.status = 'valid'
    and r.identifier_id in (
        select c.primary_id from changed_rows as c
        union all
        select unnest(d.person_ids) from changed_rows as d
    )
    and r.identifier_id not in (select v.identifier_id from kind.identifier_values as v)

-- name: latest
-- The latest time that has come; a row that names a later one must not hide those that come before it.
select max(r.moment) from map_read as r where r.moment <= :now

-- name: figures
select
    (select count(*) from map_read as r) as map_rows_read,
    (select count(*) from map_read as r where r.is_deleted) as deleted_rows,
    (
        select count(*) from map_read as r
        where r.event_number not in (select k.event_number from known_rows as k)
            and r.event_number not in (select p.event_number from primaries as p)
    ) as rows_without_valid_primary,
    (select count(*) from map_read as r where r.has_time and r.moment is null) as unreadable_times,
    (
        select count(*) from occurrences as o
        left join readings as s on s.priority = o.priority and s.raw = o.value
        where o.kind in ('object', 'array', 'number') or s.status = 'invalid'
    ) as invalid_values,
    (
        select count(*) from occurrences as o
        join readings as s on s.priority = o.priority and s.raw = o.value
        where s.status = 'blocked' and (o.kind is null or o.kind not in ('object', 'array', 'number', 'null'))
    ) as blocked_values

-- name: total
select count(*) from kind.identity_map_rows as m

-- name: doubled_rows
select count(*)
from (
    select m.map_number, m.primary_id
    from kind.identity_map_rows as m
    where m.primary_id in (select c.primary_id from kind.identity_map_rows as c where c.changed_in = :number)
    group by m.map_number, m.primary_id
    having count(*) > 1
) as doubled

-- name: valueless_ids
-- An id of a row that was written, whose value is not known.
select count(*)
from (
    select m.primary_id as identifier_id from kind.identity_map_rows as m where m.changed_in = :number
    union
    select unnest(n.person_ids) as identifier_id from kind.identity_map_rows as n where n.changed_in = :number
) as i
left join kind.identifier_values as v on v.identifier_id = i.identifier_id
where v.identifier_id is null

