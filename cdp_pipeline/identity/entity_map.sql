-- name: pairs_are_missing
-- Links, and no pairs of them: those of a release that kept no pairs, before the links are worked out anew.
select exists (select 1 from kind.identity_graph as g where g.kind <> 'same')
    and not exists (select 1 from kind.linked_pairs as p)

-- name: queue_decisions
-- Identifiers that a decision was made or withdrawn about; what it took out of use is in nobody's component now, so the
-- neighbours are looked at too.
insert into kind.touched_identifiers (identifier_id)
with decided as (
    select d.identifier_id, d.verdict from kind.decisions as d where d.changed_in > :since
    union all
    select d.other_id as identifier_id, d.verdict
    from kind.decisions as d
    where d.changed_in > :since and d.other_id is not null
)
select d.identifier_id from decided as d
union
select g.other_id
from kind.identity_graph as g
where g.identifier_id in (select d.identifier_id from decided as d where d.verdict = 'unstitch')
union
select g.identifier_id
from kind.identity_graph as g
where g.other_id in (select d.identifier_id from decided as d where d.verdict = 'unstitch')

-- name: pairs_ever
-- What operators ever called the same or different, and whether that changed.
select d.identifier_id, d.other_id, d.verdict, d.changed_in > :since as changed
from kind.decisions as d
where d.verdict in ('same', 'different')

-- name: queue_classes
insert into kind.touched_identifiers (identifier_id)
select cast(c.identifier_id as uuid) from changed_classes as c

-- name: flipped_count
select count(*) from flipped as f

-- name: queue_shared
-- Shared identifiers of events that hold what went into quarantine or left it: another identifier may have logged in.
insert into kind.touched_identifiers (identifier_id)
select distinct u.identifier_id
from (
    select s.identifier_id, unnest(s.identifier_ids) as member_id from kind.shared_sightings as s
) as u
where u.member_id in (select f.identifier_id from flipped as f)

-- name: queue_holders
-- Identifiers of changed events, where their component breaks a limit: which links it uses depends on when they were last
-- seen, and whose a shared identifier is on when somebody logged in.
insert into kind.touched_identifiers (identifier_id)
select distinct u.identifier_id
from (
    select unnest(i.identifier_ids) as identifier_id from kind.event_identifiers as i where i.changed_in > :since
    union all
    select unnest(r.identifier_ids) as identifier_id from kind.removed_event_identifiers as r where r.removed_in > :since
) as u
join kind.identifier_groups as g on g.identifier_id = u.identifier_id
where g.component_id in (select f.component_id from kind.refused_links as f)

-- name: touched_all
-- Everything: the identifiers in use, and those that the last published map still holds.
create temporary table touched as
select i.identifier_id, cast(null as uuid) as trigger_event_id from kind.identifiers as i
union
select m.identifier_id, cast(null as uuid) as trigger_event_id from kind.identifier_groups as m
union
select m.identifier_id, cast(null as uuid) as trigger_event_id from kind.entity_map as m

-- name: touched_queue
-- What the queue holds, and all that was of the same components: they are worked out again as a whole.
create temporary table touched as
with queue as (
    select q.identifier_id, cdp_any(q.trigger_event_id) as trigger_event_id
    from kind.touched_identifiers as q
    group by q.identifier_id
),
parts as (
    select distinct m.component_id
    from kind.identifier_groups as m
    where m.identifier_id in (select q.identifier_id from queue as q)
)
select t.identifier_id, q.trigger_event_id
from (
    select m.identifier_id from kind.identifier_groups as m where m.component_id in (select p.component_id from parts as p)
    union
    select u.identifier_id from queue as u
) as t
left join queue as q on q.identifier_id = t.identifier_id

-- name: old_map
-- The last published map of what is touched; open ends are infinite here.
create temporary table old_map as
select m.identifier_id, coalesce(m.valid_from, cast('-infinity' as timestamptz)) as valid_from,
    coalesce(m.valid_to, cast('infinity' as timestamptz)) as valid_to, m.entity_id,
    min(m.recorded_from) as recorded_from
from kind.entity_map as m
where m.identifier_id in (select t.identifier_id from touched as t)
group by m.identifier_id, m.valid_from, m.valid_to, m.entity_id

-- name: spanned
-- Identifiers that are or were somebody's for a part of the time.
create temporary table spanned as
select o.identifier_id from old_map as o
where o.valid_from > cast('-infinity' as timestamptz) or o.valid_to < cast('infinity' as timestamptz)
union
select n.identifier_id from new_map as n
where n.valid_from > cast('-infinity' as timestamptz) or n.valid_to < cast('infinity' as timestamptz)

-- name: spanned_count
select count(*) from spanned as s

-- name: moved
-- What changes hands as a whole.
create temporary table moved as
select t.identifier_id, cast('-infinity' as timestamptz) as valid_from, cast('infinity' as timestamptz) as valid_to,
    o.entity_id as from_entity_id, n.entity_id as to_entity_id,
    coalesce(t.trigger_event_id, case when o.entity_id is null then s.first_event_id end) as trigger_event_id
from touched as t
left join old_map as o on o.identifier_id = t.identifier_id
left join new_map as n on n.identifier_id = t.identifier_id
left join solved as s on s.identifier_id = t.identifier_id
where o.entity_id is distinct from n.entity_id
    and t.identifier_id not in (select p.identifier_id from spanned as p)

-- name: segments
-- What changes hands for a part of the time: each stretch between two bounds of the old or the new spans, with its owner
-- before and after.
create temporary table segments as
with bounds as (
    select m.identifier_id, m.valid_from as bound from old_map as m
    where m.identifier_id in (select p.identifier_id from spanned as p)
    union
    select m.identifier_id, m.valid_to as bound from old_map as m
    where m.identifier_id in (select p.identifier_id from spanned as p)
    union
    select m.identifier_id, m.valid_from as bound from new_map as m
    where m.identifier_id in (select p.identifier_id from spanned as p)
    union
    select m.identifier_id, m.valid_to as bound from new_map as m
    where m.identifier_id in (select p.identifier_id from spanned as p)
),
stretches as (
    select b.identifier_id, b.bound as valid_from,
        lead(b.bound) over (partition by b.identifier_id order by b.bound) as valid_to
    from bounds as b
),
compared as (
    select s.identifier_id, s.valid_from, s.valid_to, o.entity_id as from_entity_id, n.entity_id as to_entity_id
    from stretches as s
    left join old_map as o
        on o.identifier_id = s.identifier_id and o.valid_from <= s.valid_from and s.valid_to <= o.valid_to
    left join new_map as n
        on n.identifier_id = s.identifier_id and n.valid_from <= s.valid_from and s.valid_to <= n.valid_to
    where s.valid_to is not null and o.entity_id is distinct from n.entity_id
)
select c.identifier_id, c.valid_from, c.valid_to, c.from_entity_id, c.to_entity_id,
    case
        when lag(c.valid_to) over (partition by c.identifier_id order by c.valid_from) = c.valid_from
            and lag(c.from_entity_id) over (partition by c.identifier_id order by c.valid_from)
                is not distinct from c.from_entity_id
            and lag(c.to_entity_id) over (partition by c.identifier_id order by c.valid_from)
                is not distinct from c.to_entity_id
        then 0 else 1
    end as begins
from compared as c

-- name: moved_in_part
insert into moved (identifier_id, valid_from, valid_to, from_entity_id, to_entity_id, trigger_event_id)
select r.identifier_id, min(r.valid_from), max(r.valid_to), r.from_entity_id, r.to_entity_id, t.trigger_event_id
from (
    select s.identifier_id, s.valid_from, s.valid_to, s.from_entity_id, s.to_entity_id,
        sum(s.begins) over (partition by s.identifier_id order by s.valid_from) as run_number
    from segments as s
) as r
join touched as t on t.identifier_id = r.identifier_id
group by r.identifier_id, r.run_number, r.from_entity_id, r.to_entity_id, t.trigger_event_id

-- name: gone_rows
-- Rows of the last published map that it does not hold any more.
create temporary table gone_rows as
select o.identifier_id, o.valid_from, o.valid_to, o.entity_id, o.recorded_from
from old_map as o
left join new_map as n on n.identifier_id = o.identifier_id and n.valid_from = o.valid_from
    and n.valid_to = o.valid_to and n.entity_id = o.entity_id
where n.identifier_id is null

-- name: fresh_rows
-- Rows that it did not hold yet.
create temporary table fresh_rows as
select n.identifier_id, n.valid_from, n.valid_to, n.entity_id
from new_map as n
left join old_map as o on o.identifier_id = n.identifier_id and o.valid_from = n.valid_from
    and o.valid_to = n.valid_to and o.entity_id = n.entity_id
where o.identifier_id is null

-- name: kept_rows
-- All rows, each with the moment since when the map says so.
create temporary table kept_rows as
select n.identifier_id, n.valid_from, n.valid_to, n.entity_id,
    coalesce(o.recorded_from, cast(:now as timestamptz)) as recorded_from
from new_map as n
left join old_map as o on o.identifier_id = n.identifier_id and o.valid_from = n.valid_from
    and o.valid_to = n.valid_to and o.entity_id = n.entity_id

-- name: record_history
insert into kind.entity_map_history (
    identifier_id, valid_from, valid_to, entity_id, recorded_from, recorded_to
)
select g.identifier_id, nullif(g.valid_from, cast('-infinity' as timestamptz)),
    nullif(g.valid_to, cast('infinity' as timestamptz)), g.entity_id, g.recorded_from, :now
from gone_rows as g

-- name: remove_gone
delete from kind.entity_map as m
where m.identifier_id in (select g.identifier_id from gone_rows as g)
    and exists (
        select 1 from gone_rows as g
        where g.identifier_id = m.identifier_id and g.entity_id = m.entity_id
            and g.valid_from = coalesce(m.valid_from, cast('-infinity' as timestamptz))
            and g.valid_to = coalesce(m.valid_to, cast('infinity' as timestamptz))
    )

-- name: add_fresh
insert into kind.entity_map (identifier_id, valid_from, valid_to, entity_id, recorded_from)
select f.identifier_id, nullif(f.valid_from, cast('-infinity' as timestamptz)),
    nullif(f.valid_to, cast('infinity' as timestamptz)), f.entity_id, :now
from fresh_rows as f

-- name: remove_all
delete from kind.entity_map as m

-- name: add_all
insert into kind.entity_map (identifier_id, valid_from, valid_to, entity_id, recorded_from)
select k.identifier_id, nullif(k.valid_from, cast('-infinity' as timestamptz)),
    nullif(k.valid_to, cast('infinity' as timestamptz)), k.entity_id, k.recorded_from
from kept_rows as k

-- name: record_changes
-- An erasure may have taken the newest changes away; their numbers are not given again, for a replay has followed them.
insert into kind.entity_changes (
    change_id, run, identifier_id, from_entity_id, to_entity_id, valid_from, valid_to, kind, reason, trigger_event_id,
    changed_at
)
select greatest(
        coalesce((select max(p.change_id) from kind.entity_changes as p), 0),
        coalesce((select max(r.to_change) from kind.replays as r), 0)
    ) + row_number() over (order by k.to_entity_id nulls first, k.identifier_id, k.valid_from),
    :run, k.identifier_id, k.from_entity_id, k.to_entity_id,
    nullif(k.valid_from, cast('-infinity' as timestamptz)), nullif(k.valid_to, cast('infinity' as timestamptz)), k.kind,
    case
        when k.went_in then 'it joins a crowd, and went into quarantine'
        when k.came_out then 'its links are few enough again, or an operator let it out of quarantine'
        when k.is_shared and k.to_entity_id is null then 'several people share it, so that it is nobody''s'
        when k.is_shared then 'several people share it: it follows their log-ins'
        when k.kind = 'new' then 'seen for the first time'
        when k.kind = 'remove' then 'no event holds it any more'
        when k.kind = 'merge' then 'linked with an identifier of the entity that it joined'
        when k.kind = 'split' then 'the links that held it are gone'
        when k.kind = 'rename' then 'the entity goes by another of its ids'
        else 'its links lead to another entity now'
    end,
    k.trigger_event_id, :now
from (
    select c.identifier_id, c.valid_from, c.valid_to, c.from_entity_id, c.to_entity_id, c.trigger_event_id,
        f.is_in is not null and f.is_in as went_in, f.is_in is not null and not f.is_in as came_out,
        s.identifier_id is not null as is_shared,
        case
            when c.from_entity_id is null then 'new'
            when c.to_entity_id is null then 'remove'
            when a.entity_id is null and b.entity_id is not null then 'merge'
            when a.entity_id is null then 'rename'
            when b.entity_id is null then 'split'
            else 'move'
        end as kind
    from moved as c
    left join (select distinct g.entity_id from new_groups as g) as a on a.entity_id = c.from_entity_id
    left join (select distinct l.entity_id from last_groups as l) as b on b.entity_id = c.to_entity_id
    left join flipped as f on f.identifier_id = c.identifier_id
    left join conflicts as s on s.identifier_id = c.identifier_id
) as k

-- name: clear_queue
delete from kind.touched_identifiers as q

-- name: figures
select
    (select count(*) from kind.entities as e) as ids_issued,
    (select count(*) from kind.entities as e where e.key_id is null) as ids_retired,
    (select count(distinct s.component_number) from solved as s) as components_solved,
    (select count(*) from moved as c) as changes,
    (select coalesce(max(g.identifiers), 0) from (
        select count(*) as identifiers from solved as s group by s.group_number
    ) as g) as largest_group_solved

-- name: figures_of_changes
select c.kind, count(*)
from kind.entity_changes as c
where c.change_id > :last_change
group by c.kind

-- name: last_change
select coalesce(max(c.change_id), 0) from kind.entity_changes as c

-- name: map_now
-- What the map says now of what is touched.
create temporary table map_now as
select m.identifier_id, m.valid_from, m.valid_to, m.entity_id
from kind.entity_map as m
where m.identifier_id in (select t.identifier_id from touched as t)

-- name: two_owners
-- Rows of the map that overlap with another one of the same identifier.
select count(*)
from (
    select m.valid_from, m.valid_to,
        lead(coalesce(m.valid_from, cast('-infinity' as timestamptz)))
            over (partition by m.identifier_id order by m.valid_from nulls first) as next_from
    from :published as m
) as o
where o.next_from < coalesce(o.valid_to, cast('infinity' as timestamptz))

-- name: groups_now
create temporary table groups_now as
select m.identifier_id, m.entity_id
from kind.identifier_groups as m
where m.identifier_id in (select t.identifier_id from touched as t)

-- name: groupless
-- Identifiers that are there and of no group, and members of a group that are not there.
select count(*)
from nodes as n
full join groups_now as g on g.identifier_id = n.identifier_id
where n.identifier_id is null or g.identifier_id is null

-- name: owned_by_strangers
-- Owners in the map that are no group's entity. All who can own what is touched are touched.
select count(*)
from (select distinct m.entity_id from :published as m) as o
where not exists (select 1 from groups_now as g where g.entity_id = o.entity_id)

-- name: keyless
-- Groups' entities that the registry does not know, or whose key is not theirs.
select count(*)
from (select distinct g.entity_id from groups_now as g) as o
left join (
    select r.entity_id, r.key_id
    from kind.entities as r
    where r.entity_id in (select h.entity_id from groups_now as h)
) as e on e.entity_id = o.entity_id
left join groups_now as k on k.identifier_id = e.key_id
where e.entity_id is null or k.entity_id is distinct from o.entity_id

-- name: redirects_view
create or replace view kind.entity_redirects as
select e.entity_id as from_entity_id, m.entity_id as to_entity_id
from kind.entities as e
left join kind.identifier_groups as m on m.identifier_id = e.key_id
where m.entity_id is distinct from e.entity_id
