-- name: identifier_id
select cdp_hash('identifier', cast(:identifier_type as text), cast(:value as text)) as identifier_id

-- name: key_of_entity
-- An entity id, current or not: its key today, and whose that is now.
select e.key_id, g.entity_id
from kind.entities as e
left join kind.identifier_groups as g on g.identifier_id = e.key_id
where e.entity_id = cast(:entity_id as uuid)

-- name: identifiers
select a.identifier_id, v.identifier_type, v.value, i.first_seen, i.last_seen, i.events, i.first_event_id,
    i.superseded, g.component_id, g.entity_id
from (select unnest(cast(:ids as uuid[])) as identifier_id) as a
join kind.identifier_values as v on v.identifier_id = a.identifier_id
left join kind.identifiers as i on i.identifier_id = a.identifier_id
left join kind.identifier_groups as g on g.identifier_id = a.identifier_id

-- name: quarantined
select q.identifier_id, q.links, q.threshold, q.entities_it_would_join, q.other_priority, q.pinned
from kind.quarantined_identifiers as q
where q.identifier_id in (select unnest(cast(:ids as uuid[])))

-- name: decisions_about
select d.decision_id, d.identifier_id, d.other_id, d.verdict, d.by, d.why, d.at, d.withdrawn_by, d.withdrawn_at,
    d.withdrawn_why
from kind.decisions as d
where d.identifier_id = :id or d.other_id = :id
order by d.decision_id

-- name: neighbours
-- The other ends of an identifier's links, the last seen first.
select n.other_id, max(n.last_seen) as last_seen
from (
    select g.other_id, g.last_seen from kind.identity_graph as g
    where g.identifier_id = :id and g.kind <> 'same'
    union all
    select g.identifier_id, g.last_seen from kind.identity_graph as g
    where g.other_id = :id and g.kind <> 'same'
) as n
group by n.other_id
order by 2 desc, 1
limit :most

-- name: neighbour_types
-- With how many identifiers of each type an identifier is linked.
select i.identifier_type, count(*) as links
from (
    select g.other_id from kind.identity_graph as g where g.identifier_id = :id and g.kind <> 'same'
    union
    select g.identifier_id from kind.identity_graph as g where g.other_id = :id and g.kind <> 'same'
) as n
join kind.identifiers as i on i.identifier_id = n.other_id
group by i.identifier_type, i.priority
order by i.priority

-- name: links_around
-- Links of some identifiers, the last seen first.
select n.identifier_id, n.other_id, max(n.last_seen) as last_seen
from (
    select g.identifier_id, g.other_id, g.last_seen from kind.identity_graph as g
    where g.identifier_id in (select unnest(cast(:ids as uuid[]))) and g.kind <> 'same'
    union all
    select g.identifier_id, g.other_id, g.last_seen from kind.identity_graph as g
    where g.other_id in (select unnest(cast(:ids as uuid[]))) and g.kind <> 'same'
) as n
group by n.identifier_id, n.other_id
order by 3 desc, 1, 2
limit :most

-- name: evidence
-- What is known of links: a row for each kind of evidence, with the first and the latest of the events that are kept.
select g.identifier_id, g.other_id, g.kind, min(g.first_seen) as first_seen, max(g.last_seen) as last_seen,
    cast(sum(g.events) as bigint) as events,
    cdp_first(g.first_event_id, g.first_seen, g.first_event_id) as first_event_id,
    cdp_last(g.first_event_id, g.last_seen, g.first_event_id) as last_event_id
from kind.identity_graph as g
where g.identifier_id in (select unnest(cast(:ids as uuid[])))
    and g.other_id in (select unnest(cast(:others as uuid[])))
    and g.kind <> 'same'
group by g.identifier_id, g.other_id, g.kind

-- name: map_rows
select m.map_number, m.primary_id, m.person_ids, m.updated_at
from kind.identity_map_rows as m
where m.primary_id in (select unnest(cast(:ids as uuid[])))
order by m.map_number, m.primary_id

-- name: refusals
select r.identifier_id, r.other_id, r.reason, r.effect, r.detail, r.other_id as gives_way
from kind.refused_links as r
where r.identifier_id in (select unnest(cast(:ids as uuid[])))
    and r.other_id in (select unnest(cast(:others as uuid[])))

-- name: refused_of_components
select r.identifier_id, r.other_id from kind.refused_links as r
where r.component_id in (select unnest(cast(:components as uuid[])))

-- name: events
select e.event_id, e.source_id, e.source_event_id, e.type, e.event_time
from cdp.customer_events as e
where e.event_id in (select unnest(cast(:ids as uuid[])))

-- name: members
-- The identifiers of whole components or entities, the most important first.
select cast(i.identifier_id as text) as identifier_id
from kind.identifier_groups as g
join kind.identifiers as i on i.identifier_id = g.identifier_id
where :of in (select unnest(cast(:ids as uuid[])))
order by i.priority, i.superseded, i.first_seen, i.identifier_id

-- name: links_within
-- The links whose ends are both of some components or entities.
select cast(l.identifier_id as text) as identifier_id, cast(l.other_id as text) as other_id,
    cast(greatest(
        coalesce(sum(l.events) filter (where l.kind = 'anchor'), 0),
        coalesce(sum(l.events) filter (where l.kind = 'next'), 0)
    ) as bigint) as events
from kind.identity_graph as l
join kind.identifier_groups as g on g.identifier_id = l.identifier_id
join kind.identifier_groups as h on h.identifier_id = l.other_id
where :of in (select unnest(cast(:ids as uuid[]))) and :other_of in (select unnest(cast(:ids as uuid[])))
    and l.kind <> 'same'
group by l.identifier_id, l.other_id

-- name: components_across
-- Components that links lead to and from which are out of use because of one of these identifiers.
select distinct g.component_id, h.component_id as other_component_id
from (
    select l.identifier_id, l.other_id from kind.identity_graph as l
    where l.identifier_id in (select unnest(cast(:ids as uuid[]))) and l.kind <> 'same'
    union all
    select l.identifier_id, l.other_id from kind.identity_graph as l
    where l.other_id in (select unnest(cast(:ids as uuid[]))) and l.kind <> 'same'
) as n
join kind.identifier_groups as g on g.identifier_id = n.identifier_id
join kind.identifier_groups as h on h.identifier_id = n.other_id
where g.component_id <> h.component_id
    and (
        g.component_id in (select unnest(cast(:components as uuid[])))
        or h.component_id in (select unnest(cast(:components as uuid[])))
    )
order by 1, 2
limit :most

-- name: hubs_of_component
-- Identifiers in quarantine that are linked with a component.
select distinct q.identifier_id
from kind.quarantined_identifiers as q
join (
    select l.identifier_id as hub_id, l.other_id as member_id from kind.identity_graph as l where l.kind <> 'same'
    union all
    select l.other_id as hub_id, l.identifier_id as member_id from kind.identity_graph as l where l.kind <> 'same'
) as n on n.hub_id = q.identifier_id
join kind.identifier_groups as g on g.identifier_id = n.member_id
where g.component_id = :component_id

-- name: links_of_hubs
-- The links of hubs with components and among each other.
select cast(n.identifier_id as text) as identifier_id, cast(n.other_id as text) as other_id,
    cast(sum(n.events) as bigint) as events
from (
    select l.identifier_id, l.other_id, l.other_id as far_id, l.events
    from kind.identity_graph as l
    where l.identifier_id in (select unnest(cast(:hubs as uuid[]))) and l.kind <> 'same'
    union all
    select l.identifier_id, l.other_id, l.identifier_id as far_id, l.events
    from kind.identity_graph as l
    where l.other_id in (select unnest(cast(:hubs as uuid[])))
        and l.identifier_id not in (select u.hub_id from (select unnest(cast(:hubs as uuid[])) as hub_id) as u)
        and l.kind <> 'same'
) as n
left join kind.identifier_groups as g on g.identifier_id = n.far_id
where g.component_id in (select unnest(cast(:components as uuid[])))
    or n.far_id in (select unnest(cast(:hubs as uuid[])))
group by n.identifier_id, n.other_id

-- name: component_between
-- A component that hubs of both sides are linked with.
select a.component_id
from (
    select distinct g.component_id
    from (
        select l.other_id as member_id from kind.identity_graph as l
        where l.identifier_id in (select unnest(cast(:hubs as uuid[]))) and l.kind <> 'same'
        union all
        select l.identifier_id as member_id from kind.identity_graph as l
        where l.other_id in (select unnest(cast(:hubs as uuid[]))) and l.kind <> 'same'
    ) as n
    join kind.identifier_groups as g on g.identifier_id = n.member_id
) as a
join (
    select distinct g.component_id
    from (
        select l.other_id as member_id from kind.identity_graph as l
        where l.identifier_id in (select unnest(cast(:other_hubs as uuid[]))) and l.kind <> 'same'
        union all
        select l.identifier_id as member_id from kind.identity_graph as l
        where l.other_id in (select unnest(cast(:other_hubs as uuid[]))) and l.kind <> 'same'
    ) as n
    join kind.identifier_groups as g on g.identifier_id = n.member_id
) as b on b.component_id = a.component_id
order by 1
limit 1

-- name: spans
select m.valid_from, m.valid_to, m.entity_id, m.recorded_from
from kind.entity_map as m
where m.identifier_id = :id
order by m.valid_from nulls first

-- name: entity
-- An entity with its key.
select e.entity_id, e.key_id from kind.entities as e
where e.entity_id in (select unnest(cast(:ids as uuid[])))

-- name: size_of_group
select count(*) from kind.identifier_groups as g where g.entity_id = :entity_id

-- name: keys_of_entity
-- The ids whose key is an identifier of this entity: its own, and those that redirect to it.
select e.entity_id, e.key_id
from kind.entities as e
join kind.identifier_groups as g on g.identifier_id = e.key_id
join kind.identifiers as i on i.identifier_id = e.key_id
where g.entity_id = :entity_id
order by i.priority, i.superseded, case when e.entity_id = :entity_id then 0 else 1 end, e.issued_in, e.entity_id

-- name: anchored_events
-- How many events each identifier of an entity's group anchors.
select cast(s.anchor_id as text) as anchor_id, count(*) as events
from kind.stitched_events as s
join kind.identifier_groups as g on g.identifier_id = s.anchor_id
where g.entity_id = :entity_id
group by s.anchor_id

-- name: anchored_by
select count(*) from kind.stitched_events as s where s.anchor_id = :id

-- name: changes
select c.changed_at, c.kind, c.reason, c.run, c.from_entity_id, c.to_entity_id, c.valid_from, c.valid_to,
    c.trigger_event_id
from kind.entity_changes as c
where c.identifier_id = :id
order by c.change_id desc
limit :most

-- name: log_ins
-- Events that hold a shared identifier beside a more important one that anchors them, the latest first.
select s.event_time, s.event_id, t.anchor_id, t.entity_id
from kind.shared_sightings as s
join kind.stitched_events as t on t.event_id = s.event_id
join kind.identifiers as a on a.identifier_id = t.anchor_id
where s.identifier_id = :id and a.priority < :priority
order by s.event_time desc, s.event_id desc
limit :most

-- name: group_counts
-- How many identifiers of each type a group has.
select g.entity_id, i.identifier_type, count(*) as identifiers
from kind.identifier_groups as g
join kind.identifiers as i on i.identifier_id = g.identifier_id
where g.entity_id in (select unnest(cast(:entities as uuid[])))
group by g.entity_id, i.identifier_type

-- name: members_of_type
select g.entity_id, i.identifier_id
from kind.identifier_groups as g
join kind.identifiers as i on i.identifier_id = g.identifier_id
where g.entity_id in (select unnest(cast(:entities as uuid[]))) and i.identifier_type = :identifier_type
order by i.priority, i.superseded, i.first_seen, i.identifier_id
limit :most

-- name: entities_of
select g.identifier_id, g.entity_id from kind.identifier_groups as g
where g.identifier_id in (select unnest(cast(:ids as uuid[])))


-- name: conflicts
-- The refused links by which an identifier is shared.
select count(*) from kind.refused_links as r where r.other_id = :id and r.effect = 'conflict'

-- name: refused_neighbours
select n.end_id
from (
    select r.other_id as end_id from kind.refused_links as r where r.identifier_id = :id
    union
    select r.identifier_id as end_id from kind.refused_links as r where r.other_id = :id
) as n
order by 1
limit :most

-- name: pairs_among
-- The links between some identifiers.
select distinct g.identifier_id, g.other_id
from kind.identity_graph as g
where g.identifier_id in (select unnest(cast(:ids as uuid[])))
    and g.other_id in (select unnest(cast(:ids as uuid[])))
    and g.kind <> 'same'

-- name: size_of_components
select count(*) from kind.identifier_groups as g
where g.component_id in (select unnest(cast(:components as uuid[])))
