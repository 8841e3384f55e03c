-- Expressions over one event, one a line, that give equal values on every engine: PostgreSQL's own.

-- JSON
payload -> 'user'
payload ->> 'name'
payload -> 'user' ->> 'email'
lower(payload -> 'user' ->> 'email')
payload #> '{user,tags}'
payload #>> '{user,tags,0}'
payload -> 'user' -> 'tags' -> 0
payload -> 'user' -> 'tags' ->> -1
(payload -> 'user') ->> 'email'
payload ? 'name'
payload -> 'user' -> 'tags' ? 'a'
payload ?| array['none', 'name']
payload ?& array['none', 'name']
payload @> '{"user": {"tags": ["a"]}}'
'{"n": 1}'::jsonb <@ payload
payload -> 'user' @> '{"email": "A@B.cz"}'::jsonb
jsonb_typeof(payload -> 'n')
jsonb_typeof(payload -> 'user')
jsonb_typeof(payload -> 'none')
jsonb_array_length(payload -> 'user' -> 'tags')
jsonb_build_object('s', s, 'n', n, 'at', event_time, 'none', null)
jsonb_build_array(n, s, flag)
to_jsonb(s)
to_jsonb(n)
to_jsonb(flag)
payload::text
(payload -> 'user' -> 'tags')::text
(payload ->> 'n')::numeric
(payload ->> 'n')::double precision
(payload -> 'n') is null
coalesce(payload ->> 'none', payload ->> 'name', 'nobody')

-- text
s || '!' || s
upper(s)
length(s)
char_length(s)
substring(s from 2 for 3)
substring(s, 2)
substr(s, 1, 2)
left(s, 2)
right(s, 2)
left(s, -1)
position('b' in s)
strpos(s, 'b')
replace(s, 'b', 'X')
split_part(s, ',', 2)
split_part(s, ',', -1)
trim(s)
trim(both 'a' from s)
trim(leading 'a' from s)
btrim(s, 'ab')
ltrim(s, 'a')
rtrim(s)
lpad(s, 4, '*')
rpad(s, 12, 'xy')
lpad(s, 2)
repeat(s, 2)
reverse(s)
translate(s, 'ab', 'x')
ascii(s)
chr(65)
starts_with(s, 'a')
concat(s, n, null)
concat_ws('-', s, null, n)
md5(s)
s like 'a%'
s not like '_b%'
s ilike 'A%'
s like '%\%%'
s < 'b'
s between 'a' and 'b'
s in ('abc', 'x')
greatest(s, 'b')
least(s, null, 'b')
nullif(s, 'abc')
s is distinct from 'abc'

-- regular expressions
s ~ 'b'
s ~ '^a.c$'
s ~* 'ABC'
s !~ 'b'
s ~ '[[:digit:]]+'
s ~ '\d{2,}'
s ~ '(foo|bar|abc)'
s ~ 'a.b'
regexp_replace(s, 'b', 'X')
regexp_replace(s, '([ab])', '<\1>', 'g')
regexp_replace(s, '(a)(b)', '\2\1', 'g')
regexp_replace(s, 'B', '', 'gi')
(regexp_match(s, '(a)(b)'))[2]
(regexp_match(s, 'b'))[1]
substring(s from 'a(.)')
substring(s from '[bc]')
regexp_count(s, '[ab]')
regexp_like(s, 'b')
regexp_split_to_array(s, ',')

-- numbers
7 / 2
-7 / 2
n / 2
n % 3
mod(n, 3)
-7 % 3
n * x
n + x - 1
x / 7
n / x
d / 3
(n::double precision) / nullif(n, 0)
round(x, 2)
round(x)
round(d)
round(-2.5)
round(1234.5, -2)
trunc(x)
trunc(-2.7)
floor(x)
ceil(x)
floor(d)
abs(x)
sign(x)
sign(n)
power(n, 2)
2 ^ 3
sqrt(abs(d))
ln(abs(d) + 1)
log(abs(n) + 10)
exp(1.5)
greatest(n, x)
least(n, null, 3)
x::bigint
(d / 1e6)::integer
x::text
n::text
n::numeric / 3
'12'::integer + 1
(x * 100)::bigint
n between 1 and 5
n is null or n > 3
case when n > 3 then 'many' when n > 0 then 'few' else 'none' end
coalesce(n, 0)
nullif(n, 7)
not flag
flag and n > 3
flag::text
true::integer

-- arrays
array[n, 2, 3]
(array['a', s])[2]
cardinality(string_to_array(s, ','))
array_length(string_to_array(s, ','), 1)
string_to_array(s, ',')
(string_to_array(s, ','))[1]
array_to_string(string_to_array(s, ','), '|')
s = any (array['abc', 'x'])
s = any (string_to_array('abc,x', ','))
n = any (array[7, null])
array_position(string_to_array(s, ','), 'b')

-- times
date_trunc('month', event_time)
date_trunc('week', event_time)
date_trunc('day', day)
date_trunc('hour', at)
extract(year from event_time)
extract(month from day)
extract(dow from event_time)
extract(isodow from day)
extract(doy from event_time)
extract(week from day)
extract(quarter from day)
extract(isoyear from day)
extract(epoch from event_time)
extract(second from event_time)
extract(hour from at)
date_part('hour', event_time)
extract(epoch from event_time - timestamptz '2026-01-01 00:00:00+00')
event_time - timestamptz '2026-01-01 00:00:00+00'
event_time + interval '1 month'
event_time - interval '1 day 2 hours'
day + 1
day - date '2026-01-01'
day + interval '1 month'
event_time::date
event_time::timestamp
day::timestamptz
event_time at time zone 'Europe/Prague'
at at time zone 'America/New_York'
date_trunc('day', event_time at time zone 'Asia/Tokyo')
extract(hour from event_time at time zone 'Europe/Prague')
to_char(event_time, 'YYYY-MM-DD HH24:MI:SS')
to_char(day, 'IYYY-"W"IW')
to_char(event_time, 'Mon DD, YYYY')
to_char(at, 'DDD ID HH12:MI AM')
to_char(event_time, 'MS US')
to_timestamp(1767225600)
to_timestamp(1767225600.5)
make_date(2026, 2, 28)
'2026-01-31'::date
'2026-01-31 10:00:00'::timestamp
2 * interval '1 day'
interval '90 minutes'
event_time > timestamptz '2026-01-15 00:00:00+00'
event_time between date '2026-01-01' and date '2026-02-01'
least(event_time, timestamptz '2026-01-15 00:00:00+00')
