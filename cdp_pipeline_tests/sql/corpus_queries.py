"""Queries over `base`, an entity's events, that give equal rows on every engine for each entity.

They are divided by `;`. One that ends in an order gives its rows in that order everywhere.
"""

QUERIES = r"""
select type from base order by event_time desc, id limit 2;
select id from base order by event_time, id offset 1;
select id from base order by id limit 1 offset 1;
select id, n from base order by n nulls first, id;
select id, n from base order by n desc, id;
select id, s from base order by s desc nulls last, id;
select id from base order by flag, n, id;
select payload -> 'items' as items from base order by id;
select * from base order by id;
select b.* from base as b where b.n is not null order by b.id;
select count(*) from base;
select count(*) as many, sum(n) as total, avg(n) as mean from base where n > 1000;
select count(n) as many, count(distinct type) as types from base;
select sum(n) as n, sum(x) as x, sum(d) as d from base;
select avg(x) as x, avg(d) as d from base;
select min(s) as least, max(s) as most, min(event_time) as first, max(day) as last from base;
select bool_and(flag) as a, bool_or(flag) as b, every(flag) as c from base;
select sum(n) / count(*) from base;
select sum(x) / nullif(count(*), 0) from base;
select round(avg(x), 2) from base;
select max(x) from base union all select min(x) from base;
select max(x) from base order by 1;
select distinct max(x) from base;
select max(x) as value, 'x' as what from base order by value;
select max(n) from (select max(n) as n from base) as m;
select count(*) from (select max(n) as n from base) as m;
select count(*) from (select distinct max(n) as n from base) as m;
select coalesce(sum(n), 0) + 1 from base where type = 'none';
select case when count(*) = 0 then 'none' else 'some' end from base where n = 7;
select count(*) filter (where n > 0) as some, sum(x) filter (where type = 'buy') as bought from base;
select type, count(*) as n from base group by type;
select type, count(*) as many from base group by 1 order by 2 desc, 1 limit 1;
select type as kind, sum(n) as n from base group by kind having count(*) > 1;
select date_trunc('month', event_time) as month, count(*) as n from base group by month order by month;
select n % 2 as odd, count(*) as many from base where n is not null group by n % 2;
select distinct type from base;
select distinct type, flag from base order by type, flag;
select distinct on (type) type, id from base order by type, event_time desc, id desc;
select stddev(x) as a, stddev_pop(x) as b, variance(n) as c, var_pop(d / 1000) as d from base;
select percentile_cont(0.5) within group (order by n) from base;
select percentile_cont(0.9) within group (order by x) from base;
select percentile_disc(0.5) within group (order by n) as a, percentile_disc(0.25) within group (order by s) as b from base;
select percentile_disc(0) within group (order by n) as a, percentile_disc(1) within group (order by n) as b from base;
select mode() within group (order by type) from base;
select string_agg(type, ', ' order by event_time, id) from base;
select string_agg(distinct type, ',' order by type) from base;
select array_agg(id order by n desc nulls last, id) from base;
select jsonb_agg(n order by id) from base;
select jsonb_agg(payload -> 'n' order by id) from base;
select array_to_string(array_agg(type order by id), '>') from base;
select row_number() over (order by event_time, id) as nth, id from base;
select id, row_number() over (partition by type order by event_time, id) as nth from base;
select id, rank() over (order by type) as a, dense_rank() over (order by type) as b from base;
select id, percent_rank() over (order by n) as a, cume_dist() over (order by n) as b from base;
select id, ntile(2) over (order by id) as half from base;
select id, lag(id) over (order by event_time, id) as before, lead(n, 1, -1) over (order by event_time, id) as next from base;
select id, first_value(id) over (partition by type order by event_time, id) as f from base;
select id, last_value(id) over (order by id rows between unbounded preceding and unbounded following) as l from base;
select id, nth_value(id, 2) over (order by id rows between unbounded preceding and unbounded following) as l from base;
select id, sum(n) over (order by id) as total, avg(x) over (order by id rows between 1 preceding and current row) as m from base;
select id, sum(x) over w as a, count(*) over w as b from base window w as (partition by type order by id);
select id, sum(n) filter (where n > 0) over (order by id) as total from base;
select id, max(event_time) over (order by event_time range between interval '40 days' preceding and current row) as m from base;
select id, event_time - lag(event_time) over (order by event_time, id) as since from base;
select sum(count(*)) over (order by type) as running, type from base group by type;
with session as (select id, event_time, case when event_time - lag(event_time) over (order by event_time, id) > interval '30 minutes' then 1 else 0 end as starts from base) select sum(starts) from session;
with a as (select * from base where n > 0), b as (select * from a where flag) select count(*) from b union all select count(*) from a;
with a (name, many) as (select type, count(*) from base group by type) select many as value, name from a where many > (select avg(many) from a);
select (select count(*) from base where type = 'buy') + (select count(*) from base);
select id from base where type in (select type from base where n > 0);
select id from base where type not in (select b.type from base as b where b.n < 0);
select id from base where type not in ('view');
select id from base as b where exists (select 1 from base as c where c.type = b.type and c.id <> b.id);
select id from base as b where not exists (select 1 from base as c where c.event_time > b.event_time);
select id from base as b where n = (select max(c.n) from base as c where c.type = b.type);
select id, (select c.id from base as c where c.id < b.id order by c.id desc limit 1) as before from base as b;
select id from base where n = any (select max(n) from base);
select a.id, b.id as other from base as a join base as b on a.type = b.type and a.id < b.id;
select a.id, b.id as other from base as a left join base as b on b.n = a.n + 7;
select a.id, b.id as other from base as a right join base as b on b.n = a.n + 7;
select a.id, b.n from base as a cross join base as b where a.n < b.n;
select a.id from base as a, base as b where a.event_time = b.event_time and a.id <> b.id;
select id from base except select id from base where type = 'buy';
select type from base intersect select type from base where flag;
select type from base union select s from base order by type;
(select id from base order by id limit 1) union all (select id from base order by id desc limit 1);
select item ->> 'sku' from base cross join lateral jsonb_array_elements(case jsonb_typeof(payload -> 'items') when 'array' then payload -> 'items' end) as item;
select i.value ->> 'sku' as sku, sum((i.value ->> 'p')::int) as p from base join lateral jsonb_array_elements(case jsonb_typeof(payload -> 'items') when 'array' then payload -> 'items' end) as i on true group by 1;
select id, i.ordinality, i.item ->> 'sku' as sku from base, jsonb_array_elements(case when type is not null then payload -> 'items' end) with ordinality as i (item);
select id, tag from base, jsonb_array_elements_text(payload -> 'user' -> 'tags') as tag where type <> 'Ärger';
select b.id, tag.value from base as b left join lateral jsonb_array_elements_text(case when b.id < 'e4' then b.payload -> 'user' -> 'tags' end) as tag on true;
select id, key from base, jsonb_object_keys(payload) as key;
select id, kv.key, kv.value from base, jsonb_each_text(payload) as kv where kv.key in ('name', 'n', 'bb');
select id, kv.key, kv.value from base, jsonb_each(payload) as kv;
select id, part from base, unnest(string_to_array(s, ',')) as part;
select id, part, nth from base, unnest(string_to_array(s, ',')) with ordinality as u (part, nth);
select id, word from base, string_to_table(s, ',') as word;
select g, (select count(*) from base where n > g) as above from generate_series(0, 2) as g;
select id, (select sum((i ->> 'p')::numeric) from jsonb_array_elements(case when type is not null then base.payload -> 'items' end) as i) as p from base;
select id from base where exists (select 1 from jsonb_array_elements(case when type is not null then payload -> 'items' end) as i where i ->> 'sku' = 'x');
select count(*) from base where event_time > timestamptz '2026-01-20 12:00:00+00' - interval '30 days';
select extract(epoch from timestamptz '2026-01-20 12:00:00+00' - max(event_time)) / 86400 from base;
select greatest(max(event_time), timestamptz '2026-01-20 12:00:00+00') from base;
select max(n) - min(n) from base /* a comment ; with -- all in it */;
select "type" from "base" where "type" = 'buy';
SELECT Type FROM BASE WHERE N > 0;
table base order by id limit 1;
select length(string_agg(s, '' order by id)) from base;
select 1;
select null;
select 'x' as value, null as nothing;
"""


def queries() -> list[str]:
    """Return the queries; a `;` in a comment does not end one, as it stands within a line."""
    return [line.strip().removesuffix(";") for line in QUERIES.strip().splitlines()]
