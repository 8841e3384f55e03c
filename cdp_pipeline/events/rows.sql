-- name: make_landed
create temporary table landed (
    landed_from text, place text, place_row bigint, arrived_on date, source_id text, source_event_id text, type text,
    version text, event_time timestamptz, payload jsonb, reason text, raw text, event_id uuid, mirrored_at timestamptz,
    is_deleted boolean
)

-- name: land_batch
-- One row of `landed` for each row of `landing_batch` that passes the source's `where`; a broken one always passes.
insert into landed
select
    :landed_from, :place, r.place_row, r.arrived_on,
    case when r.reason is null then r.source_id else :landed_from end,
    r.source_event_id, r.type, r.version, r.event_time,
    case when r.reason is null then r.payload end,
    r.reason,
    case when r.reason is not null then :raw end,
    case when r.reason is null then cdp_hash('event', r.source_id, r.source_event_id) end,
    r.mirrored_at, r.is_deleted
from (
    select v.*, case
        when v.problem is not null then v.problem
        when v.passes is null then 'invalid: the condition `where` cannot be worked out'
        when v.arrived_on is null then 'invalid: no readable day of arrival'
        when v.arrived_on > :last_day then 'invalid: the day of arrival is in the future'
        when v.source_event_id is null or v.source_event_id = '' then 'invalid: no id'
        when v.source_id is null then 'invalid: no readable source'
        when position(chr(31) in v.source_id || v.source_event_id) > 0 then 'invalid: the id holds U+001F'
        when v.is_deleted then null  -- it need not say more than which event it deletes, and when
        when v.type is null or v.type = '' then 'invalid: no type'
        when v.version is null then 'invalid: no readable version'
        when v.event_time is null then 'invalid: no readable time'
        when v.event_time < timestamptz '0001-01-01 00:00:00+00' then 'invalid: no readable time'
        when v.event_time >= v.arrived_on + interval '2 days'
            then 'invalid: the time is more than a day after the day of arrival'
        when v.holds_nul then 'invalid: holds \u0000'
        when v.payload is null or cdp_json_kind(v.payload) <> 'object' then 'invalid: the payload is no object'
    end as reason
    from (
        select
            f.cdp_place_row as place_row,
            f.cdp_problem as problem,
            f.cdp_broken as cdp_broken,
            :arrived_on as arrived_on,
            :mirrored_at as mirrored_at,
            coalesce(:is_deleted, false) as is_deleted,
            :passes as passes,
            case when :source_id = '' then :landed_from else :source_id end as source_id,
            :source_event_id as source_event_id,
            :type as type,
            case when :version = '' then '1-0-0' else :version end as version,
            :event_time as event_time,
            :payload as payload,
            :holds_nul as holds_nul
        from (
            select g.*, :texts as cdp_texts, :jsons as cdp_jsons
            from (
                select b.*, case
                    when b.cdp_read_problem is not null then b.cdp_read_problem
                    when :lines and b.cdp_row is null then 'invalid: broken JSON'
                    when :lines and cdp_json_kind(b.cdp_row) <> 'object' then 'invalid: not a JSON object'
                end as cdp_problem
                from (select a.*, :row as cdp_row from landing_batch as a) as b
            ) as g
        ) as f
        where f.cdp_problem is not null or coalesce(:passes, true)
    ) as v
) as r
where r.arrived_on is null or r.arrived_on between :first_day and :final_day

-- name: describe_batch
select :value as value
from (
    select g.*, :texts as cdp_texts, :jsons as cdp_jsons
    from (select a.*, :row as cdp_row from landing_batch as a) as g
) as f
