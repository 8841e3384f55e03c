-- name: carried
-- Which events carry which identifiers that the person has, or the one that was asked for.
create temporary table carried as
select u.event_id, u.identifier_id
from (
    select i.event_id, unnest(i.identifier_ids) as identifier_id from kind.event_identifiers as i
) as u
where u.identifier_id in (
    select g.identifier_id from kind.identifier_groups as g where g.entity_id = cast(:entity_id as uuid)
    union all
    select m.identifier_id from kind.entity_map as m where m.entity_id = cast(:entity_id as uuid)
    union all
    select cast(:identifier_id as uuid)
)

-- name: shared
-- Identifiers of the person that others have too: at some time, or in an event of theirs.
create temporary table shared as
select m.identifier_id
from kind.entity_map as m
where m.entity_id <> cast(:entity_id as uuid) and m.identifier_id in (select c.identifier_id from carried as c)
union
select c.identifier_id
from carried as c
join kind.stitched_events as s on s.event_id = c.event_id
where s.entity_id <> cast(:entity_id as uuid)

-- name: of_the_person
insert into kind.erasing_identifiers (identifier_id, is_erased)
select o.identifier_id, true
from (
    select g.identifier_id from kind.identifier_groups as g where g.entity_id = cast(:entity_id as uuid)
    union
    select m.identifier_id from kind.entity_map as m where m.entity_id = cast(:entity_id as uuid)
) as o
where o.identifier_id not in (select s.identifier_id from shared as s)

-- name: of_the_identifier
insert into kind.erasing_identifiers (identifier_id, is_erased) values (cast(:identifier_id as uuid), true)

-- name: make_erased
create temporary table erased (event_id uuid)

-- name: events_of_the_person
insert into erased (event_id)
select s.event_id from kind.stitched_events as s where s.entity_id = cast(:entity_id as uuid)

-- name: events_that_carry
insert into erased (event_id)
select distinct c.event_id
from carried as c
where c.identifier_id in (select x.identifier_id from kind.erasing_identifiers as x where x.is_erased)
    and c.event_id not in (select e.event_id from erased as e)

-- name: also_carried
-- What else the erased events hold may be gone with them; in every kind of entity.
insert into kind.erasing_identifiers (identifier_id, is_erased)
select distinct u.identifier_id, false
from (
    select i.event_id, unnest(i.identifier_ids) as identifier_id from kind.event_identifiers as i
    where i.event_id in (select e.event_id from erased as e)
) as u
where u.identifier_id not in (select x.identifier_id from kind.erasing_identifiers as x)

-- name: events_of_others
-- Events of others, or of nobody, that go because they carry what is erased.
select count(*)
from erased as e
join kind.stitched_events as s on s.event_id = e.event_id
where s.entity_id is distinct from cast(:entity_id as uuid)

-- name: counts
select
    (select count(*) from erased as e) as events,
    (
        select count(*) from cdp.rejected_events as d
        where d.event_id in (select e.event_id from erased as e)
    ) as rejected_rows

-- name: identifiers
-- What is erased, and of the person what others have too.
select v.identifier_type, v.value, v.identifier_id, true as is_erased
from kind.identifier_values as v
where v.identifier_id in (select x.identifier_id from kind.erasing_identifiers as x where x.is_erased)
union all
select v.identifier_type, v.value, v.identifier_id, false as is_erased
from kind.identifier_values as v
where v.identifier_id in (select s.identifier_id from shared as s)

-- name: rows_that_say
-- Rejected rows in whose text a value stands; whether as a word of its own is looked at afterwards.
select distinct d.landed_from, d.place, d.place_row, d.raw, v.value
from cdp.rejected_events as d
join erased_values as v on position(lower(v.value) in lower(d.raw)) > 0
where d.raw is not null and not exists (select 1 from erased as e where e.event_id = d.event_id)

-- name: erase_rows
update cdp.rejected_events as d
set reason = 'erased', event_id = null, raw = null, source_event_id = null, type = null, version = null,
    event_time = null, payload = null, mirrored_at = null, is_deleted = null
from erased_rows as x
where x.landed_from = d.landed_from and x.place = d.place and x.place_row = d.place_row

-- name: add_row_tombstones
insert into cdp.tombstones (marks, entity, mark)
select distinct 'row', '', cdp_hmac('row ' || x.raw, cast(:inner_key as text), cast(:outer_key as text))
from erased_rows as x

-- name: add_identifier_tombstones
insert into cdp.tombstones (marks, entity, mark)
select distinct 'identifier', cast(:entity as text),
    cdp_hmac('identifier ' || cast(x.identifier_id as text), cast(:inner_key as text), cast(:outer_key as text))
from kind.erasing_identifiers as x
where x.is_erased

-- name: close_ids
-- The ids of the person lead nowhere any more: the current one, and those that led to it.
update kind.entities as e
set key_id = null, founder_id = null, erased_at = :now,
    founder_mark = coalesce(e.founder_mark, cdp_hmac(
        'identifier ' || cast(e.founder_id as text), cast(:inner_key as text), cast(:outer_key as text)
    ))
where e.entity_id = cast(:entity_id as uuid)
    or e.key_id in (select g.identifier_id from kind.identifier_groups as g where g.entity_id = cast(:entity_id as uuid))

-- name: log_map_rows
insert into kind.removed_map_rows (map_number, primary_id, person_ids, updated_at, removed_in)
select r.map_number, r.primary_id, r.person_ids, r.updated_at, :number
from kind.identity_map_rows as r
where r.primary_id in (select p.primary_id from erased_map_rows as p)

-- name: erased_map_rows
create temporary table erased_map_rows as
select distinct u.primary_id
from (
    select r.primary_id, r.primary_id as identifier_id from kind.identity_map_rows as r
    union all
    select r.primary_id, unnest(r.person_ids) as identifier_id from kind.identity_map_rows as r
) as u
where u.identifier_id in (select x.identifier_id from kind.erasing_identifiers as x where x.is_erased)

-- name: remove_map_rows
delete from kind.identity_map_rows as r where r.primary_id in (select p.primary_id from erased_map_rows as p)

-- name: read_maps_again
-- A row that names an erased person may name others as well.
update kind.map_cursors as c set read_up_to = null, fingerprint = 'to be read again'

-- name: touch
insert into kind.touched_identifiers (identifier_id)
select x.identifier_id from kind.erasing_identifiers as x

-- name: make_due
-- What follows the map's rows and the links has something to do, also where no event went.
update cdp.stages as s set changed_in = :number where s.stage in (:maps, :graph)

-- name: count_again
-- A value that is counted may be of nobody else.
update kind.attribute_counts as c set modified = null

-- name: add_erasure
insert into cdp.erasures (erasure_id, entity, scope, entity_id, "by", why, erased_at, removed)
select coalesce((select max(e.erasure_id) from cdp.erasures as e), 0) + 1, :entity, :scope, cast(:entity_id as uuid), :by,
    :why, :now, :removed

-- name: unfinished
select e.erasure_id, e.entity, e.entity_id, e.scope, e.removed
from cdp.erasures as e
where e.finished_at is null
order by e.erasure_id

-- name: gone
-- Identifiers that are erased or that nobody has any more.
create temporary table gone as
select x.identifier_id
from kind.erasing_identifiers as x
where x.is_erased or x.identifier_id not in (select i.identifier_id from kind.identifiers as i)

-- name: note_change
insert into kind.entity_changes (change_id, run, from_entity_id, kind, reason, changed_at)
select greatest(
        coalesce((select max(c.change_id) from kind.entity_changes as c), 0),
        coalesce((select max(r.to_change) from kind.replays as r), 0)
    ) + 1, :run, cast(:entity_id as uuid), 'erase', 'erased', :now

-- name: scrub_changes
delete from kind.entity_changes as c
where c.kind <> 'erase' and (
    c.identifier_id in (select g.identifier_id from gone as g)
    or c.from_entity_id in (select e.entity_id from kind.entities as e where e.erased_at is not null)
    or c.to_entity_id in (select e.entity_id from kind.entities as e where e.erased_at is not null)
)

-- name: scrub_history
delete from kind.entity_map_history as h
where h.identifier_id in (select g.identifier_id from gone as g)
    or h.entity_id in (select e.entity_id from kind.entities as e where e.erased_at is not null)

-- name: scrub_values
delete from kind.identifier_values as v where v.identifier_id in (select g.identifier_id from gone as g)

-- name: scrub_decisions
delete from kind.decisions as d
where d.identifier_id in (select g.identifier_id from gone as g) or d.other_id in (select g.identifier_id from gone as g)

-- name: scrub_removed_identifiers
-- What was taken away, ever: all who follow it have just done so.
delete from kind.removed_event_identifiers as r

-- name: scrub_removed_map_rows
delete from kind.removed_map_rows as r

-- name: scrub_founders
update kind.entities as e
set founder_mark = cdp_hmac('identifier ' || cast(e.founder_id as text), cast(:inner_key as text), cast(:outer_key as text)),
    founder_id = null
where e.founder_id in (select g.identifier_id from gone as g)

-- name: empty_queue
delete from kind.erasing_identifiers as x

-- name: scrub_removed_events
delete from cdp.removed_events as e

-- name: last_receipt
select e.receipt_hash
from cdp.erasures as e
where e.finished_at is not null
order by e.erasure_id desc
limit 1

-- name: finish
update cdp.erasures as e
set removed = :removed, finished_at = :now, previous_hash = :previous_hash, receipt_hash = :receipt_hash
where e.erasure_id = :erasure_id

-- name: receipts
select e.erasure_id, e.entity, e.scope, e.entity_id, e."by", e.why, e.erased_at, e.removed, e.finished_at, e.previous_hash,
    e.receipt_hash
from cdp.erasures as e
where :everything or e.erasure_id = :erasure_id
order by e.erasure_id
