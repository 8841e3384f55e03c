-- name: identifiers
-- The identifiers of the slice: of each component all, and by themselves those that no component has, such as those in
-- quarantine. Ids are hashes; that of a component is the smallest of several, so that only its end is even.
create temporary table slice_identifiers as
select g.identifier_id
from kind.identifier_groups as g
where right(cast(g.component_id as text), 4) between :low and :high
union
select i.identifier_id
from kind.identifiers as i
where i.identifier_id between cast(:first_id as uuid) and cast(:last_id as uuid)
    and not exists (select 1 from kind.identifier_groups as g where g.identifier_id = i.identifier_id)
union
select m.identifier_id
from kind.entity_map as m
where m.identifier_id between cast(:first_id as uuid) and cast(:last_id as uuid)
    and not exists (select 1 from kind.identifier_groups as g where g.identifier_id = m.identifier_id)

-- name: events
-- Their events, and of those in which no identifier was found the slice's share.
create temporary table slice_events as
select u.event_id
from (select i.event_id, unnest(i.identifier_ids) as identifier_id from kind.event_identifiers as i) as u
where u.identifier_id in (select s.identifier_id from slice_identifiers as s)
union
select e.event_id
from cdp.customer_events as e
where e.event_id between cast(:first_id as uuid) and cast(:last_id as uuid)
    and not exists (select 1 from kind.event_identifiers as i where i.event_id = e.event_id)

-- name: entities
-- Whoever owns one of them, or is known by it.
create temporary table slice_entities as
select g.entity_id from kind.identifier_groups as g
where g.identifier_id in (select s.identifier_id from slice_identifiers as s)
union
select m.entity_id from kind.entity_map as m
where m.identifier_id in (select s.identifier_id from slice_identifiers as s)
union
select e.entity_id from kind.entities as e
where e.key_id in (select s.identifier_id from slice_identifiers as s)

-- name: figures
select
    (select count(*) from slice_identifiers as i) as identifiers,
    (select count(*) from slice_events as e) as events,
    (
        select count(distinct g.entity_id) from kind.identifier_groups as g
        where g.identifier_id in (select i.identifier_id from slice_identifiers as i)
    ) as entities

-- name: take_away_events
-- As if they had been taken away with their day …
insert into cdp.removed_events (event_id, arrived_on, removed_in)
select i.event_id, i.arrived_on, :number
from kind.event_identifiers as i
where i.event_id in (select s.event_id from slice_events as s)

-- name: land_events
-- … and had landed anew.
update cdp.customer_events as e
set landed_in = :number
where e.event_id in (select s.event_id from slice_events as s)

-- name: touch_map_rows
-- Rows of identity maps that hold one of the identifiers, as if they had changed.
update kind.identity_map_rows as m
set changed_in = :number
where m.primary_id in (select s.identifier_id from slice_identifiers as s)
    or m.primary_id in (
        select u.primary_id
        from (select r.primary_id, unnest(r.person_ids) as person_id from kind.identity_map_rows as r) as u
        where u.person_id in (select s.identifier_id from slice_identifiers as s)
    )

-- name: due
-- The stages that read events and maps have something to do.
update cdp.stages as s
set changed_in = :number
where s.stage in ('cdp/customer_events', :maps)

-- name: forget_sightings
delete from kind.identifier_sightings as d
where d.identifier_id in (select s.identifier_id from slice_identifiers as s)

-- name: forget_map_sightings
delete from kind.map_sightings as d
where d.identifier_id in (select s.identifier_id from slice_identifiers as s)

-- name: forget_identifiers
delete from kind.identifiers as d
where d.identifier_id in (select s.identifier_id from slice_identifiers as s)

-- name: forget_links
delete from kind.identity_graph as d
where d.identifier_id in (select s.identifier_id from slice_identifiers as s)
    or d.other_id in (select s.identifier_id from slice_identifiers as s)

-- name: forget_pairs
delete from kind.linked_pairs as d
where d.identifier_id in (select s.identifier_id from slice_identifiers as s)
    or d.other_id in (select s.identifier_id from slice_identifiers as s)

-- name: forget_degrees
delete from kind.identifier_degrees as d
where d.identifier_id in (select s.identifier_id from slice_identifiers as s)

-- name: forget_refused
delete from kind.refused_links as d
where d.identifier_id in (select s.identifier_id from slice_identifiers as s)
    or d.other_id in (select s.identifier_id from slice_identifiers as s)

-- name: forget_shared
delete from kind.shared_sightings as d
where d.identifier_id in (select s.identifier_id from slice_identifiers as s)

-- name: forget_owners
delete from kind.entity_map as d
where d.identifier_id in (select s.identifier_id from slice_identifiers as s)

-- name: queue_identifiers
insert into kind.touched_identifiers (identifier_id)
select s.identifier_id from slice_identifiers as s

-- name: queue_entities
insert into kind.dirty_entities (entity_id)
select s.entity_id from slice_entities as s
