-- What was left behind: leases that ran out, calls that lost their worker, plans whose time is over, sends of which nobody knows.

-- name: sweep_sends -> Swept
-- Leases that ran out: a claimed send is planned again, a calling one becomes unknown. Planned sends whose time is over expire.
with stale as (
    select sends.id, sends.state, sends.claimed_at
    from sends
    where (sends.state = 'claimed' and sends.lease_until <= $at)
       or (sends.state = 'calling' and sends.lease_until <= $lost_before)
    order by sends.lease_until, sends.id
    limit $most
    for no key update skip locked
),
over as (
    select sends.id
    from sends
    where sends.state = 'planned' and sends.expires_at <= $at
    order by sends.expires_at, sends.id
    limit $most
    for no key update skip locked
),
swept as (
    update sends
    set state = case when stale.state = 'claimed' then 'planned' else 'unknown' end,
        unknown_at = case when stale.state = 'calling' then $at::timestamptz end,
        reason = case when stale.state = 'calling' then 'the worker was lost during the call' end,
        cap_day = case when stale.state = 'calling' then sends.cap_day end,
        claimed_by = case when stale.state = 'calling' then sends.claimed_by end,
        lease_until = null
    from stale
    where sends.id = stale.id
    returning sends.id, sends.state, sends.chip_id, sends.kind, sends.called_at, sends.claimed_at
),
kept as (
    update budget_uses
    set until_at = case when swept.state = 'planned' then $at else swept.claimed_at + interval '24 hours' end
    from swept
    where budget_uses.send_id = swept.id
),
counted as (
    insert into chip_counts (chip_id, hour, unknown)
    select swept.chip_id, date_trunc('hour', swept.called_at, 'UTC') as hour, count(*)
    from swept
    where swept.state = 'unknown' and swept.kind = 'campaign'
    group by 1, 2
    order by 1, 2
    on conflict (chip_id, hour) do update set unknown = chip_counts.unknown + excluded.unknown
),
expired as (
    update sends
    set state = 'expired', reason = coalesce(sends.reason, 'not sent in time')
    from over
    where sends.id = over.id
    returning sends.id
)
select (select count(*) from swept where swept.state = 'planned')::int as released,
       (select count(*) from swept where swept.state = 'unknown')::int as lost,
       (select count(*) from expired)::int as expired;

-- name: find_unknown -> UnknownSend
-- One send, if nobody knows what became of it; locked.
select sends.id, sends.contact_id, sends.message_id
from sends
where sends.id = $send_id and sends.state = 'unknown'
for no key update;

-- name: cancel_unknown -> int
-- A person says that it was not sent: it holds nothing any more and is in no rate.
with cancelled as (
    update sends set state = 'cancelled', reason = $reason, cap_day = null
    where sends.id = $send_id and sends.state = 'unknown'
    returning sends.id, sends.chip_id, sends.called_at, sends.kind
),
freed as (
    update budget_uses set until_at = least(budget_uses.until_at, $at) from cancelled where budget_uses.send_id = cancelled.id
),
counted as (
    insert into chip_counts (chip_id, hour, unknown)
    select cancelled.chip_id, date_trunc('hour', cancelled.called_at, 'UTC'), -1
    from cancelled
    where cancelled.kind = 'campaign'
    on conflict (chip_id, hour) do update set unknown = chip_counts.unknown + excluded.unknown
)
select cancelled.id from cancelled;
