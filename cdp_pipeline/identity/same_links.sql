-- name: ever_decided
select count(*) from kind.decisions as d where d.verdict = 'same'

-- name: wanted_same
-- The members of each class that are in use, in the order of their ids, each linked with the next.
create temporary table wanted_same as
select cast(q.decided_at as date) as arrived_on, q.decided_at as seen_at,
    case when q.is_turned then q.other_id else q.identifier_id end as identifier_id,
    case when q.is_turned then q.identifier_id else q.other_id end as other_id
from (
    select p.decided_at, p.identifier_id, p.other_id,
        p.other_priority < p.priority or r.primary_id is not null as is_turned
    from (
        select m.decided_at, m.identifier_id, m.priority,
            lead(m.identifier_id) over (partition by m.class_number order by m.identifier_id) as other_id,
            lead(m.priority) over (partition by m.class_number order by m.identifier_id) as other_priority
        from (
            select c.class_number, c.decided_at, i.identifier_id, i.priority
            from same_members as c
            join kind.identifiers as i on i.identifier_id = cast(c.identifier_id as uuid)
        ) as m
    ) as p
    left join (
        select distinct s.primary_id, s.identifier_id
        from kind.map_sightings as s
        left join kind.map_sightings as b
            on b.is_rename and b.primary_id = s.identifier_id and b.identifier_id = s.primary_id
        where s.is_rename and b.primary_id is null
            and s.primary_id in (select cast(n.identifier_id as uuid) from same_members as n)
    ) as r on r.primary_id = p.identifier_id and r.identifier_id = p.other_id
    where p.other_id is not null
) as q

-- name: stale_same
create temporary table stale_same as
select g.arrived_on, g.identifier_id, g.other_id, g.last_seen
from kind.identity_graph as g
left join wanted_same as w
    on w.arrived_on = g.arrived_on and w.identifier_id = g.identifier_id and w.other_id = g.other_id
    and w.seen_at = g.last_seen
where g.kind = 'same' and w.identifier_id is null
    and g.identifier_id in (
        select d.identifier_id from kind.decisions as d where d.verdict = 'same'
        union
        select e.other_id from kind.decisions as e where e.verdict = 'same'
    )

-- name: fresh_same
create temporary table fresh_same as
select w.arrived_on, w.identifier_id, w.other_id, w.seen_at
from wanted_same as w
left join kind.identity_graph as g
    on g.kind = 'same' and g.arrived_on = w.arrived_on and g.identifier_id = w.identifier_id
    and g.other_id = w.other_id and g.last_seen = w.seen_at
where g.identifier_id is null

-- name: fresh_days
select distinct f.arrived_on from fresh_same as f

-- name: remove
delete from kind.identity_graph as g
using stale_same as s
where g.kind = 'same' and s.arrived_on = g.arrived_on and s.identifier_id = g.identifier_id
    and s.other_id = g.other_id and s.last_seen = g.last_seen

-- name: add
insert into kind.identity_graph (
    arrived_on, identifier_id, other_id, kind, first_seen, last_seen, events, first_event_id
)
select f.arrived_on, f.identifier_id, f.other_id, 'same', f.seen_at, f.seen_at, 0, cast(null as uuid)
from fresh_same as f

-- name: touch
insert into kind.touched_identifiers (identifier_id, trigger_event_id)
select t.identifier_id, cast(null as uuid)
from (
    select s.identifier_id from stale_same as s
    union
    select s.other_id as identifier_id from stale_same as s
    union
    select f.identifier_id from fresh_same as f
    union
    select f.other_id as identifier_id from fresh_same as f
) as t

-- name: loose
-- A link whose end is no identifier in use.
select count(*)
from kind.identity_graph as g
left join kind.identifiers as i on i.identifier_id = g.identifier_id
left join kind.identifiers as j on j.identifier_id = g.other_id
where g.kind = 'same' and (i.identifier_id is null or j.identifier_id is null)
    and g.identifier_id in (
        select d.identifier_id from kind.decisions as d where d.verdict = 'same'
        union
        select e.other_id from kind.decisions as e where e.verdict = 'same'
    )

