-- name: in_force
-- The latest of each subject that is not withdrawn. A pair is one subject whichever end is named first, and one
-- identifier without another is one by itself; `same` and `different` answer one question, `quarantine` and `release` too.
select d.decision_id, d.identifier_id, d.other_id, d.verdict, d."by" as decided_by, d.why, d."at" as decided_at
from kind.decisions as d
join (
    select max(s.decision_id) as decision_id
    from (
        select w.decision_id,
            case when w.verdict in ('same', 'different') then 'pair' when w.verdict = 'unstitch' then 'unstitch'
                else 'pin' end as question,
            case when w.other_id < w.identifier_id then w.other_id else w.identifier_id end as one,
            case when w.other_id < w.identifier_id then w.identifier_id else w.other_id end as other
        from kind.decisions as w
        where w.withdrawn_at is null and w.verdict in ('same', 'different', 'unstitch', 'quarantine', 'release')
    ) as s
    group by s.question, s.one, s.other
) as l on l.decision_id = d.decision_id

-- name: everything
select d.decision_id, d.identifier_id, d.other_id, d.verdict, d."by" as decided_by, d.why, d."at" as decided_at,
    d.withdrawn_by, d.withdrawn_at, d.withdrawn_why
from kind.decisions as d
where d.verdict <> 'erase'
order by d.decision_id

-- name: names
-- What the identifiers of decisions are called.
select v.identifier_id, v.identifier_type, v.value
from kind.identifier_values as v
where v.identifier_id in (
    select d.identifier_id from kind.decisions as d
    union all
    select d.other_id from kind.decisions as d where d.other_id is not null
)

-- name: keep_value
insert into kind.identifier_values (identifier_id, identifier_type, value)
select g.identifier_id, g.identifier_type, g.value
from (
    select cast(:identifier_id as uuid) as identifier_id, cast(:identifier_type as text) as identifier_type,
        cast(:value as text) as value
) as g
where not exists (select 1 from kind.identifier_values as v where v.identifier_id = g.identifier_id)

-- name: in_use
select i.identifier_id from kind.identifiers as i where i.identifier_id = cast(:identifier_id as uuid)

-- name: last_decision
select coalesce(max(d.decision_id), 0) from kind.decisions as d

-- name: add
insert into kind.decisions (identifier_id, other_id, verdict, "by", why, "at", decision_id, changed_in)
values (
    cast(:identifier_id as uuid), cast(:other_id as uuid), :verdict, :decided_by, :why, :now, :decision_id, :number
)

-- name: withdraw
-- All that is not withdrawn yet of one subject, so that nothing older comes back.
update kind.decisions as d
set withdrawn_by = :decided_by, withdrawn_at = :now, withdrawn_why = cast(:why as text), changed_in = :number
where d.withdrawn_at is null and :question
    and (
        (d.identifier_id = cast(:identifier_id as uuid) and d.other_id is not distinct from cast(:other_id as uuid))
        or (d.identifier_id = cast(:other_id as uuid) and d.other_id = cast(:identifier_id as uuid))
    )
