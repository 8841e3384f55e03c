-- name: marked
-- Events that somebody marked by hand, and replays that were broken off between two of their batches.
select (select count(*) from kind.stitched_events as s where s.stitched is null)
    + (select count(*) from kind.replays as r where r.events_left > 0)

-- name: restitched
-- Events that came, went, changed, changed their identifiers, or were marked by hand; one that moved from a day to
-- another stands under both. To look for them under their days spares an engine the rows of all others.
create temporary table restitched as
select e.event_id, e.arrived_on from cdp.customer_events as e where e.landed_in > :since
union
select r.event_id, r.arrived_on from cdp.removed_events as r where r.removed_in > :since
union
select i.event_id, i.arrived_on from kind.event_identifiers as i where i.changed_in > :since
union
select d.event_id, d.arrived_on from kind.removed_event_identifiers as d where d.removed_in > :since
union
select s.event_id, s.arrived_on from kind.stitched_events as s where s.stitched is null

-- name: reanchored_count
select count(*) from kind.reanchored_identifiers as q

-- name: restitch_reanchored
-- Events that hold an identifier which went into quarantine or left it.
insert into restitched (event_id, arrived_on)
select distinct u.event_id, u.arrived_on
from (
    select i.event_id, i.arrived_on, unnest(i.identifier_ids) as identifier_id
    from kind.event_identifiers as i
    where i.arrived_on in (
        select d.arrived_on from kind.identifier_sightings as d
        where d.identifier_id in (select q.identifier_id from kind.reanchored_identifiers as q)
    )
) as u
where u.identifier_id in (select q.identifier_id from kind.reanchored_identifiers as q)
    and u.event_id not in (select r.event_id from restitched as r)

-- name: clear_reanchored
delete from kind.reanchored_identifiers as q

-- name: shifted_anchors
-- Events whose first identifier is in quarantine, each with its first one that is not, if it has one.
create temporary table shifted_anchors as
select s.event_id, f.anchor_id
from (
    select i.event_id
    from kind.event_identifiers as i
    where i.anchor_id in (select q.identifier_id from kind.quarantined_identifiers as q) and :concerned
) as s
left join (
    select u.event_id, cdp_first(u.member_id, u.place, u.place) as anchor_id
    from (
        select i.event_id, unnest(i.identifier_ids) as member_id, unnest(cdp_places(i.identifier_ids)) as place
        from kind.event_identifiers as i
        where i.anchor_id in (select q.identifier_id from kind.quarantined_identifiers as q) and :concerned
    ) as u
    where u.member_id not in (select q.identifier_id from kind.quarantined_identifiers as q)
    group by u.event_id
) as f on f.event_id = s.event_id

-- name: any_quarantined
select count(*) from kind.quarantined_identifiers as q

-- name: changed_hands
-- Identifiers that changed hands since the last replay.
create temporary table changed_hands as
select distinct c.identifier_id from kind.entity_changes as c where c.change_id > :last_change

-- name: anchored_by_changed
create temporary table anchored_by_changed as
select s.event_id, s.arrived_on, s.event_time, s.anchor_id, s.entity_id
from kind.stitched_events as s
where s.anchor_id in (select c.identifier_id from changed_hands as c)

-- name: stitched_before
-- What is stitched now of the events that are worked out again, and of those whose anchor changed hands.
create temporary table stitched_before as
select s.event_id, s.arrived_on, s.event_time, s.anchor_id, s.entity_id
from kind.stitched_events as s
where (s.event_id, s.arrived_on) in (select r.event_id, r.arrived_on from restitched as r)
union all
select h.event_id, h.arrived_on, h.event_time, h.anchor_id, h.entity_id
from anchored_by_changed as h
where h.event_id not in (select r.event_id from restitched as r)

-- name: anchored
-- The same events with the anchors that they have to have.
create temporary table anchored as
select e.event_id, e.arrived_on, e.event_time, true as is_restitched,
    case when f.event_id is null then i.anchor_id else f.anchor_id end as anchor_id
from (
    select c.event_id, c.arrived_on, c.event_time
    from cdp.customer_events as c
    where (c.event_id, c.arrived_on) in (select r.event_id, r.arrived_on from restitched as r)
) as e
left join (
    select d.event_id, d.anchor_id
    from kind.event_identifiers as d
    where (d.event_id, d.arrived_on) in (select r.event_id, r.arrived_on from restitched as r)
) as i on i.event_id = e.event_id
left join shifted_anchors as f on f.event_id = e.event_id
union all
select b.event_id, b.arrived_on, b.event_time, false as is_restitched, b.anchor_id
from stitched_before as b
where b.event_id not in (select r.event_id from restitched as r)

-- name: stitched_anew
-- And whose they are: the owner of the anchor at the time when they happened.
create temporary table stitched_anew as
select a.event_id, a.arrived_on, a.event_time, a.is_restitched, a.anchor_id, m.entity_id
from anchored as a
left join (
    select x.identifier_id, x.entity_id, x.valid_from, x.valid_to
    from kind.entity_map as x
    where x.identifier_id in (select n.anchor_id from anchored as n)
) as m on m.identifier_id = a.anchor_id
    and coalesce(m.valid_from, cast('-infinity' as timestamptz)) <= a.event_time
    and a.event_time < coalesce(m.valid_to, cast('infinity' as timestamptz))

-- name: rekeyed_events
-- The events whose anchor changed hands since the last replay, at the time when they happened.
create temporary table rekeyed_events as
select b.event_id, b.arrived_on, b.entity_id as from_entity_id, n.entity_id as to_entity_id
from stitched_before as b
join stitched_anew as n on n.event_id = b.event_id
where not n.is_restitched and b.entity_id is distinct from n.entity_id

-- name: written
-- The events that are written now.
create temporary table written as
select r.event_id, r.arrived_on from restitched as r
union all
select k.event_id, k.arrived_on from rekeyed_events as k

-- name: remove
delete from kind.stitched_events as s
where (s.event_id, s.arrived_on) in (select w.event_id, w.arrived_on from written as w)

-- name: add
insert into kind.stitched_events (event_id, arrived_on, event_time, anchor_id, entity_id, stitched)
select n.event_id, n.arrived_on, n.event_time, n.anchor_id, n.entity_id, :now
from stitched_anew as n
where n.event_id in (select w.event_id from written as w)

-- name: queue
insert into kind.dirty_entities (entity_id)
select distinct q.entity_id
from (
    select b.event_id, b.entity_id from stitched_before as b
    union all
    select n.event_id, n.entity_id from stitched_anew as n
) as q
where q.entity_id is not null and q.event_id in (select w.event_id from written as w)

-- name: queue_holders
-- Entities that gained or lost an identifier, be it without any event.
insert into kind.dirty_entities (entity_id)
select c.from_entity_id from kind.entity_changes as c
where c.change_id > :last_change and c.from_entity_id is not null
union
select c.to_entity_id from kind.entity_changes as c
where c.change_id > :last_change and c.to_entity_id is not null

-- name: stitched_now
-- What was written, as it stands there.
create temporary table stitched_now as
select s.event_id, s.event_time, s.anchor_id, s.entity_id
from kind.stitched_events as s
where s.stitched >= :now and (s.event_id, s.arrived_on) in (select w.event_id, w.arrived_on from written as w)

-- name: all_before
create temporary table stitched_before as
select s.event_id, s.entity_id from kind.stitched_events as s

-- name: remove_all
delete from kind.stitched_events as s

-- name: add_all
insert into kind.stitched_events (event_id, arrived_on, event_time, anchor_id, entity_id, stitched)
select a.event_id, a.arrived_on, a.event_time, a.anchor_id, m.entity_id, :now
from (
    select e.event_id, e.arrived_on, e.event_time,
        case when f.event_id is null then i.anchor_id else f.anchor_id end as anchor_id
    from cdp.customer_events as e
    left join kind.event_identifiers as i on i.event_id = e.event_id
    left join shifted_anchors as f on f.event_id = e.event_id
) as a
left join kind.entity_map as m on m.identifier_id = a.anchor_id
    and coalesce(m.valid_from, cast('-infinity' as timestamptz)) <= a.event_time
    and a.event_time < coalesce(m.valid_to, cast('infinity' as timestamptz))

-- name: rekeyed_in_all
create temporary table rekeyed_events as
select s.event_id, b.entity_id as from_entity_id, s.entity_id as to_entity_id
from stitched_before as b
join kind.stitched_events as s on s.event_id = b.event_id
where b.entity_id is distinct from s.entity_id

-- name: queue_rekeyed
insert into kind.dirty_entities (entity_id)
select distinct q.entity_id
from (
    select k.from_entity_id as entity_id from rekeyed_events as k
    union all
    select k.to_entity_id as entity_id from rekeyed_events as k
) as q
where q.entity_id is not null

-- name: last_replayed
-- The last change that a replay followed to its end.
select coalesce(max(r.to_change), 0) from kind.replays as r where coalesce(r.events_left, 0) = 0

-- name: changes_to_follow
select count(*), coalesce(min(x.change_id), :last_change), coalesce(max(x.change_id), :last_change)
from kind.entity_changes as x
where x.change_id > :last_change

-- name: unfinished
select max(r.replay_id) from kind.replays as r where r.events_left > 0

-- name: add_replay
insert into kind.replays (
    replay_id, run, started_at, seconds, changes, events_rekeyed, entities_touched, from_change, to_change, events_left
)
select coalesce((select max(p.replay_id) from kind.replays as p), 0) + 1, :run, :started_at, :seconds, :changes,
    (select count(*) from rekeyed_events as k),
    (select count(distinct d.entity_id) from kind.dirty_entities as d),
    :from_change, :to_change, :events_left

-- name: go_on
-- A batch more of the replay that is not at its end.
update kind.replays as r
set seconds = r.seconds + :seconds, changes = :changes, to_change = :to_change, events_left = :events_left,
    events_rekeyed = r.events_rekeyed + (select count(*) from rekeyed_events as k),
    entities_touched = (select count(distinct d.entity_id) from kind.dirty_entities as d)
where r.replay_id = :replay_id

-- name: figures
select
    (select count(*) from kind.stitched_events as s) as stitched_events,
    (select count(*) from kind.stitched_events as s where s.entity_id is not null) as events_of_somebody,
    (select count(*) from rekeyed_events as k) as events_rekeyed,
    (select count(distinct d.entity_id) from kind.dirty_entities as d) as entities_touched

-- name: missing_events
-- Events without a row here, and rows without an event.
select (select count(*) from cdp.customer_events as e) - (select count(*) from kind.stitched_events as s)

-- name: doubled_events
select count(*)
from (
    select s.event_id from :checked as s group by s.event_id having count(*) > 1
) as doubled

-- name: strangers
-- Events of an entity that no group is now.
select count(*)
from (select distinct s.entity_id from :checked as s where s.entity_id is not null) as o
left join kind.entities as e on e.entity_id = o.entity_id
left join kind.identifier_groups as m on m.identifier_id = e.key_id and m.entity_id = o.entity_id
where m.entity_id is null

-- name: astray
-- Events that belong to another entity than their anchor did when they happened.
select count(*)
from :checked as s
left join (
    select x.identifier_id, x.entity_id, x.valid_from, x.valid_to
    from kind.entity_map as x
    where :anchoring
) as m on m.identifier_id = s.anchor_id
    and coalesce(m.valid_from, cast('-infinity' as timestamptz)) <= s.event_time
    and s.event_time < coalesce(m.valid_to, cast('infinity' as timestamptz))
where s.entity_id is distinct from m.entity_id

-- name: events_view
create or replace view kind.events as
select s.event_id, e.source_id, e.source_event_id, e.type, e.version, e.event_time, e.arrived_on, e.payload, s.anchor_id,
    s.entity_id, coalesce(s.entity_id, s.event_id) as person_id,
    coalesce(k.value, a.value, cast(s.event_id as text)) as person_key
from kind.stitched_events as s
join cdp.customer_events as e on e.event_id = s.event_id
left join kind.entities as r on r.entity_id = s.entity_id
left join kind.identifier_values as k on k.identifier_id = r.key_id
left join kind.identifier_values as a on a.identifier_id = s.anchor_id
