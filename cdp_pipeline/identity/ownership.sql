-- name: conflicts
-- The identifiers that a refused link makes shared, with what their type says of that.
create temporary table conflicts as
select r.identifier_id, n.priority, s.when_shared, g.entity_id
from (select distinct f.other_id as identifier_id from refused as f where f.effect = 'conflict') as r
join nodes as n on n.identifier_id = r.identifier_id
join new_groups as g on g.identifier_id = r.identifier_id
join sharing as s on s.priority = n.priority

-- name: shared_count
select count(*) from conflicts as c

-- name: forget_all_sightings
delete from kind.shared_sightings as s

-- name: changed_holders
-- Events that changed.
create temporary table changed_holders as
select i.event_id, i.arrived_on from kind.event_identifiers as i where i.changed_in > :since
union
select r.event_id, r.arrived_on from kind.removed_event_identifiers as r where r.removed_in > :since

-- name: forget_sightings
-- Those of events that changed, and those of identifiers that are in conflict no more.
delete from kind.shared_sightings as s
where s.event_id in (select c.event_id from changed_holders as c)
    or (
        s.identifier_id in (select t.identifier_id from touched as t)
        and s.identifier_id not in (select k.identifier_id from conflicts as k)
    )

-- name: add_changed_sightings
insert into kind.shared_sightings (identifier_id, event_id, event_time, identifier_ids)
select u.identifier_id, u.event_id, u.event_time, u.identifier_ids
from (
    select i.event_id, i.event_time, i.identifier_ids, unnest(i.identifier_ids) as identifier_id
    from kind.event_identifiers as i
    where (i.event_id, i.arrived_on) in (select c.event_id, c.arrived_on from changed_holders as c)
) as u
where u.identifier_id <> u.identifier_ids[1] and u.identifier_id in (select k.identifier_id from conflicts as k)
    and u.identifier_id in (select o.other_id from kind.refused_links as o where o.effect = 'conflict')

-- name: fresh_conflicts
-- Those that were not in conflict before: their events have not been gathered yet.
create temporary table fresh_conflicts as
select k.identifier_id
from conflicts as k
where :everything or k.identifier_id not in (select o.other_id from kind.refused_links as o where o.effect = 'conflict')

-- name: fresh_count
select count(*) from fresh_conflicts as f

-- name: gather_sightings
-- Their links tell on which days they were seen beside others; only the events of those days are read. An event that an
-- identifier anchors itself is no log-in on it.
insert into kind.shared_sightings (identifier_id, event_id, event_time, identifier_ids)
select u.identifier_id, u.event_id, u.event_time, u.identifier_ids
from (
    select i.event_id, i.event_time, i.identifier_ids, unnest(i.identifier_ids) as identifier_id
    from kind.event_identifiers as i
    where cdp_size(i.identifier_ids) > 1 and i.arrived_on in (
        select g.arrived_on from kind.identity_graph as g
        where g.other_id in (select f.identifier_id from fresh_conflicts as f)
        union
        select g.arrived_on from kind.identity_graph as g
        where g.identifier_id in (select f.identifier_id from fresh_conflicts as f)
    )
) as u
where u.identifier_id <> u.identifier_ids[1] and u.identifier_id in (select f.identifier_id from fresh_conflicts as f)

-- name: levels
select distinct k.priority from conflicts as k where k.when_shared <> 'nobody' order by k.priority

-- name: shifted_logins
-- Events whose first identifier is in quarantine: the first that is not is their anchor, if they are linked at all.
create temporary table shifted_logins as
select u.identifier_id, u.event_id, u.event_time, cdp_first(u.member_id, u.place, u.place) as anchor_id
from (
    select s.identifier_id, s.event_id, s.event_time, unnest(s.identifier_ids) as member_id,
        unnest(cdp_places(s.identifier_ids)) as place
    from kind.shared_sightings as s
    where s.identifier_id in (select k.identifier_id from conflicts as k)
        and s.identifier_ids[1] in (select q.identifier_id from quarantine as q)
) as u
where u.member_id not in (select q.identifier_id from quarantine as q)
group by u.identifier_id, u.event_id, u.event_time

-- name: logins
-- Events that hold a shared identifier, whose anchor is of a more important type, and whose link counts.
create temporary table logins as
select l.identifier_id, l.event_id, l.event_time, l.anchor_id
from (
    select s.identifier_id, s.event_id, s.event_time, s.identifier_ids[1] as anchor_id
    from kind.shared_sightings as s
    where s.identifier_id in (select k.identifier_id from conflicts as k)
        and s.identifier_ids[1] not in (select q.identifier_id from quarantine as q)
    union all
    select f.identifier_id, f.event_id, f.event_time, f.anchor_id
    from shifted_logins as f
    join kind.linked_pairs as g on g.identifier_id = f.anchor_id and g.other_id = f.identifier_id
) as l
join conflicts as k on k.identifier_id = l.identifier_id
join nodes as n on n.identifier_id = l.anchor_id
left join refused as r on r.identifier_id = l.anchor_id and r.other_id = l.identifier_id
left join unstitched as u on u.identifier_id = l.anchor_id and u.other_id = l.identifier_id
where n.priority < k.priority and k.when_shared <> 'nobody' and coalesce(r.effect, 'none') <> 'surplus'
    and u.identifier_id is null

-- name: turns
-- From when until when each log-in counts; of several at one moment the one with the greatest event_id. The first counts
-- before itself too. Of `last_login` only the newest counts, always, and its owner is that of its own moment.
create temporary table turns as
select d.identifier_id, d.priority, d.anchor_id, d.event_time, d.when_shared,
    case when d.place = 1 then cast('-infinity' as timestamptz) else d.event_time end as turn_from,
    coalesce(d.next_time, cast('infinity' as timestamptz)) as turn_to
from (
    select l.identifier_id, k.priority, k.when_shared, l.anchor_id, l.event_time,
        row_number() over (partition by l.identifier_id order by l.event_time) as place,
        lead(l.event_time) over (partition by l.identifier_id order by l.event_time) as next_time
    from (
        select o.identifier_id, o.anchor_id, o.event_time,
            row_number() over (partition by o.identifier_id, o.event_time order by o.event_id desc) as at_one_moment
        from logins as o
    ) as l
    join conflicts as k on k.identifier_id = l.identifier_id
    where l.at_one_moment = 1
) as d
where d.when_shared = 'by_time' or d.next_time is null

-- name: make_spans
create temporary table spans (
    identifier_id uuid, valid_from timestamptz, valid_to timestamptz, entity_id uuid
)

-- name: level_spans
-- The spans of one level of importance: each turn, cut where its anchor changes hands; neighbours of one owner are one.
create temporary table level_spans as
with owned as (
    select t.identifier_id, greatest(t.turn_from, a.valid_from) as valid_from, least(t.turn_to, a.valid_to) as valid_to,
        a.entity_id
    from turns as t
    join (
        select p.identifier_id, p.valid_from, p.valid_to, p.entity_id from spans as p
        union all
        select g.identifier_id, cast('-infinity' as timestamptz), cast('infinity' as timestamptz), g.entity_id
        from new_groups as g
        where g.identifier_id not in (select k.identifier_id from conflicts as k)
            and g.identifier_id in (select y.anchor_id from turns as y where y.priority = :level)
    ) as a on a.identifier_id = t.anchor_id
    where t.priority = :level and t.when_shared = 'by_time' and a.valid_from < t.turn_to and a.valid_to > t.turn_from
    union all
    select t.identifier_id, cast('-infinity' as timestamptz), cast('infinity' as timestamptz), a.entity_id
    from turns as t
    join (
        select p.identifier_id, p.valid_from, p.valid_to, p.entity_id from spans as p
        union all
        select g.identifier_id, cast('-infinity' as timestamptz), cast('infinity' as timestamptz), g.entity_id
        from new_groups as g
        where g.identifier_id not in (select k.identifier_id from conflicts as k)
            and g.identifier_id in (select y.anchor_id from turns as y where y.priority = :level)
    ) as a on a.identifier_id = t.anchor_id and a.valid_from <= t.event_time and t.event_time < a.valid_to
    where t.priority = :level and t.when_shared = 'last_login'
    union all
    select k.identifier_id, cast('-infinity' as timestamptz), cast('infinity' as timestamptz), k.entity_id
    from conflicts as k
    where k.priority = :level and k.when_shared <> 'nobody'
        and k.identifier_id not in (select t.identifier_id from turns as t)
),
marked as (
    select o.identifier_id, o.valid_from, o.valid_to, o.entity_id,
        case
            when lag(o.entity_id) over (partition by o.identifier_id order by o.valid_from) = o.entity_id
                and lag(o.valid_to) over (partition by o.identifier_id order by o.valid_from) = o.valid_from
            then 0 else 1
        end as begins
    from owned as o
),
numbered as (
    select m.identifier_id, m.valid_from, m.valid_to, m.entity_id,
        sum(m.begins) over (partition by m.identifier_id order by m.valid_from) as run_number
    from marked as m
)
select n.identifier_id, min(n.valid_from) as valid_from, max(n.valid_to) as valid_to, n.entity_id
from numbered as n
group by n.identifier_id, n.run_number, n.entity_id

-- name: add_spans
insert into spans (identifier_id, valid_from, valid_to, entity_id)
select l.identifier_id, l.valid_from, l.valid_to, l.entity_id from level_spans as l

-- name: new_map
-- Whose each touched identifier is; open ends are infinite here.
create temporary table new_map as
select g.identifier_id, cast('-infinity' as timestamptz) as valid_from, cast('infinity' as timestamptz) as valid_to,
    g.entity_id
from new_groups as g
where g.identifier_id not in (select k.identifier_id from conflicts as k)
union all
select s.identifier_id, s.valid_from, s.valid_to, s.entity_id from spans as s
