-- name: counted
select c.attribute_id, c.entities + c.nulls as profiles, c.modified from kind.attribute_counts as c

-- name: marked
select count(*) from kind.attribute_value_counts as c where c.modified is null

-- name: changed_since
select count(*) from kind.profiles as p where p.modified > cast(:since as timestamptz)

-- name: forget_counts
delete from kind.attribute_counts as c

-- name: forget_value_counts
delete from kind.attribute_value_counts as c

-- name: add_counts
insert into kind.attribute_counts (attribute_id, entities, nulls, modified)
select f.attribute_id, f.entities, f.nulls, cast(:now as timestamptz) from attribute_figures as f

-- name: values_of_one
-- The values of one attribute, each with how many have it, where there are few enough of them.
select g.attribute_id, g.value, g.entities
from (
    select :attribute_id as attribute_id, cast(:column as text) as value, count(*) as entities, count(*) over () as different
    from kind.profiles as p
    where :column is not null
    group by :column
) as g
where g.different <= :most

-- name: add_value_counts
insert into kind.attribute_value_counts (attribute_id, value, entities, modified)
select v.attribute_id, v.value, v.entities, cast(:now as timestamptz) from :counted as v
