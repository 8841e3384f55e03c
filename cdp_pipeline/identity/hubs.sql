-- name: forget_all_degrees
delete from kind.identifier_degrees as d

-- name: count_all_degrees
insert into kind.identifier_degrees (identifier_id, priority, other_priority, links)
select p.one, i.priority, j.priority, count(*)
from (
    select g.identifier_id as one, g.other_id as other from kind.linked_pairs as g
    union
    select g.other_id as one, g.identifier_id as other from kind.linked_pairs as g
) as p
join kind.identifiers as i on i.identifier_id = p.one
join kind.identifiers as j on j.identifier_id = p.other
group by p.one, i.priority, j.priority

-- name: recounted
-- What gained or lost a link.
create temporary table recounted as
select distinct q.identifier_id from kind.touched_identifiers as q

-- name: forget_degrees
delete from kind.identifier_degrees as d
where d.identifier_id in (select r.identifier_id from recounted as r)

-- name: recounted_links
-- The links of what is recounted, seen from there.
create temporary table recounted_links as
select g.identifier_id as one, g.other_id as other
from kind.linked_pairs as g
where g.identifier_id in (select r.identifier_id from recounted as r)
union
select g.other_id as one, g.identifier_id as other
from kind.linked_pairs as g
where g.other_id in (select r.identifier_id from recounted as r)

-- name: count_degrees
insert into kind.identifier_degrees (identifier_id, priority, other_priority, links)
with types as (
    select i.identifier_id, i.priority
    from kind.identifiers as i
    where i.identifier_id in (select b.one from recounted_links as b union all select b.other from recounted_links as b)
)
select b.one, i.priority, j.priority, count(*)
from recounted_links as b
join types as i on i.identifier_id = b.one
join types as j on j.identifier_id = b.other
group by b.one, i.priority, j.priority

-- name: identifiers_by_type
select i.priority, count(*) from kind.identifiers as i group by i.priority

-- name: histogram
select d.priority, d.other_priority, d.links, count(*)
from kind.identifier_degrees as d
group by d.priority, d.other_priority, d.links

-- name: quarantine
-- Who is in quarantine: whoever has too many neighbours of one type, unless an operator let it out, and whom an operator
-- put there. Told is the type of which it has the most.
create temporary table quarantine as
select c.identifier_id, c.links, c.threshold, c.other_priority, c.pinned
from (
    select o.identifier_id, o.links, o.threshold, o.other_priority, o.pinned,
        row_number() over (partition by o.identifier_id order by o.links desc, o.other_priority) as place
    from (
        select d.identifier_id, d.links, t.threshold, d.other_priority, false as pinned
        from kind.identifier_degrees as d
        join thresholds as t on t.priority = d.priority and t.other_priority = d.other_priority
        left join pins as p on cast(p.identifier_id as uuid) = d.identifier_id
        where d.links > :least and d.links > t.threshold and p.pinned_in is null
        union all
        select d.identifier_id, d.links, t.threshold, d.other_priority, true as pinned
        from pins as p
        join kind.identifier_degrees as d on d.identifier_id = cast(p.identifier_id as uuid)
        join thresholds as t on t.priority = d.priority and t.other_priority = d.other_priority
        where p.pinned_in
        union all
        select i.identifier_id, 0 as links, t.threshold, i.priority as other_priority, true as pinned
        from pins as p
        join kind.identifiers as i on i.identifier_id = cast(p.identifier_id as uuid)
        join thresholds as t on t.priority = i.priority and t.other_priority = i.priority
        where p.pinned_in
    ) as o
) as c
where c.place = 1

-- name: flipped
-- Who went into quarantine or came out of it.
create temporary table flipped as
select coalesce(n.identifier_id, b.identifier_id) as identifier_id, n.identifier_id is not null as is_in
from quarantine as n
full join kind.quarantined_identifiers as b on b.identifier_id = n.identifier_id
where n.identifier_id is null or b.identifier_id is null

-- name: queue_flipped
-- The events that hold them may be anchored by another identifier now.
insert into kind.reanchored_identifiers (identifier_id)
select f.identifier_id from flipped as f

-- name: touch_flipped
-- What goes in leaves its component, and what comes out joins those of its neighbours.
insert into kind.touched_identifiers (identifier_id)
select f.identifier_id from flipped as f
union
select g.other_id from kind.identity_graph as g join flipped as f on f.identifier_id = g.identifier_id and not f.is_in
union
select g.identifier_id from kind.identity_graph as g join flipped as f on f.identifier_id = g.other_id and not f.is_in

-- name: affected_hubs
-- Those in quarantine that gained or lost a link, or have a neighbour that was solved again.
create temporary table affected_hubs as
select q.identifier_id from quarantine as q where q.identifier_id in (select t.identifier_id from touched as t)
union
select f.identifier_id from flipped as f where f.is_in
union
select g.identifier_id
from kind.identity_graph as g
join quarantine as q on q.identifier_id = g.identifier_id
where g.other_id in (select t.identifier_id from touched as t)
union
select g.other_id
from kind.identity_graph as g
join quarantine as q on q.identifier_id = g.other_id
where g.identifier_id in (select t.identifier_id from touched as t)

-- name: quarantined_now
-- How many entities own the neighbours of each; of who is not affected the number stays.
create temporary table quarantined_now as
with joined as (
    select n.hub_id, count(distinct m.entity_id) as entities
    from (
        select g.identifier_id as hub_id, g.other_id as identifier_id
        from kind.linked_pairs as g
        where g.identifier_id in (select a.identifier_id from affected_hubs as a)
        union all
        select g.other_id as hub_id, g.identifier_id
        from kind.linked_pairs as g
        where g.other_id in (select a.identifier_id from affected_hubs as a)
    ) as n
    join kind.identifier_groups as m on m.identifier_id = n.identifier_id
    group by n.hub_id
)
select q.identifier_id, q.links, q.threshold, q.other_priority, q.pinned,
    case when a.identifier_id is null then b.entities_it_would_join else coalesce(j.entities, 0) end as entities
from quarantine as q
left join affected_hubs as a on a.identifier_id = q.identifier_id
left join joined as j on j.hub_id = q.identifier_id
left join kind.quarantined_identifiers as b on b.identifier_id = q.identifier_id

-- name: forget_quarantined
delete from kind.quarantined_identifiers as q

-- name: record_quarantined
insert into kind.quarantined_identifiers (
    identifier_id, links, threshold, entities_it_would_join, other_priority, pinned
)
select n.identifier_id, n.links, n.threshold, n.entities, n.other_priority, n.pinned from quarantined_now as n

-- name: quarantined_count
select count(*) from quarantine as q
