-- What became of each chip: the end of a demo, and a chip's page.

-- name: list_lives -> Life
-- Every chip with its messages by outcome, and how often its decisions show it paused, resumed and demoted.
with outcomes as (
    select chip_id,
        count(*) filter (where accepted_at is not null) as sent,
        count(*) filter (where delivered_at is not null) as delivered,
        count(*) filter (where read_at is not null) as read,
        count(*) filter (where replied_at is not null) as replied,
        count(*) filter (where opted_out_at is not null) as opted_out,
        count(*) filter (where state = 'failed') as failed,
        count(*) filter (where state = 'unknown') as unknown
    from warmer.sends
    where kind = 'campaign'
    group by chip_id
),
told as (
    select chip_id, changes,
        status = 'paused' as is_paused,
        lag(status = 'paused', 1, false) over (partition by chip_id order by at, id) as paused_before
    from warmer.decisions
),
turns as (
    select chip_id,
        count(*) filter (where is_paused and not paused_before) as paused,
        count(*) filter (where paused_before and not is_paused) as resumed,
        count(*) filter (where changes && '{demoted,returned_to_warming}'::text[]) as demoted
    from told
    group by chip_id
)
select c.id as chip_id, c.name, c.phone_number_id, c.status, c.phase, c.health, c.registered_at, c.ready_at,
    coalesce(o.sent, 0) as sent, coalesce(o.delivered, 0) as delivered, coalesce(o.read, 0) as read, coalesce(o.replied, 0) as replied,
    coalesce(o.opted_out, 0) as opted_out, coalesce(o.failed, 0) as failed, coalesce(o.unknown, 0) as unknown,
    coalesce(t.paused, 0) as paused_times, coalesce(t.resumed, 0) as resumed_times, coalesce(t.demoted, 0) as demoted_times
from warmer.chips c
left join outcomes o on o.chip_id = c.id
left join turns t on t.chip_id = c.id
order by c.id;

-- name: first_ready -> FirstReady
-- When each chip first became ready, by its decisions: a chip that was taken back keeps its first day.
select d.chip_id, min(d.at) as at
from warmer.decisions d
where d.changes @> '{became_ready}'::text[]
group by d.chip_id;

-- name: list_decided -> Decided
-- Every decision as it was recorded, with its chip's name: for the hash of a run and for the auditor.
select c.name, c.zone, d.at, d.record
from warmer.decisions d
join warmer.chips c on c.id = d.chip_id
order by d.at, c.name, d.id;

-- name: count_quarantined -> int
-- Items that could not be read or came too late.
select count(*) as items from warmer.quarantine;

-- name: list_limits -> int
-- What each portfolio's messaging limit is, as it was last told; null when it never was.
select messaging_limit from warmer.portfolios order by id;
