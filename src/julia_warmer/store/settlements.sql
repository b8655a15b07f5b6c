-- What came of calls: the provider took a send, refused it, or nobody knows. Once, whoever comes first: our answer or a status.
-- Locks as in claims.sql: portfolios, chips, contacts (each by id), sends. docs/decisions/0006-at-most-once.md

-- name: lock_people_of -> none
-- The people of these sends, in the order of their ids: before anything about them is written.
select
from contacts
where contacts.id in (select sends.contact_id from sends where sends.id = any($send_ids::bigint[]))
order by contacts.id
for no key update;

-- name: find_sending -> int
-- Those of these chips that may send: the refusal that pauses one is counted, and not those of the requests that were beside it.
select chips.id from chips where chips.id = any($chip_ids::bigint[]) and chips.status in ('warming', 'ready', 'active') order by chips.id;

-- name: settle_sends -> SettledSend
-- The provider took these: from `calling`, or from `unknown` when a status told us so. Of `lost` nobody knows: they hold their slot for a
-- day and are never sent again by themselves. One statement, so that the counts of several chips are written in one order, once.
with answer as (
    select given.send_id, given.message_id, given.held, given.wa_id, given.media
    from unnest($send_ids::bigint[], $message_ids::text[], $held::boolean[], $wa_ids::text[], $media::int[])
        as given (send_id, message_id, held, wa_id, media)
),
before as materialized (
    select sends.id, sends.state = 'unknown' as was_unknown, sends.called_at, campaigns.ttl_h,
           not exists (
               select from sends as earlier
               where earlier.contact_id = sends.contact_id
                 and earlier.accepted_at > $at::timestamptz - interval '7 days'
                 and earlier.chip_id = sends.chip_id
                 and earlier.kind = 'campaign'
                 and earlier.id <> sends.id
           ) as first_in_week
    from answer
    join sends on sends.id = answer.send_id and (sends.state is not distinct from 'calling' or sends.state is not distinct from 'unknown')
    left join campaigns on campaigns.id = sends.campaign_id
    order by sends.id
    for no key update of sends
),
accepted as (
    update sends
    set state = case when answer.held then 'held' else 'accepted' end,
        accepted_at = $at,
        message_id = answer.message_id,
        was_held = answer.held,
        first_in_week = before.first_in_week,
        lease_until = null,
        reason = null,
        code = null
    from before
    join answer on answer.send_id = before.id
    where sends.id = before.id and (sends.state is not distinct from 'calling' or sends.state is not distinct from 'unknown')
    returning sends.id, sends.chip_id, sends.contact_id, sends.kind, sends.kind = 'campaign' as counts, sends.was_held, before.was_unknown,
              before.called_at, before.ttl_h, answer.wa_id, answer.media
),
lost as (
    update sends
    set state = 'unknown', unknown_at = $at, lease_until = null, reason = 'no clear answer'
    from unnest($lost_ids::bigint[]) as given (id)
    where sends.id = given.id and sends.state is not distinct from 'calling'
    returning sends.id, sends.chip_id, sends.kind = 'campaign' as counts, sends.called_at, sends.claimed_at
),
change as (
    select accepted.chip_id, date_trunc('hour', $at::timestamptz, 'UTC') as hour, accepted.counts::int as accepted,
           (accepted.counts and accepted.was_held)::int as held, 0 as unknown, accepted.media
    from accepted
    union all
    select accepted.chip_id, date_trunc('hour', accepted.called_at, 'UTC'), 0, 0, -1, 0
    from accepted
    where accepted.counts and accepted.was_unknown
    union all
    select lost.chip_id, date_trunc('hour', lost.called_at, 'UTC'), 0, 0, 1, 0
    from lost
    where lost.counts
),
counted as (
    insert into chip_counts (chip_id, hour, accepted, held, unknown, media)
    select change.chip_id, change.hour, sum(change.accepted), sum(change.held), sum(change.unknown), bit_or(change.media)
    from change
    group by change.chip_id, change.hour
    order by change.chip_id, change.hour
    on conflict (chip_id, hour) do update
    set accepted = chip_counts.accepted + excluded.accepted,
        held = chip_counts.held + excluded.held,
        unknown = chip_counts.unknown + excluded.unknown,
        media = chip_counts.media | excluded.media
),
counted_day as (
    insert into chip_days (chip_id, day, accepted)
    select accepted.chip_id, ($at::timestamptz at time zone chips.zone)::date, count(*)
    from accepted
    join chips on chips.id = accepted.chip_id
    where accepted.counts
    group by accepted.chip_id, chips.zone
    order by accepted.chip_id
    on conflict (chip_id, day) do update set accepted = chip_days.accepted + excluded.accepted
),
told as (
    update contacts
    set chip_id = coalesce(contacts.chip_id, latest.chip_id),
        assigned_at = coalesce(contacts.assigned_at, $at),
        wa_id = coalesce(latest.wa_id, contacts.wa_id),
        last_accepted_at = greatest(contacts.last_accepted_at, $at),
        updated_at = $at
    from (
        select distinct on (accepted.contact_id) accepted.contact_id, accepted.chip_id, accepted.wa_id
        from accepted
        order by accepted.contact_id, accepted.id
    ) as latest
    where contacts.id = latest.contact_id
),
talked as (
    insert into conversations (chip_id, contact_id, last_sent_at)
    select accepted.chip_id, accepted.contact_id, $at
    from accepted
    group by accepted.chip_id, accepted.contact_id
    order by accepted.chip_id, accepted.contact_id
    on conflict (chip_id, contact_id) do update
    set last_sent_at = excluded.last_sent_at,
        waiting = conversations.waiting and not exists (
            select from accepted
            where accepted.chip_id = excluded.chip_id and accepted.contact_id = excluded.contact_id and accepted.kind = 'reply'
        )
),
held_on as (
    -- an unknown one gave its slot back after a day; once it is known to be taken, it may be delivered until its time is over
    update budget_uses
    set until_at = case
        when slot.lost then slot.claimed_at + interval '24 hours'
        else greatest(budget_uses.until_at, budget_uses.from_at + make_interval(hours => slot.ttl_h + 24))
    end
    from (
        select accepted.id, false as lost, accepted.ttl_h, null::timestamptz as claimed_at from accepted where accepted.was_unknown
        union all
        select lost.id, true, null, lost.claimed_at from lost
    ) as slot
    where budget_uses.send_id = slot.id
),
reopened as (
    insert into slots_reopened (portfolio_id)
    select budget_uses.portfolio_id
    from accepted
    join budget_uses on budget_uses.send_id = accepted.id and budget_uses.until_at <= $at
    where accepted.was_unknown
),
eased as (
    delete from throttles
    using accepted
    join chips on chips.id = accepted.chip_id
    where throttles.until_at <= $at
      and (throttles.scope = 'app'
           or (throttles.scope = 'account' and throttles.target_id = chips.account_id)
           or (throttles.scope = 'chip' and throttles.target_id = chips.id))
)
select accepted.id, 'accepted' as became from accepted
union all
select lost.id, 'unknown' from lost
order by id;

-- name: mark_held -> none
-- Our answer said "held" after the first status had already told us that it was taken.
with late as (
    update sends
    set was_held = true
    where sends.id = any($send_ids::bigint[]) and not sends.was_held and sends.accepted_at is not null
    returning sends.chip_id, sends.accepted_at, sends.kind
)
insert into chip_counts (chip_id, hour, held)
select late.chip_id, date_trunc('hour', late.accepted_at, 'UTC') as hour, count(*)
from late
where late.kind = 'campaign'
group by 1, 2
order by 1, 2
on conflict (chip_id, hour) do update set held = chip_counts.held + excluded.held;

-- name: refuse_sends -> int
-- The provider refused these. `again`: surely not taken, so planned anew for later; else failed. `free`: the slot and the day's place
-- come back. One that was given up as unknown meanwhile is never planned anew. Gives the ids that changed.
with answer as (
    select given.send_id, given.again, given.free, given.due_at, given.code, given.reason
    from unnest(
        $send_ids::bigint[], $again::boolean[], $free::boolean[], $due_at::timestamptz[], $codes::int[], $reasons::text[]
    ) as given (send_id, again, free, due_at, code, reason)
),
before as materialized (
    select sends.id, sends.state = 'unknown' as was_unknown, sends.called_at
    from answer
    join sends on sends.id = answer.send_id and (sends.state is not distinct from 'calling' or sends.state is not distinct from 'unknown')
    order by sends.id
    for no key update of sends
),
refused as (
    update sends
    set state = case when answer.again and not before.was_unknown then 'planned' else 'failed' end,
        due_at = case when answer.again and not before.was_unknown then answer.due_at else sends.due_at end,
        failed_at = case when answer.again and not before.was_unknown then null else $at::timestamptz end,
        cap_day = case when answer.free then null else sends.cap_day end,
        claimed_by = null,
        lease_until = null,
        code = answer.code,
        reason = answer.reason
    from before
    join answer on answer.send_id = before.id
    where sends.id = before.id and (sends.state is not distinct from 'calling' or sends.state is not distinct from 'unknown')
    returning sends.id, sends.chip_id, sends.contact_id, sends.kind, sends.purpose, before.was_unknown, before.called_at, answer.free
),
freed as (
    update budget_uses set until_at = $at from refused where budget_uses.send_id = refused.id and refused.free
),
told as (
    -- nobody else has written to this person since the claim: what was allowed then is allowed now
    update contacts set next_marketing_at = $at
    from refused
    where contacts.id = refused.contact_id and refused.free and refused.kind = 'campaign' and refused.purpose = 'marketing'
),
counted as (
    insert into chip_counts (chip_id, hour, unknown)
    select refused.chip_id, date_trunc('hour', refused.called_at, 'UTC') as hour, -count(*)
    from refused
    where refused.was_unknown and refused.kind = 'campaign'
    group by 1, 2
    order by 1, 2
    on conflict (chip_id, hour) do update set unknown = chip_counts.unknown + excluded.unknown
)
select refused.id from refused order by refused.id;

-- name: note_people -> none
-- What a refusal said about people: they cannot be reached, or want no more marketing for a while (longer with each time).
update contacts
set undeliverable_at = case when contacts.id = any($undeliverable::bigint[]) then coalesce(contacts.undeliverable_at, $at) else contacts.undeliverable_at end,
    cooldowns = contacts.cooldowns + (contacts.id = any($limited::bigint[]))::int,
    cooldown_until = case
        when contacts.id = any($limited) then $at + least($limited_wait_h::float8 * 2 ^ contacts.cooldowns, $limited_wait_h_max::float8) * interval '1 hour'
        else contacts.cooldown_until
    end,
    updated_at = $at
where contacts.id = any($undeliverable) or contacts.id = any($limited);
