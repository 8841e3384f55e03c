-- name: before
-- Every identifier in use and its entity; NULL: it is nobody's. A warehouse without groups has one group an entity.
create temporary table plan_before as
select i.identifier_id, g.entity_id
from kind.identifiers as i
left join (
    select o.identifier_id, o.entity_id from kind.identifier_groups as o
    union all
    select m.identifier_id, m.entity_id
    from kind.entity_map as m
    where m.valid_from is null and m.valid_to is null and not exists (select 1 from kind.identifier_groups as n)
) as g on g.identifier_id = i.identifier_id

-- name: after
-- The same when all stages are done.
create temporary table plan_after as
select i.identifier_id, g.entity_id
from kind.identifiers as i
left join kind.identifier_groups as g on g.identifier_id = i.identifier_id

-- name: refused
create temporary table plan_refused as
select r.identifier_id, r.other_id from kind.refused_links as r

-- name: quarantined
create temporary table plan_quarantined as
select q.identifier_id from kind.quarantined_identifiers as q

-- name: events
create temporary table plan_events as
select s.event_id, s.entity_id from kind.stitched_events as s

-- name: last_change
select coalesce(max(c.change_id), 0) from kind.entity_changes as c

-- name: flows
-- How many identifiers go from each entity to each.
create temporary table plan_flows as
select b.entity_id as from_entity_id, a.entity_id as to_entity_id, count(*) as identifiers
from plan_before as b
join plan_after as a on a.identifier_id = b.identifier_id
where b.entity_id is not null and a.entity_id is not null
group by b.entity_id, a.entity_id

-- name: fates
-- What becomes of the published entities: its identifiers go to nobody, to several entities, or all to one.
select d.fate, count(*)
from (
    select case
        when f.targets is null then 'vanished'
        when f.targets > 1 then 'split'
        when f.to_entity_id = b.entity_id then 'kept'
        when t.sources > 1 then 'merged'
        else 'renamed'
    end as fate
    from (select distinct x.entity_id from plan_before as x where x.entity_id is not null) as b
    left join (
        select w.from_entity_id, count(*) as targets, cdp_any(w.to_entity_id) as to_entity_id
        from plan_flows as w
        group by w.from_entity_id
    ) as f on f.from_entity_id = b.entity_id
    left join (select u.to_entity_id, count(*) as sources from plan_flows as u group by u.to_entity_id) as t
        on t.to_entity_id = f.to_entity_id
) as d
group by d.fate

-- name: people
-- The entities as they would be: of how many published ones, with how many of their identifiers, and what was there.
create temporary table plan_people as
select a.entity_id, a.identifiers, coalesce(t.sources, 0) as sources, b.identifiers as identifiers_before,
    t.identifiers as identifiers_kept, s.identifiers as identifiers_of_source,
    case when t.sources = 1 and r.targets = 1 and t.from_entity_id <> a.entity_id then 1 else 0 end as renamed
from (
    select x.entity_id, count(*) as identifiers from plan_after as x where x.entity_id is not null group by x.entity_id
) as a
left join (
    select y.entity_id, count(*) as identifiers from plan_before as y where y.entity_id is not null group by y.entity_id
) as b on b.entity_id = a.entity_id
left join (
    select w.to_entity_id, count(*) as sources, cdp_any(w.from_entity_id) as from_entity_id,
        cast(sum(w.identifiers) as bigint) as identifiers
    from plan_flows as w
    group by w.to_entity_id
) as t on t.to_entity_id = a.entity_id
left join (
    select z.entity_id, count(*) as identifiers from plan_before as z where z.entity_id is not null group by z.entity_id
) as s on s.entity_id = t.from_entity_id
left join (select v.from_entity_id, count(*) as targets from plan_flows as v group by v.from_entity_id) as r
    on r.from_entity_id = t.from_entity_id

-- name: people_figures
select
    (select count(distinct b.entity_id) from plan_before as b) as entities_before,
    count(*) as entities_after,
    count(*) filter (where p.identifiers_before is null and p.renamed = 0) as appeared
from plan_people as p

-- name: identifier_figures
-- One that moves goes from one entity to another, be it only for a span of time.
select
    count(b.identifier_id) as identifiers_before,
    count(a.identifier_id) as identifiers_after,
    count(*) filter (where b.identifier_id is null) as added,
    count(*) filter (where a.identifier_id is null) as removed,
    (
        select count(distinct c.identifier_id)
        from kind.entity_changes as c
        where c.change_id > :last_change and c.from_entity_id is not null and c.to_entity_id is not null
    ) as moved
from plan_before as b
full join plan_after as a on a.identifier_id = b.identifier_id

-- name: changes
-- What the map's log of changes would hold.
select c.kind, count(*) from kind.entity_changes as c where c.change_id > :last_change group by c.kind order by c.kind

-- name: refused_figures
select
    (select count(*) from plan_refused as b) as refused_before,
    (select count(*) from kind.refused_links as r) as refused_after,
    (
        select count(*)
        from kind.refused_links as n
        left join plan_refused as o on o.identifier_id = n.identifier_id and o.other_id = n.other_id
        where o.identifier_id is null
    ) as newly_refused

-- name: quarantine_figures
select
    (select count(*) from plan_quarantined as b) as quarantined_before,
    (select count(*) from kind.quarantined_identifiers as q) as quarantined_after,
    (
        select count(*) from kind.quarantined_identifiers as e
        where e.identifier_id not in (select x.identifier_id from plan_quarantined as x)
    ) as entered,
    (
        select count(*) from plan_quarantined as f
        where f.identifier_id not in (select y.identifier_id from kind.quarantined_identifiers as y)
    ) as released

-- name: entered
-- Values that would go into quarantine, those first that would join most people.
select v.identifier_type, v.value, q.identifier_id, q.entities_it_would_join
from kind.quarantined_identifiers as q
join kind.identifier_values as v on v.identifier_id = q.identifier_id
where q.identifier_id not in (select b.identifier_id from plan_quarantined as b)
order by q.entities_it_would_join desc, v.identifier_type, v.value
limit 10

-- name: released
select v.identifier_type, v.value, q.identifier_id, 0
from plan_quarantined as q
join kind.identifier_values as v on v.identifier_id = q.identifier_id
where q.identifier_id not in (select n.identifier_id from kind.quarantined_identifiers as n)
order by v.identifier_type, v.value
limit 10

-- name: events_moved
select count(*)
from plan_events as b
join kind.stitched_events as s on s.event_id = b.event_id
where s.entity_id is distinct from b.entity_id

-- name: biggest
-- Entities that are no published one as it was, the biggest first, each with its first identifiers.
with biggest as (
    select p.entity_id, p.identifiers, p.sources, p.identifiers_before
    from plan_people as p
    where p.sources <> 1 or p.identifiers <> p.identifiers_kept or p.identifiers <> p.identifiers_of_source
    order by p.identifiers desc, p.entity_id
    limit 10
)
select w.entity_id, w.identifiers, w.sources, w.identifiers_before, w.identifier_type, w.value, w.identifier_id,
    w.events
from (
    select b.entity_id, b.identifiers, b.sources, b.identifiers_before, i.identifier_type, i.value, i.identifier_id, i.events,
        row_number() over (partition by b.entity_id order by i.priority, i.first_seen, i.identifier_id) as place
    from biggest as b
    join plan_after as a on a.entity_id = b.entity_id
    join kind.identifiers as i on i.identifier_id = a.identifier_id
) as w
where w.place <= 5
order by w.identifiers desc, w.entity_id, w.place

-- name: responsible
-- Values whose links, with what they were part of, join several published entities; of equals the least important type.
with members as (
    select a.identifier_id, a.entity_id
    from plan_after as a
    where a.entity_id in (select p.entity_id from plan_people as p where p.sources > 1)
),
linked as (
    select g.identifier_id as one_id, g.other_id as two_id
    from kind.identity_graph as g
    join members as a on a.identifier_id = g.identifier_id
    join members as b on b.identifier_id = g.other_id and b.entity_id = a.entity_id
    union
    select h.other_id as one_id, h.identifier_id as two_id
    from kind.identity_graph as h
    join members as c on c.identifier_id = h.identifier_id
    join members as d on d.identifier_id = h.other_id and d.entity_id = c.entity_id
    union
    select m.identifier_id as one_id, m.identifier_id as two_id from members as m
)
select i.identifier_type, i.value, i.identifier_id, j.joined
from (
    select l.one_id, count(distinct p.entity_id) as joined
    from linked as l
    join plan_before as p on p.identifier_id = l.two_id
    group by l.one_id
    having count(distinct p.entity_id) > 1
) as j
join kind.identifiers as i on i.identifier_id = j.one_id
order by j.joined desc, i.priority desc, i.identifier_type, i.value
limit 10
