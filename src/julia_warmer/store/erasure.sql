-- The erasure of a person: every name becomes its keyed hash or goes, every text goes; what was sent and proved stays, and names nobody.
-- The hashes are made by the caller, who has the key: rows are read, hashed and written back. Contacts are locked by then.

-- name: lock_erasable -> Erasable
-- These contacts with all their names, locked in the order of their ids.
select contacts.id, contacts.phone, contacts.phone_key, contacts.wa_id, contacts.user_id, contacts.erased_at
from contacts
where contacts.id = any($ids::bigint[])
order by contacts.id
for no key update;

-- name: note_hash_key -> none
-- Which key the keyed hashes are made with: that of the first.
update identity set hash_check = $hash_check where identity.hash_check is null;

-- name: read_hash_key -> str
-- Which key the keyed hashes are made with, if there are any.
select identity.hash_check from identity;

-- name: list_erased_keys -> str
-- The hashed keys of everybody who was erased and must not come back.
select contacts.phone_key from contacts where contacts.erased_at is not null;

-- name: list_erased -> int
-- Everybody who was erased, after a contact.
select contacts.id from contacts where contacts.erased_at is not null and contacts.id > $after order by contacts.id limit $limit;

-- name: add_erased -> int
-- A person of whom nothing was held: the hash alone, so that nothing is ever held.
insert into contacts (
    phone, phone_key, wa_id, zone, audience, scored, stopped_at, erased_at, secret, created_at, updated_at
)
values ('', $phone_key, $wa_id, $zone, '', false, $at, $at, null, $at, $at)
on conflict (phone_key) do nothing
returning id;

-- name: erase_contacts -> none
-- The contacts without anything of the person. A hash that stands for somebody erased before is not given twice: that row is found by it.
update contacts
set phone = '',
    phone_key = case
        when exists (select from contacts as other where other.phone_key = given.phone_key and other.id <> given.id) then 'e:' || given.id
        else given.phone_key
    end,
    wa_id = given.wa_id,
    user_id = case
        when not exists (select from contacts as other where other.user_id = given.user_id and other.id <> given.id) then given.user_id
    end,
    name = null, zone = $zone, audience = '', chip_id = null, assigned_at = null, opted_in_at = null, engagement = 0, scored = false,
    may_marketing = false, may_utility = false, stopped_at = $at, platform_stopped_at = null, undeliverable_at = null,
    cooldown_until = null, cooldowns = 0, questioned_at = null, merged_into = null, next_marketing_at = null, last_received_at = null, last_accepted_at = null,
    secret = null, erased_at = $at, updated_at = $at
from unnest($ids::bigint[], $phone_keys::text[], $wa_ids::text[], $user_ids::text[]) as given (id, phone_key, wa_id, user_id)
where contacts.id = given.id;

-- name: list_suppressions -> Suppressed
-- All suppressions under these names, lifted ones too. Reads the whole list, as an erasure is rare.
select suppressions.id, suppressions.phone_key, suppressions.user_id
from suppressions
where suppressions.phone_key = any($phone_keys::text[]) or suppressions.user_id = any($user_ids::text[])
order by suppressions.id;

-- name: name_suppressions -> none
-- Suppressions under other names.
update suppressions
set phone_key = given.phone_key, user_id = given.user_id
from unnest($ids::bigint[], $phone_keys::text[], $user_ids::text[]) as given (id, phone_key, user_id)
where suppressions.id = given.id;

-- name: list_facts -> Fact
-- Facts about these contacts that still have their own keys, in the order of time.
select events.at, events.kind, events.key, events.value
from events
where events.contact_id = any($ids::bigint[]) and events.key not like '%:h:%'
order by events.at, events.kind, events.key
limit $limit;

-- name: name_facts -> none
-- Facts under other keys, with what of their body counts and names nobody.
update events
set key = given.new_key,
    value = given.new_value,
    body = (
        select coalesce(jsonb_object_agg(part.key, part.value), '{}') from jsonb_each(events.body) as part where part.key = any($kept::text[])
    )
from unnest($ats::timestamptz[], $kinds::text[], $keys::text[], $new_keys::text[], $new_values::text[])
    as given (at, kind, key, new_key, new_value)
where events.at = given.at and events.kind = given.kind and events.key = given.key;

-- name: empty_deliveries -> int
-- The webhook bodies that brought facts about these contacts, emptied: each may name others too, whose facts are all written by now.
-- Their digests stay, so that the same delivery does nothing again.
update inbox
set body = $nothing
where inbox.id in (select events.inbox_id from events where events.contact_id = any($ids::bigint[])) and inbox.applied_at is not null
returning inbox.id;

-- name: list_received -> str
-- The messages of these contacts.
select received.message_id from received where received.contact_id = any($ids::bigint[]);

-- name: empty_received -> none
-- Messages without their words, under other ids; none is on its way to a webhook any more.
update received
set message_id = given.new_id, text = null, details = null, route_next_at = null, route_error = null
from unnest($message_ids::text[], $new_ids::text[]) as given (message_id, new_id)
where received.message_id = given.message_id;

-- name: empty_sends -> int
-- What was said to these contacts, and what the platform told of each try. Reads all sends: not each has an index by its person.
with emptied as (
    update sends set body = '{}' where sends.contact_id = any($ids::bigint[]) returning sends.id
),
untold as (
    update attempts set details = null from emptied where attempts.send_id = emptied.id and attempts.details is not null
)
select emptied.id from emptied;

-- name: list_message_ids -> MessageId
-- The platform's own ids of messages to these contacts. They hold the number, in base64.
select sends.id, sends.message_id
from sends
where sends.contact_id = any($ids::bigint[]) and sends.accepted_at is not null and sends.message_id not like 'h:%';

-- name: name_messages -> none
-- Messages under other ids.
update sends
set message_id = given.message_id
from unnest($ids::bigint[], $message_ids::text[]) as given (id, message_id)
where sends.id = given.id;

-- name: forget_questions -> none
-- What they may have asked: the words are gone, and they have stopped anyway.
delete from questions where questions.contact_id = any($ids::bigint[]) or questions.user_id = any($user_ids::text[]);

-- name: settle_conversations -> none
-- Nobody waits for an answer any more.
update conversations set waiting = false where conversations.contact_id = any($ids::bigint[]) and conversations.waiting;

-- name: list_quarantined -> Item
-- What could not be used and is kept, sealed, after a row.
select quarantine.id, quarantine.item
from quarantine
where quarantine.item is not null and quarantine.id > $after
order by quarantine.id
limit $limit;

-- name: empty_quarantined -> none
-- Items without what they said.
update quarantine set item = null, reason = $reason where quarantine.id = any($ids::bigint[]);

-- name: empty_requests -> none
-- A person's requests, without what they say of the person; those for erasure that were open are done by it.
update requests
set said = null,
    answer = null,
    contact_id = coalesce(requests.contact_id, $contact_id),
    outcome = case when requests.kind = 'erasure' then coalesce(requests.outcome, 'done') else requests.outcome end,
    closed_at = case when requests.kind = 'erasure' then coalesce(requests.closed_at, $at) else requests.closed_at end,
    closed_by = case when requests.kind = 'erasure' then coalesce(requests.closed_by, $by) else requests.closed_by end
where requests.person = $person or requests.contact_id = $contact_id;

-- name: withdraw_all -> none
-- The erasure in the ledger: nothing that these contacts ever allowed stands.
insert into consents (contact_id, purpose, act, source, at, recorded_at, recorded_by)
select given.id, purposes.purpose, 'withdrawn', 'erasure', $at, $at, $by
from unnest($ids::bigint[]) as given (id)
join (values ('marketing'), ('utility')) as purposes (purpose) on true
where exists (select from consents where consents.contact_id = given.id and consents.purpose = purposes.purpose)
order by given.id, purposes.purpose;

-- name: suppress_erased -> none
-- Nothing is ever sent to these hashes.
insert into suppressions (phone_key, user_id, purpose, source, at)
select contacts.phone_key, contacts.user_id, 'all', 'erasure', $at
from contacts
where contacts.id = any($ids::bigint[])
order by contacts.id;

-- name: note_erasures -> none
-- Erasures of people whose hash was known already: that nothing is sent to them, from each of these moments.
insert into suppressions (phone_key, purpose, source, at)
select given.person, 'all', 'erasure', given.at
from unnest($persons::text[], $ats::timestamptz[]) as given (person, at)
order by given.at;

-- name: let_back -> none
-- Contacts whose erasure does not stand against their number any more: nothing leads from it to them.
update contacts
set phone_key = 'e:' || contacts.id, wa_id = null, user_id = null, updated_at = $at
where contacts.erased_at is not null and contacts.phone_key = $phone_key;
