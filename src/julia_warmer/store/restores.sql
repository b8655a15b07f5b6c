-- After a restore: what the database forgot is put back as `unknown`, under the ids that travelled with the requests.

-- name: read_identity -> UUID
-- Which database this is. A backup of it is the same one.
select identity.id from identity;

-- name: lock_comparison -> none
-- One process at a time compares and puts back.
select pg_advisory_xact_lock(hashtext('warmer.compare_journal'));

-- name: find_forgotten -> UUID
-- Of these attempts those that the database does not know.
select given.id
from unnest($attempt_ids::uuid[]) as given (id)
where not exists (select from attempts where attempts.id = given.id);

-- name: find_forgotten_stops -> int
-- Of these requests to stop those that no suppression tells of, open or lifted, under any of their names.
select given.ordinal
from unnest($ordinals::integer[], $phone_keys::text[], $hashed_keys::text[], $user_ids::text[], $hashed_ids::text[], $sources::text[],
            $ats::timestamptz[]) as given (ordinal, phone_key, hashed_key, user_id, hashed_id, source, at)
where not exists (
    select from suppressions
    where suppressions.source = given.source and suppressions.at = given.at
      and (suppressions.phone_key in (given.phone_key, given.hashed_key) or suppressions.user_id in (given.user_id, given.hashed_id))
)
order by given.ordinal;

-- name: find_forgotten_erasures -> int
-- Of these erasures those that no suppression tells of, open or lifted.
select given.ordinal
from unnest($ordinals::integer[], $persons::text[], $ats::timestamptz[]) as given (ordinal, person, at)
where not exists (
    select from suppressions
    where suppressions.source = 'erasure' and suppressions.phone_key = given.person and suppressions.at = given.at
)
order by given.ordinal;

-- name: list_keys -> Key
-- The canonical keys of contacts, after one of them: an erased person is found among them by the hash alone.
select contacts.id, contacts.phone_key
from contacts
where contacts.id > $after and contacts.erased_at is null
order by contacts.id
limit $limit;

-- name: add_lost_people -> none
-- People to whom something was sent and whom the database forgot: without consent they are never written to, and keep what was sent.
insert into contacts (phone, phone_key, zone, created_at, updated_at)
select distinct on (given.phone_key) given.phone, given.phone_key, chips.zone, $at::timestamptz, $at
from unnest($phones::text[], $phone_keys::text[], $phone_number_ids::text[]) as given (phone, phone_key, phone_number_id)
join chips on chips.phone_number_id = given.phone_number_id
order by given.phone_key
on conflict (phone_key) do nothing;

-- name: put_back -> PutBack
-- Makes forgotten attempts known again. Their send, if it is there, becomes `unknown`, else a new one stands for it; whoever it went to is
-- not written to by the same campaign again, holds a slot for a day from the attempt, and counts as unknown in the hour of the attempt.
with entry as materialized (
    select given.attempt_id, given.at, given.worker, given.kind, chips.id as chip_id, chips.portfolio_id, chips.zone,
           contacts.id as contact_id, campaigns.id as campaign_id, coalesce(campaigns.purpose, 'marketing') as purpose, given.send_id
    from unnest(
        $attempt_ids::uuid[], $ats::timestamptz[], $send_ids::bigint[], $phone_keys::text[], $phone_number_ids::text[],
        $campaign_ids::bigint[], $kinds::text[], $workers::text[]
    ) as given (attempt_id, at, send_id, phone_key, phone_number_id, campaign_id, kind, worker)
    join chips on chips.phone_number_id = given.phone_number_id
    join contacts on contacts.phone_key = given.phone_key
    left join campaigns on campaigns.id = given.campaign_id and campaigns.portfolio_id = chips.portfolio_id
    where not exists (select from attempts where attempts.id = given.attempt_id)
),
message as materialized (
    select entry.send_id, entry.chip_id, entry.portfolio_id, entry.contact_id, entry.campaign_id, entry.kind, entry.purpose, entry.zone,
           max(entry.at) as called_at, count(*)::int as attempts,
           (select sends.id from sends
            where sends.id = entry.send_id and sends.chip_id = entry.chip_id and sends.contact_id = entry.contact_id
              and sends.kind = entry.kind and sends.campaign_id is not distinct from entry.campaign_id and sends.accepted_at is null and sends.state <> 'unknown') as known_id
    from entry
    group by entry.send_id, entry.chip_id, entry.portfolio_id, entry.contact_id, entry.campaign_id, entry.kind, entry.purpose, entry.zone
),
again as (
    update sends
    set state = 'unknown', reason = $reason, attempts = sends.attempts + message.attempts, unknown_at = $at, called_at = message.called_at,
        failed_at = null, code = null,
        claimed_at = coalesce(sends.claimed_at, message.called_at), claimed_by = null, lease_until = null,
        cap_day = case when message.kind = 'campaign' then (message.called_at at time zone message.zone)::date end
    from message
    where sends.id = message.known_id
    returning sends.id, sends.contact_id, sends.chip_id, sends.kind, message.send_id, message.called_at
),
fresh as (
    insert into sends (chip_id, portfolio_id, contact_id, campaign_id, kind, purpose, state, reason, plan_day, cap_day, planned_at, due_at,
                       expires_at, claimed_at, called_at, unknown_at, body)
    select message.chip_id, message.portfolio_id, message.contact_id, message.campaign_id, message.kind, message.purpose, 'unknown', $reason,
           (message.called_at at time zone message.zone)::date,
           case when message.kind = 'campaign' then (message.called_at at time zone message.zone)::date end,
           message.called_at, message.called_at, message.called_at + interval '1 day', message.called_at, message.called_at, $at,
           jsonb_build_object('forgotten', message.send_id)
    from message
    where message.known_id is null
    order by message.called_at, message.send_id
    returning sends.id, sends.contact_id, sends.chip_id, sends.kind, (sends.body ->> 'forgotten')::bigint as send_id, sends.called_at
),
back as (
    select again.id, again.contact_id, again.chip_id, again.kind, again.send_id, again.called_at from again
    union all
    select fresh.id, fresh.contact_id, fresh.chip_id, fresh.kind, fresh.send_id, fresh.called_at from fresh
),
written as (
    insert into attempts (id, send_id, number, worker, began_at, outcome, details)
    select entry.attempt_id, back.id,
           (coalesce((select max(attempts.number) from attempts where attempts.send_id = back.id), 0)
            + row_number() over (partition by back.id order by entry.at))::int,
           entry.worker, entry.at, 'unclear', $reason
    from entry
    join back on back.send_id = entry.send_id and back.chip_id = entry.chip_id and back.contact_id = entry.contact_id
    returning attempts.id
),
slots as (
    insert into budget_uses (send_id, portfolio_id, contact_id, from_at, until_at)
    select back.id, chips.portfolio_id, back.contact_id, back.called_at, back.called_at + interval '24 hours'
    from back
    join chips on chips.id = back.chip_id
    where back.kind = 'campaign'
    on conflict (send_id) do update set until_at = greatest(budget_uses.until_at, excluded.until_at)
    returning budget_uses.portfolio_id
),
reopened as (
    insert into slots_reopened (portfolio_id) select distinct slots.portfolio_id from slots
),
counted as (
    insert into chip_counts (chip_id, hour, unknown)
    select back.chip_id, date_trunc('hour', back.called_at, 'UTC') as hour, count(*)
    from back
    where back.kind = 'campaign'
    group by 1, 2
    order by 1, 2
    on conflict (chip_id, hour) do update set unknown = chip_counts.unknown + excluded.unknown
)
select (select count(*) from written)::int as attempts, (select count(*) from again)::int as sends_found,
       (select count(*) from fresh)::int as sends_made;

-- name: cancel_planned -> int
-- What was planned before a restore may have been sent in the time that the database forgot: it is planned anew, or answered anew.
with cancelled as (
    update sends
    set state = 'cancelled', reason = $reason, claimed_by = null, lease_until = null, cap_day = null
    where sends.state in ('planned', 'claimed')
    returning sends.id
),
freed as (
    update budget_uses set until_at = $at from cancelled where budget_uses.send_id = cancelled.id and budget_uses.until_at > $at
)
select count(*)::int from cancelled;

-- name: plan_anew -> none
-- Every chip's plan is made again.
update chips set plan_again_at = null where chips.status in ('warming', 'ready', 'active');

-- name: presume_written -> int
-- Counts everybody on its list as written to by each campaign that stood, if no send says what came of them: nobody knows.
with presumed as (
    insert into sends (chip_id, portfolio_id, contact_id, campaign_id, kind, purpose, state, reason, plan_day, planned_at, due_at, expires_at,
                       failed_at)
    select home.id, campaigns.portfolio_id, contacts.id, campaigns.id, 'campaign', campaigns.purpose, 'failed', $reason,
           ($at::timestamptz at time zone home.zone)::date, $at, $at, $at, $at
    from campaigns
    join contacts on contacts.audience = campaigns.audience
    cross join lateral (
        select chips.id, chips.zone
        from chips
        where chips.portfolio_id = campaigns.portfolio_id
          and (contacts.chip_id is null or chips.id = contacts.chip_id)
          and (campaigns.chip_id is null or chips.id = campaigns.chip_id)
        order by chips.id
        limit 1
    ) as home
    where campaigns.status <> 'ended'
      and not exists (
          select from campaign_hits where campaign_hits.campaign_id = campaigns.id and campaign_hits.contact_id = contacts.id
      )
    returning sends.id
)
select count(*)::int from presumed;

-- name: count_unknown -> int
-- Sends of which nobody knows what came of them.
select count(*)::int from sends where sends.state = 'unknown';

-- name: find_release -> datetime
-- When a person last let sending go on after a restore. Reads the whole log: for the rare moment when a message is strange.
select max(audit_log.at) as at from audit_log where audit_log.what = 'released after a restore';
