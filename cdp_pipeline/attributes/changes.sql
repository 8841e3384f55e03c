-- name: any_change
select count(*) from (select 1 as one from kind.profile_changes as c limit 1) as x

-- name: followed
-- Whoever is due and has had a profile, and whoever has become one that is due.
create temporary table profile_followed as
select c.entity_id, c.op, c.to_entity_id, c.reason
from kind.profile_changes as c
join profile_due as d on d.entity_id = c.entity_id
union
select c.entity_id, c.op, c.to_entity_id, c.reason
from kind.profile_changes as c
join profile_due as d on d.entity_id = c.to_entity_id

-- name: changed
-- Profiles with other values, and what became of those that are no more, where the feed says otherwise.
create temporary table profile_changed as
select p.entity_id, 'upsert' as op, cast(null as uuid) as to_entity_id, cast(null as text) as reason
from kind.profiles as p
where cast(:is_first as boolean) or (p.modified = cast(:now as timestamptz) and :concerned)
union all
select g.entity_id, g.op, g.to_entity_id, g.reason
from (
    select
        c.entity_id,
        c.op as noted_op,
        c.to_entity_id as noted_to,
        c.reason as noted_reason,
        case when e.erased_at is null and m.entity_id <> c.entity_id then 'merge' else 'delete' end as op,
        case when e.erased_at is null and m.entity_id <> c.entity_id then m.entity_id end as to_entity_id,
        case
            when e.erased_at is not null then 'erased'
            when m.entity_id is null then 'retired'
            when m.entity_id = c.entity_id then 'restitched'
        end as reason
    from :followed as c
    left join kind.entities as e on e.entity_id = c.entity_id
    left join kind.identifier_groups as m on m.identifier_id = e.key_id
    where not exists (select 1 from kind.profiles as p where p.entity_id = c.entity_id)
) as g
where g.op <> g.noted_op
    or g.to_entity_id is distinct from g.noted_to
    or g.reason is distinct from g.noted_reason

-- name: forget
delete from kind.profile_changes as c where c.entity_id in (select x.entity_id from profile_changed as x)

-- name: note
insert into kind.profile_changes (entity_id, number, op, to_entity_id, reason, changed_at)
select x.entity_id, :number, x.op, x.to_entity_id, x.reason, cast(:now as timestamptz)
from profile_changed as x
