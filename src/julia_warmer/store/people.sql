-- What people do and what becomes known of them: opt-outs, the platform's own names for them, whether they can be reached.
-- Every statement that changes contacts is called with their locks taken, in the order of their ids.

-- name: plan_by_index -> str
-- For this transaction: plans are made by index, whatever the statistics are. A plan is kept, and one that was made while there were few
-- contacts would read all of them for each STOP once there are a million.
select set_config('enable_seqscan', 'off', true);

-- name: find_people -> Found
-- Contacts by anything that names a person, best first: canonical phone key, the platform's form of the phone, business-scoped user id.
select found.ordinal, found.id, found.rank
from (
    select given.ordinal::integer as ordinal, contacts.id, 1 as rank
    from unnest($phone_keys::text[]) with ordinality as given (phone_key, ordinal)
    join contacts using (phone_key)
    union all
    select given.ordinal::integer, contacts.id, 2
    from unnest($wa_ids::text[]) with ordinality as given (wa_id, ordinal)
    join contacts using (wa_id)
    union all
    select given.ordinal::integer, contacts.id, 3
    from unnest($user_ids::text[]) with ordinality as given (user_id, ordinal)
    join contacts using (user_id)
) as found
order by found.ordinal, found.rank, found.id;

-- name: lock_people -> Person
-- Locks these contacts in the order of their ids, and says how the platform names them.
select id, phone_key, wa_id, user_id, undeliverable_at is not null as is_undeliverable, erased_at is not null as is_erased, secret
from contacts
where id = any($ids::bigint[])
order by id
for no key update;

-- name: lock_free_people -> Person
-- The same, but for those whom somebody else holds: nobody is waited for.
select id, phone_key, wa_id, user_id, undeliverable_at is not null as is_undeliverable, erased_at is not null as is_erased, secret
from contacts
where id = any($ids::bigint[])
order by id
for no key update skip locked;

-- name: add_strangers -> none
-- People who wrote to us first. They may be answered; nothing is allowed beyond that, and an open stop stays one.
insert into contacts (phone, phone_key, wa_id, user_id, name, zone, stopped_at, created_at, updated_at)
select given.phone, given.phone_key, given.wa_id,
       case when not exists (select from contacts as other where other.user_id = given.user_id) then given.user_id end,
       given.name, given.zone,
       (
           select max(suppressions.at)
           from suppressions
           where suppressions.phone_key = given.phone_key and suppressions.lifted_at is null and suppressions.purpose = 'all'
       ),
       $at, $at
from unnest($phones::text[], $phone_keys::text[], $wa_ids::text[], $user_ids::text[], $names::text[], $zones::text[])
    as given (phone, phone_key, wa_id, user_id, name, zone)
order by given.phone_key
on conflict do nothing;

-- name: list_recorded -> int
-- Which of these opt-outs the ledger holds already: the same person, act, source and moment. They have no effect again.
select given.ordinal
from unnest($ordinals::integer[], $contact_ids::bigint[], $sources::text[], $ats::timestamptz[]) as given (ordinal, contact_id, source, at)
where exists (
    select from consents
    where consents.contact_id = given.contact_id
      and consents.act = 'withdrawn'
      and consents.purpose = 'marketing'
      and consents.source = given.source
      and consents.at = given.at
);

-- name: add_withdrawals -> none
-- Appends the withdrawals to the ledger: for everything, one row for each purpose.
insert into consents (contact_id, purpose, act, source, private, at, zone, recorded_at, recorded_by)
select distinct on (given.contact_id, purposes.purpose, given.source, given.at)
       given.contact_id, purposes.purpose, 'withdrawn', given.source, given.private, given.at, contacts.zone, $at, $by
from unnest($contact_ids::bigint[], $purposes::text[], $sources::text[], $privates::bytea[], $ats::timestamptz[])
    as given (contact_id, purpose, source, private, at)
join contacts on contacts.id = given.contact_id
join (values ('marketing'), ('utility')) as purposes (purpose) on given.purpose in ('all', purposes.purpose)
order by given.contact_id, purposes.purpose, given.source, given.at;

-- name: add_suppressions -> none
-- Whom not to write to, by both names; also when no contact is known. The same one that is open already is not written twice.
insert into suppressions (phone_key, user_id, purpose, source, at)
select distinct given.phone_key, given.user_id, given.purpose, given.source, given.at
from unnest($phone_keys::text[], $user_ids::text[], $purposes::text[], $sources::text[], $ats::timestamptz[])
    as given (phone_key, user_id, purpose, source, at)
where case
    when given.phone_key is not null then not exists (
        select from suppressions
        where suppressions.phone_key = given.phone_key and suppressions.lifted_at is null
          and (suppressions.purpose, suppressions.source, suppressions.at) = (given.purpose, given.source, given.at)
          and (given.user_id is null or suppressions.user_id = given.user_id)
    )
    else given.user_id is not null and not exists (
        select from suppressions
        where suppressions.user_id = given.user_id and suppressions.lifted_at is null
          and (suppressions.purpose, suppressions.source, suppressions.at) = (given.purpose, given.source, given.at)
    )
end;

-- name: stop_people -> none
-- Marks who asked to stop: a person's own word for everything, or WhatsApp's switch, which is kept apart and covers marketing only.
update contacts
set stopped_at = greatest(contacts.stopped_at, given.stopped_at),
    platform_stopped_at = greatest(contacts.platform_stopped_at, given.platform_stopped_at),
    updated_at = $at
from (
    select said.contact_id,
           max(said.at) filter (where said.purpose = 'all' and not said.by_platform) as stopped_at,
           max(said.at) filter (where said.by_platform) as platform_stopped_at
    from unnest($contact_ids::bigint[], $purposes::text[], $by_platform::boolean[], $ats::timestamptz[])
        as said (contact_id, purpose, by_platform, at)
    group by said.contact_id
) as given
where contacts.id = given.contact_id;

-- name: cancel_sends -> int
-- Takes back what was planned or claimed for people who asked to stop: marketing only, or all of it but the one confirmation. Gives the ids.
with given as (
    select contact_id, purpose from unnest($contact_ids::bigint[], $purposes::text[]) as given (contact_id, purpose)
),
planned as (
    -- apart by kind, for there is an index of open ones for each
    select sends.id
    from given
    join sends on sends.contact_id = given.contact_id and sends.kind = 'campaign' and sends.state in ('planned', 'claimed')
        and given.purpose in ('all', sends.purpose)
    union all
    select sends.id
    from given
    join sends on sends.contact_id = given.contact_id and sends.kind = 'reply' and sends.state in ('planned', 'claimed')
        and given.purpose in ('all', sends.purpose) and (sends.confirms_at is null or $confirmations::boolean)
),
open as (
    select sends.id
    from sends
    join planned using (id)
    where sends.state in ('planned', 'claimed')
    order by sends.id
    for no key update of sends
),
freed as (
    update budget_uses set until_at = least(budget_uses.until_at, greatest(budget_uses.from_at, $at))
    from open
    where budget_uses.send_id = open.id
)
update sends
set state = 'cancelled', reason = $reason, cap_day = null, lease_until = null
from open
where sends.id = open.id and sends.state in ('planned', 'claimed')
returning sends.id;

-- name: list_calling -> CallOf
-- Sends to these people whose request may be under way at this moment.
select id, contact_id from sends where contact_id = any($contact_ids::bigint[]) and state = 'calling' order by id;

-- name: count_calling -> int
-- How many of these sends still wait for the answer to their request.
select count(*) from sends where id = any($ids::bigint[]) and state = 'calling';

-- name: name_people -> none
-- How the platform names these contacts: the newest form of the phone, the business-scoped user id unless it is another contact's.
update contacts
set wa_id = coalesce(given.wa_id, contacts.wa_id),
    user_id = case
        when given.user_id is null or exists (select from contacts as other where other.user_id = given.user_id) then contacts.user_id
        else given.user_id
    end,
    updated_at = $at
from unnest($contact_ids::bigint[], $wa_ids::text[], $user_ids::text[]) as given (contact_id, wa_id, user_id)
where contacts.id = given.contact_id;

-- name: stop_suppressed -> Stopped
-- Contacts among these for whom a suppression is open by a name that has just become known, and who are not stopped yet.
update contacts
set stopped_at = coalesce(contacts.stopped_at, stop.own_at),
    platform_stopped_at = coalesce(contacts.platform_stopped_at, stop.platform_at),
    updated_at = $at
from (
    select people.id,
           max(suppressions.at) filter (where suppressions.purpose = 'all') as own_at,
           max(suppressions.at) filter (where suppressions.source in ('platform', 'code')) as platform_at
    from contacts as people
    join suppressions on suppressions.lifted_at is null
        and (suppressions.phone_key = people.phone_key or suppressions.user_id = people.user_id)
    where people.id = any($ids::bigint[])
    group by people.id
) as stop
where contacts.id = stop.id
  and (contacts.stopped_at is null and stop.own_at is not null or contacts.platform_stopped_at is null and stop.platform_at is not null)
returning contacts.id, case when contacts.stopped_at is null then 'marketing' else 'all' end as purpose;

-- name: list_switches -> Switch
-- The last position of WhatsApp's marketing switch for each of these people, by the facts' own time; a stop wins over a resume of that moment.
select distinct on (contact_id) contact_id, at, kind = 'opt_in_resumed' as resumed
from events
where contact_id = any($contact_ids::bigint[])
  and at >= $since
  and (kind = 'opt_in_resumed' or kind = 'opt_out_requested' and value in ('platform', 'code'))
order by contact_id, at desc, kind desc;

-- name: resume_marketing -> int
-- The switch is on again: ends the platform's stop and its suppressions, and nothing that the person said. Gives those who had one.
with resumed as (
    update contacts
    set platform_stopped_at = null, updated_at = $at
    from unnest($contact_ids::bigint[], $ats::timestamptz[]) as given (contact_id, at)
    where contacts.id = given.contact_id and contacts.platform_stopped_at <= given.at
    returning contacts.id, contacts.phone_key, contacts.user_id, given.at as resumed_at
),
lifted as (
    update suppressions
    set lifted_at = resumed.resumed_at, lifted_why = 'the person switched marketing on again in WhatsApp'
    from resumed
    where suppressions.lifted_at is null
      and suppressions.source in ('platform', 'code')
      and suppressions.at <= resumed.resumed_at
      and (suppressions.phone_key = resumed.phone_key or suppressions.user_id = resumed.user_id)
)
select id from resumed order by id;

-- name: grant_again -> none
-- The grant that the platform's stop had interrupted stands again, with its text, unless the person withdrew it in their own words.
insert into consents (contact_id, purpose, act, source, text_digest, refers_to, at, zone, recorded_at, recorded_by)
select given.contact_id, 'marketing', 'granted', 'platform', own.text_digest, own.id, given.at, own.zone, $at, 'whatsapp'
from unnest($contact_ids::bigint[], $ats::timestamptz[]) as given (contact_id, at)
cross join lateral (
    select consents.id, consents.act, consents.text_digest, consents.zone
    from consents
    where consents.contact_id = given.contact_id and consents.purpose = 'marketing'
      and not (consents.act = 'withdrawn' and consents.source in ('platform', 'code'))
    order by consents.at desc, consents.id desc
    limit 1
) as own
where own.act = 'granted'
order by given.contact_id;

-- name: grant_signup -> int
-- People who signed up on the page that WhatsApp hosts for us: a grant for marketing, with the sign-up and what it said then as its proof. Gives their ids.
insert into consents (contact_id, purpose, act, source, text_digest, private, at, zone, recorded_at, recorded_by)
select given.contact_id, 'marketing', 'granted', 'signup', given.text_digest, given.private, given.at, contacts.zone, $at, 'whatsapp'
from unnest($contact_ids::bigint[], $text_digests::bytea[], $privates::bytea[], $ats::timestamptz[])
    as given (contact_id, text_digest, private, at)
join contacts on contacts.id = given.contact_id
order by given.contact_id
returning contact_id;

-- name: lift_stops -> none
-- A new grant ends the stops that came before it.
with lifted as (
    update contacts
    set stopped_at = null, platform_stopped_at = null, updated_at = $at
    from unnest($contact_ids::bigint[], $ats::timestamptz[]) as given (contact_id, at)
    where contacts.id = given.contact_id
      and coalesce(contacts.stopped_at, given.at) <= given.at
      and coalesce(contacts.platform_stopped_at, given.at) <= given.at
    returning contacts.phone_key, contacts.user_id, given.at as granted_at
)
update suppressions
set lifted_at = lifted.granted_at, lifted_why = $why
from lifted
where suppressions.lifted_at is null
  and suppressions.at <= lifted.granted_at
  and (suppressions.phone_key = lifted.phone_key or suppressions.user_id = lifted.user_id);

-- name: warm_people -> none
-- How engaged people are, but for those who objected to it: the mean reply rate to be expected of them, after what has just become known. What they were imported with weighs
-- like so many messages. Taken from sums, so that the order of the facts does not matter.
update contacts
set engagement = least(1, greatest(0,
        (contacts.engagement * ($weight::float8 + history.delivered - given.delivered) + given.replied) / ($weight::float8 + history.delivered)
    )),
    updated_at = $at
from unnest($contact_ids::bigint[], $delivered::integer[], $replied::integer[]) as given (contact_id, delivered, replied)
cross join lateral (
    select count(*) as delivered
    from sends
    where sends.contact_id = given.contact_id and sends.accepted_at is not null and sends.kind = 'campaign' and sends.state in ('delivered', 'read')
) as history
where contacts.id = given.contact_id and contacts.scored;

-- name: judge_reachability -> none
-- Whether these people can be reached, worked out anew from their messages: undeliverable (131026) until something arrives or they write; no
-- marketing for a day after a per-user limit (131049), twice as long with each one since the last message that arrived.
update contacts
set undeliverable_at = case when judged.undeliverable_at > coalesce(judged.reached_at, '-infinity') then judged.undeliverable_at end,
    cooldowns = judged.limits,
    cooldown_until = judged.limited_at + least($cooldown_h::float8 * 2 ^ (judged.limits - 1), $cooldown_h_max::float8) * interval '1 hour',
    updated_at = $at
from (
    select people.id, past.undeliverable_at, greatest(past.delivered_at, people.last_received_at) as reached_at, limits.limits, limits.limited_at
    from contacts as people
    cross join lateral (
        select max(sends.failed_at) filter (where sends.state = 'failed' and sends.code = any($undeliverable::integer[])) as undeliverable_at,
               max(sends.delivered_at) as delivered_at,
               max(sends.accepted_at) filter (where sends.state in ('delivered', 'read')) as last_taken_at
        from sends
        where sends.contact_id = people.id and sends.accepted_at is not null
    ) as past
    cross join lateral (
        select count(*) as limits, max(sends.failed_at) as limited_at
        from sends
        where sends.contact_id = people.id and sends.accepted_at > coalesce(past.last_taken_at, '-infinity')
          and sends.state = 'failed' and sends.code = any($limited::integer[])
    ) as limits
    where people.id = any($ids::bigint[])
) as judged
where contacts.id = judged.id;

-- name: hear_people -> none
-- When these people last wrote or called.
update contacts
set last_received_at = greatest(contacts.last_received_at, given.at), updated_at = $at
from (
    select heard.contact_id, max(heard.at) as at
    from unnest($contact_ids::bigint[], $ats::timestamptz[]) as heard (contact_id, at)
    group by heard.contact_id
) as given
where contacts.id = given.contact_id;

-- name: move_person -> MovedPerson
-- A person has another number: the contact goes along, unless the new number is another contact's already. `taken` is that contact.
with other as (
    select id from contacts where phone_key = $phone_key and id <> $contact_id
),
moved as (
    update contacts
    set phone = coalesce($phone, contacts.phone), phone_key = coalesce($phone_key, contacts.phone_key), wa_id = coalesce($wa_id, contacts.wa_id),
        user_id = coalesce($user_id, contacts.user_id), updated_at = $at
    where contacts.id = $contact_id and not exists (select from other)
    returning contacts.id
)
select (select id from moved) as moved, (select id from other) as taken;

-- name: copy_suppressions -> none
-- What was suppressed under the old names is suppressed under the new ones.
insert into suppressions (phone_key, user_id, purpose, source, at)
select distinct $new_phone_key::text, $new_user_id::text, suppressions.purpose, suppressions.source, suppressions.at
from suppressions
where suppressions.lifted_at is null
  and (suppressions.phone_key = $phone_key or suppressions.user_id = $user_id)
  and ($new_phone_key::text is not null or $new_user_id::text is not null)
  and (suppressions.phone_key, suppressions.user_id) is distinct from ($new_phone_key::text, $new_user_id::text);

-- name: leave_number -> none
-- The person of this contact has gone to the number of another contact: nothing is sent to the old one.
update contacts set undeliverable_at = $at, user_id = null, updated_at = $at where id = $contact_id;
