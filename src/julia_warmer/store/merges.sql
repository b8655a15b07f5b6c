-- Two contacts that turn out to be one person: all that counts goes to the one that stays, the other stands beside it and points to it.
-- The ledger only grows: what the other one's rows say is said again for the one that stays, each row with a reference to the first.

-- name: list_kin -> Kin
-- The contacts that are the same person as each of these, but for itself: the one they were merged into, and the others that were.
select one.id as contact_id, kin.id as kin_id
from contacts as one
join contacts as kin on kin.merged_into = one.id
where one.id = any($ids::bigint[])
union
select one.id, kin.id
from contacts as one
join contacts as kin on kin.id = one.merged_into or kin.merged_into = one.merged_into
where one.id = any($ids) and one.merged_into is not null and kin.id <> one.id
order by 1, 2;

-- name: drop_user_ids -> Dropped
-- Each user id is one contact's: those who go give theirs away. Gives what they had.
with had as (
    select contacts.id, contacts.phone_key, contacts.user_id from contacts where contacts.id = any($ids::bigint[])
),
dropped as (
    update contacts set user_id = null from had where contacts.id = had.id and contacts.id <> $into::bigint
)
select had.id, had.phone_key, had.user_id from had order by had.id;

-- name: carry_contact -> none
-- The one that stays is whoever they were together: every stop, the longest wait, the newest sign of life.
update contacts
set user_id = coalesce($user_id::text, contacts.user_id),
    name = coalesce(contacts.name, group_of.name),
    chip_id = coalesce(contacts.chip_id, group_of.chip_id),
    assigned_at = coalesce(contacts.assigned_at, group_of.assigned_at),
    scored = group_of.scored,
    stopped_at = group_of.stopped_at,
    platform_stopped_at = group_of.platform_stopped_at,
    questioned_at = group_of.questioned_at,
    cooldown_until = group_of.cooldown_until,
    next_marketing_at = group_of.next_marketing_at,
    last_received_at = group_of.last_received_at,
    last_accepted_at = group_of.last_accepted_at,
    undeliverable_at = case when contacts.merged_into is null then contacts.undeliverable_at end,   -- they are back at this number
    merged_into = null,
    updated_at = $at
from (
    select (array_agg(member.name order by member.updated_at desc) filter (where member.name is not null))[1] as name,
           (array_agg(member.chip_id order by member.assigned_at desc nulls last) filter (where member.chip_id is not null))[1] as chip_id,
           max(member.assigned_at) as assigned_at, bool_and(member.scored) as scored, max(member.stopped_at) as stopped_at,
           max(member.platform_stopped_at) as platform_stopped_at, min(member.questioned_at) as questioned_at,
           max(member.cooldown_until) as cooldown_until, max(member.next_marketing_at) as next_marketing_at,
           max(member.last_received_at) as last_received_at, max(member.last_accepted_at) as last_accepted_at
    from contacts as member
    where member.id = any($ids::bigint[])
) as group_of
where contacts.id = $into::bigint;

-- name: leave_contacts -> none
-- The others are that person's too: nothing is sent to them, as to any number that was left.
update contacts
set merged_into = $into::bigint, undeliverable_at = $at, may_marketing = false, may_utility = false, updated_at = $at
where contacts.id = any($ids::bigint[]) and contacts.id <> $into;

-- name: carry_consents -> int
-- What the others granted and withdrew, said again for the one that stays, at its own time and by its own way. Of two words of one moment the
-- withdrawal counts: it is written last, and no grant is carried to the moment of a withdrawal. Gives how many rows.
with said as (
    select consents.id, consents.purpose, consents.act, consents.source, consents.text_digest, consents.at, consents.zone
    from consents
    where consents.contact_id = any($ids::bigint[]) and consents.contact_id <> $into::bigint
      and not exists (
          select from consents as own
          where own.contact_id = $into and own.purpose = consents.purpose and own.at = consents.at
            and (own.act = 'withdrawn' and consents.act = 'granted'
                 or own.act = consents.act and own.source = consents.source and own.text_digest is not distinct from consents.text_digest)
      )
),
added as (
    insert into consents (contact_id, purpose, act, source, text_digest, refers_to, at, zone, recorded_at, recorded_by)
    select $into, said.purpose, said.act, said.source, said.text_digest, said.id, said.at, said.zone, $at, $by
    from said
    order by said.at, said.act = 'withdrawn', said.id
    returning id
)
select count(*) from added;

-- name: carry_suppressions -> none
-- What was suppressed under any of their names is suppressed under those of the one that stays.
insert into suppressions (phone_key, user_id, purpose, source, at)
select distinct stays.phone_key, stays.user_id, suppressions.purpose, suppressions.source, suppressions.at
from suppressions
cross join contacts as stays
where stays.id = $into::bigint and suppressions.lifted_at is null
  and (suppressions.phone_key = any($phone_keys::text[]) or suppressions.user_id = any($user_ids::text[]))
  and not exists (
      select from suppressions as same
      where same.lifted_at is null and same.phone_key = stays.phone_key and same.user_id is not distinct from stays.user_id
        and (same.purpose, same.source, same.at) = (suppressions.purpose, suppressions.source, suppressions.at)
  );

-- name: carry_sends -> int
-- Their sends count against the caps of the one that stays. One whose request is under way stays where it is while both have one.
update sends
set contact_id = $into::bigint
where sends.contact_id = any($ids::bigint[]) and sends.contact_id <> $into
  and (sends.state not in ('planned', 'claimed', 'calling')
       or sends.state = 'calling' and not exists (
           select from sends as other
           where other.contact_id = any($ids) and other.id <> sends.id and other.kind = sends.kind and other.state = 'calling'
       ))
returning sends.id;

-- name: carry_slots -> none
-- Their places in the moving 24 hours are one person's.
update budget_uses set contact_id = $into::bigint where budget_uses.send_id = any($send_ids::bigint[]);

-- name: carry_received -> none
-- What they wrote.
update received set contact_id = $into::bigint where received.contact_id = any($ids::bigint[]) and received.contact_id <> $into;

-- name: carry_events -> none
-- What happened.
update events set contact_id = $into::bigint where events.contact_id = any($ids::bigint[]) and events.contact_id <> $into;

-- name: carry_questions -> none
-- What was asked about them.
update questions
set contact_id = $into::bigint
where questions.contact_id = any($ids::bigint[]) and questions.contact_id <> $into
  and not exists (select from questions as same where same.contact_id = $into and same.message_id = questions.message_id);

-- name: carry_requests -> none
-- What they asked about their data.
update requests set contact_id = $into::bigint where requests.contact_id = any($ids::bigint[]) and requests.contact_id <> $into;

-- name: carry_conversations -> none
-- Their conversations, one for each chip.
with gone as (
    delete from conversations
    where conversations.contact_id = any($ids::bigint[]) and conversations.contact_id <> $into::bigint
    returning conversations.chip_id, conversations.window_until, conversations.last_received_at, conversations.last_sent_at,
              conversations.counted_at, conversations.waiting
)
insert into conversations (chip_id, contact_id, window_until, last_received_at, last_sent_at, counted_at, waiting)
select gone.chip_id, $into, max(gone.window_until), max(gone.last_received_at), max(gone.last_sent_at), max(gone.counted_at),
       bool_or(gone.waiting)
from gone
group by gone.chip_id
order by gone.chip_id
on conflict (chip_id, contact_id) do update
set window_until = greatest(conversations.window_until, excluded.window_until),
    last_received_at = greatest(conversations.last_received_at, excluded.last_received_at),
    last_sent_at = greatest(conversations.last_sent_at, excluded.last_sent_at),
    counted_at = greatest(conversations.counted_at, excluded.counted_at),
    waiting = conversations.waiting or excluded.waiting;

-- name: spread_stops -> Stopped
-- Stops of contacts that were merged, found under a name that has just become known, hold for the one that stays.
update contacts
set stopped_at = greatest(contacts.stopped_at, stop.stopped_at),
    platform_stopped_at = greatest(contacts.platform_stopped_at, stop.platform_stopped_at),
    updated_at = $at
from (
    select member.merged_into as id, max(member.stopped_at) as stopped_at, max(member.platform_stopped_at) as platform_stopped_at
    from contacts as member
    where member.id = any($ids::bigint[]) and member.merged_into is not null
    group by member.merged_into
) as stop
where contacts.id = stop.id
returning contacts.id, case when contacts.stopped_at is null then 'marketing' else 'all' end as purpose;

-- name: find_root -> int
-- Who a contact is now: itself, or the one it was merged into.
select coalesce(contacts.merged_into, contacts.id) from contacts where contacts.id = $id;

-- name: follow_merges -> int
-- Sends whose request was under way while their people became one: settled by now, they count for the one that stays.
update sends
set contact_id = contacts.merged_into
from contacts
where contacts.merged_into is not null and sends.contact_id = contacts.id and sends.accepted_at is not null
  and sends.state not in ('planned', 'claimed', 'calling')
returning sends.id;
