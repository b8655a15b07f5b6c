-- Facts and what they do to sends. Whoever moves sends holds the locks of their contacts, in id order; then of the sends.

-- name: find_chips -> ChipRef
-- The chips that a delivery speaks of: by Meta's id of the number, or by the number itself where the id is missing.
-- Apart, for there is an index for each, and a fleet is not read as a whole.
select chips.id, chips.phone_number_id, chips.display_phone, chips.account_id, chips.portfolio_id, chips.zone
from chips
where chips.phone_number_id = any($phone_number_ids::text[])
union
select chips.id, chips.phone_number_id, chips.display_phone, chips.account_id, chips.portfolio_id, chips.zone
from chips
where chips.display_phone = any($display_phones::text[]);

-- name: find_accounts -> AccountRef
-- The accounts that a delivery speaks of.
select id, waba_id, portfolio_id from accounts where waba_id = any($waba_ids::text[]);

-- name: find_sends -> SendRef
-- Our sends by the platform's message id.
select sends.id, sends.message_id as name, sends.contact_id, sends.chip_id, sends.state, sends.was_held, sends.called_at,
       sends.accepted_at is not null as is_accepted, templates.template_id
from sends
left join templates on templates.id = sends.template_row
where sends.message_id = any($message_ids::text[]);

-- name: find_attempts -> SendRef
-- Our sends by the id that we gave to an attempt: for statuses that come before the answer, or in its place.
select sends.id, attempts.id::text as name, sends.contact_id, sends.chip_id, sends.state, sends.was_held, sends.called_at,
       sends.accepted_at is not null as is_accepted, templates.template_id
from attempts
join sends on sends.id = attempts.send_id
left join templates on templates.id = sends.template_row
where attempts.id = any($attempt_ids::uuid[]);

-- name: revive_sends -> none
-- Sends that a status proves to be out, whatever we believed: back to `calling`, so that they can be accepted. Not while the same person has
-- another open campaign message; that one would not be the only one.
update sends
set state = 'calling', failed_at = null, reason = null, lease_until = null
where id = any($ids::bigint[])
  and state in ('planned', 'claimed', 'failed', 'cancelled', 'expired')
  and accepted_at is null
  and called_at is not null
  and not exists (
      select from sends as other
      where other.contact_id = sends.contact_id
        and other.kind = 'campaign'
        and other.state in ('planned', 'claimed', 'calling')
        and other.id <> sends.id
  );

-- name: list_open_calls -> OpenCall
-- The people to whom these chips have a request out that has no clear answer yet.
select sends.chip_id, sends.contact_id from sends where sends.state = 'calling' and sends.chip_id = any($chip_ids::bigint[])
union
select sends.chip_id, sends.contact_id from sends where sends.state = 'unknown' and sends.chip_id = any($chip_ids::bigint[]);

-- name: count_answered_calls -> Answered
-- How many facts say of each of these calls that it was answered.
select events.body ->> 'call_id' as call_id, count(*)::integer as facts
from events
where events.contact_id = any($contact_ids::bigint[])
  and events.at >= $since
  and events.kind = 'call_received'
  and events.body @> '{"answered": true}'
  and events.body ->> 'call_id' = any($call_ids::text[])
group by events.body ->> 'call_id';

-- name: ensure_months -> int
-- Makes the monthly partitions of `events` that these facts need.
select count(ensure_month(given.at)) from unnest($ats::timestamptz[]) as given (at);

-- name: append_events -> Appended
-- Writes each fact once. Gives those that are new: only they have effects.
insert into events (at, kind, key, chip_id, account_id, contact_id, send_id, code, value, body, inbox_id, recorded_at)
select given.at, given.kind, given.key, given.chip_id, given.account_id, given.contact_id, given.send_id, given.code, given.value, given.body,
       given.inbox_id, $at
from unnest(
    $ats::timestamptz[], $kinds::text[], $keys::text[], $chip_ids::bigint[], $account_ids::bigint[], $contact_ids::bigint[],
    $send_ids::bigint[], $codes::integer[], $values::text[], $bodies::jsonb[], $inbox_ids::bigint[]
) as given (at, kind, key, chip_id, account_id, contact_id, send_id, code, value, body, inbox_id)
order by given.at, given.kind, given.key
on conflict do nothing
returning at, kind, key;

-- name: lock_sends -> none
-- Takes the sends in the order of their ids. What is then read of them stays so to the end of the transaction.
select from sends where id = any($ids::bigint[]) order by id for no key update;

-- name: attribute_to_sends -> Attributed
-- For what a person did: the latest campaign message of this chip that the platform had taken by then, within so many hours.
-- The platform's times are whole seconds, ours are not: an answer in the same second is one.
select given.ordinal, latest.id as send_id
from unnest($ordinals::integer[], $chip_ids::bigint[], $contact_ids::bigint[], $ats::timestamptz[], $hours::integer[])
    as given (ordinal, chip_id, contact_id, at, hours)
cross join lateral (
    select sends.id, sends.accepted_at
    from sends
    where sends.contact_id = given.contact_id
      and sends.chip_id = given.chip_id
      and sends.kind = 'campaign'
      and sends.accepted_at < given.at + interval '1 second'
    order by sends.accepted_at desc
    limit 1
) as latest
where latest.accepted_at >= given.at - make_interval(hours => given.hours);

-- name: move_sends -> Moved
-- Joins what was said into the sends (read > delivered > failed > sent): each moment is the earliest said, and the state follows from the
-- moments alone, so that every order and repetition ends alike; an answer implies delivery while nothing but `sent` is known. Gives what
-- changed in the counts of each send's cohort, as core/fold.py counts.
with said as (
    select given.send_id,
           min(given.at) filter (where given.what = 'message_sent') as sent_at,
           min(given.at) filter (where given.what in ('message_delivered', 'message_read')) as delivered_at,
           min(given.at) filter (where given.what = 'message_read') as read_at,
           min(given.at) filter (where given.what = 'message_failed') as failed_at,
           (array_agg(given.code order by given.at, given.code) filter (where given.what = 'message_failed'))[1] as code,
           min(given.at) filter (where given.what = 'replied') as replied_at,
           min(given.at) filter (where given.what = 'opted_out') as opted_out_at,
           max(given.category) as category,
           max(given.pricing_type) as pricing_type
    from unnest($send_ids::bigint[], $whats::text[], $ats::timestamptz[], $codes::integer[], $categories::text[], $pricing_types::text[])
        as given (send_id, what, at, code, category, pricing_type)
    group by given.send_id
),
joined as (
    select sends.id, sends.state as state_before, sends.code as code_before, sends.replied_at as replied_before,
           sends.opted_out_at as opted_out_before,
           least(sends.sent_at, said.sent_at) as sent_at,
           least(sends.delivered_at, said.delivered_at) as delivered_at,
           least(sends.read_at, said.read_at) as read_at,
           least(sends.replied_at, said.replied_at) as replied_at,
           least(sends.opted_out_at, said.opted_out_at) as opted_out_at,
           least(sends.failed_at, said.failed_at) as failed_at,
           case
               when sends.failed_at is null or (said.failed_at, coalesce(said.code, 0)) < (sends.failed_at, coalesce(sends.code, 0)) then said.code
               else sends.code
           end as code,
           coalesce(said.category, sends.category) as category,
           coalesce(said.pricing_type, sends.pricing_type) as pricing_type
    from said
    join sends on sends.id = said.send_id
    where sends.accepted_at is not null
),
settled as (
    select joined.id, joined.state_before, joined.code_before, joined.replied_before, joined.opted_out_before,
           joined.sent_at, joined.delivered_at, joined.read_at, joined.replied_at, joined.opted_out_at, joined.category, joined.pricing_type,
           case when joined.delivered_at is null then joined.failed_at end as failed_at,
           case when joined.delivered_at is null then joined.code end as code,
           case
               when joined.read_at is not null then 'read'
               when joined.delivered_at is not null then 'delivered'
               when joined.failed_at is not null then 'failed'
               when joined.replied_at is not null then 'delivered'
               when joined.sent_at is not null then 'sent'
               else joined.state_before
           end as state
    from joined
),
slots as (
    -- Meta counts a person from delivery for 24 hours; a failed message frees its slot.
    -- Only where that is another end: reading what was delivered changes nothing.
    update budget_uses
    set until_at = slot.until_at
    from (
        select used.send_id, used.until_at as was_until_at,
               case settled.state
                   when 'failed' then greatest(used.from_at, settled.failed_at)
                   else greatest(used.from_at, coalesce(settled.delivered_at, settled.replied_at)) + interval '24 hours'
               end as until_at
        from settled
        join budget_uses as used on used.send_id = settled.id
        where settled.state in ('failed', 'delivered', 'read')
    ) as slot
    where budget_uses.send_id = slot.send_id and budget_uses.until_at <> slot.until_at
    returning budget_uses.portfolio_id, slot.was_until_at, slot.until_at
),
reopened as (
    insert into slots_reopened (portfolio_id)
    select slots.portfolio_id from slots where slots.was_until_at <= $at and slots.until_at > $at
),
moved as (
    update sends
    set state = settled.state, sent_at = settled.sent_at, delivered_at = settled.delivered_at, read_at = settled.read_at,
        failed_at = settled.failed_at, code = settled.code, replied_at = settled.replied_at, opted_out_at = settled.opted_out_at,
        category = settled.category, pricing_type = settled.pricing_type
    from settled
    where sends.id = settled.id
    returning sends.id, sends.chip_id, sends.contact_id, sends.accepted_at, sends.first_in_week, sends.kind,
              settled.state_before, settled.code_before, settled.replied_before, settled.opted_out_before,
              sends.state, sends.code, sends.replied_at, sends.opted_out_at
),
sides as (
    select id, -1 as sign, state_before as state, state_before in ('delivered', 'read') as arrived, code_before as code,
           replied_before is not null as replied, opted_out_before is not null as opted_out, first_in_week
    from moved
    union all
    select id, 1, state, state in ('delivered', 'read'), code, replied_at is not null, opted_out_at is not null, first_in_week
    from moved
),
deltas as (
    select id,
           coalesce(sum(sign) filter (where arrived), 0)::integer as delivered,
           coalesce(sum(sign) filter (where arrived and first_in_week), 0)::integer as reached,
           coalesce(sum(sign) filter (where state = 'read'), 0)::integer as read,
           coalesce(sum(sign) filter (where replied and arrived and first_in_week), 0)::integer as replied,
           coalesce(sum(sign) filter (where opted_out), 0)::integer as opted_out,
           coalesce(sum(sign) filter (where state = 'failed' and code = any($undeliverable::integer[])), 0)::integer as undeliverable,
           coalesce(sum(sign) filter (where state = 'failed' and code = any($limited::integer[])), 0)::integer as limited,
           coalesce(sum(sign) filter (where state = 'failed' and not coalesce(code = any($no_failure::integer[]), false)), 0)::integer as failed,
           coalesce(sum(sign) filter (where state = 'failed'), 0)::integer as not_taken
    from sides
    group by id
)
select moved.chip_id, moved.contact_id, moved.kind = 'campaign' as counts, date_trunc('hour', moved.accepted_at, 'UTC') as hour,
       deltas.delivered, deltas.reached, deltas.read, deltas.replied, deltas.opted_out, deltas.undeliverable, deltas.limited, deltas.failed,
       deltas.not_taken <> 0 or moved.code is distinct from moved.code_before as failure_changed
from moved
join deltas using (id)
where (deltas.delivered, deltas.reached, deltas.read, deltas.replied, deltas.opted_out, deltas.undeliverable, deltas.limited, deltas.failed,
       deltas.not_taken) <> (0, 0, 0, 0, 0, 0, 0, 0, 0)
   or moved.code is distinct from moved.code_before;

-- name: add_counts -> none
-- Adds to the counts, in the order of chip and hour, as every writer does.
insert into chip_counts (chip_id, hour, reached, delivered, read, replied, opted_out, undeliverable, limited, failed, received, conversations,
                         media, spam, warnings, calls)
select given.chip_id, given.hour, given.reached, given.delivered, given.read, given.replied, given.opted_out, given.undeliverable,
       given.limited, given.failed, given.received, given.conversations, given.media, given.spam, given.warnings, given.calls
from unnest(
    $chip_ids::bigint[], $hours::timestamptz[], $reached::integer[], $delivered::integer[], $read::integer[], $replied::integer[],
    $opted_out::integer[], $undeliverable::integer[], $limited::integer[], $failed::integer[], $received::integer[],
    $conversations::integer[], $media::integer[], $spam::integer[], $warnings::integer[], $calls::integer[]
) as given (chip_id, hour, reached, delivered, read, replied, opted_out, undeliverable, limited, failed, received, conversations, media, spam,
            warnings, calls)
order by given.chip_id, given.hour
on conflict (chip_id, hour) do update
set reached = chip_counts.reached + excluded.reached,
    delivered = chip_counts.delivered + excluded.delivered,
    read = chip_counts.read + excluded.read,
    replied = chip_counts.replied + excluded.replied,
    opted_out = chip_counts.opted_out + excluded.opted_out,
    undeliverable = chip_counts.undeliverable + excluded.undeliverable,
    limited = chip_counts.limited + excluded.limited,
    failed = chip_counts.failed + excluded.failed,
    received = chip_counts.received + excluded.received,
    conversations = chip_counts.conversations + excluded.conversations,
    media = chip_counts.media | excluded.media,
    spam = chip_counts.spam + excluded.spam,
    warnings = chip_counts.warnings + excluded.warnings,
    calls = chip_counts.calls + excluded.calls;

-- name: adopt_early -> Early
-- Statuses that came before the answer to their request, and whose send is accepted by now. Gives them once, to be applied.
-- `offset 0` keeps the look for a send apart, one for each status that waits: joined, all sends were read now and then.
update events
set (send_id, contact_id, value) = (
    select sends.id, sends.contact_id, null from sends where sends.message_id = events.value and sends.accepted_at is not null
)
where events.send_id is null
  and events.value is not null
  and events.kind in ('message_sent', 'message_delivered', 'message_read', 'message_failed')
  and events.at >= $since
  and exists (select from sends where sends.message_id = events.value and sends.accepted_at is not null offset 0)
returning events.send_id, events.contact_id, events.kind, events.at, events.code, events.body ->> 'category' as category,
          events.body ->> 'pricing_type' as pricing_type;
