-- People and what they allowed, as an import writes it. Suppressions and withdrawals always win: nothing here lifts one.

-- name: wait_turn -> none
-- Imports come one after another: two that hold the same people could wait for each other for ever.
select pg_advisory_xact_lock($lock);

-- name: list_suppressed -> Suppressed
-- Which of these people must not be written to, and for what; by phone, or by the user id of the contact that has this phone.
select given.phone_key, bool_or(stop.purpose = 'all') as everything
from unnest($phone_keys::text[]) as given (phone_key)
cross join lateral (
    select suppressions.purpose
    from suppressions
    where suppressions.phone_key = given.phone_key and suppressions.lifted_at is null
    union all
    select suppressions.purpose
    from contacts
    join suppressions on suppressions.user_id = contacts.user_id and suppressions.lifted_at is null
    where contacts.phone_key = given.phone_key
    union all
    select 'all' from contacts where contacts.phone_key = given.phone_key and contacts.stopped_at is not null
    union all
    select 'marketing' from contacts where contacts.phone_key = given.phone_key and contacts.platform_stopped_at is not null
) as stop
group by given.phone_key;

-- name: add_contacts -> str
-- New people, allowed nothing yet; gives the keys of those who were new. In the order of their keys, so that two writers meet in one order.
insert into contacts (phone, phone_key, name, zone, audience, created_at, updated_at)
select given.phone, given.phone_key, given.name, given.zone, given.audience, $at, $at
from unnest($phones::text[], $phone_keys::text[], $names::text[], $zones::text[], $audiences::text[])
    as given (phone, phone_key, name, zone, audience)
order by given.phone_key
on conflict (phone_key) do nothing
returning phone_key;

-- name: lock_contacts -> Known
-- The people of these keys, locked in the order of their ids, as every writer does; with what their sealed fields open by.
select contacts.id, contacts.phone_key, contacts.secret
from contacts
join unnest($phone_keys::text[]) as given (phone_key) using (phone_key)
order by contacts.id
for no key update of contacts;

-- name: change_contacts -> int
-- Name, audience and zone where the file says another one; a cell left empty (null) changes nothing. Gives the ids that changed.
update contacts
set name = coalesce(given.name, contacts.name),
    audience = coalesce(given.audience, contacts.audience),
    zone = coalesce(given.zone, contacts.zone),
    updated_at = $at
from unnest($phone_keys::text[], $names::text[], $audiences::text[], $zones::text[]) as given (phone_key, name, audience, zone)
where contacts.phone_key = given.phone_key
  and (coalesce(given.name, contacts.name), coalesce(given.audience, contacts.audience), coalesce(given.zone, contacts.zone))
      is distinct from (contacts.name, contacts.audience, contacts.zone)
returning contacts.id;

-- name: add_grants -> int
-- Appends the grants that the ledger does not hold yet; gives the ids of the people who got one.
insert into consents (contact_id, purpose, act, source, text_digest, private, at, zone, recorded_at, recorded_by)
select contacts.id, given.purpose, 'granted', given.source, given.text_digest, given.private, given.granted_at, contacts.zone, $at, $by
from unnest($ids::bigint[], $purposes::text[], $sources::text[], $texts::bytea[], $privates::bytea[], $granted_ats::timestamptz[])
    as given (contact_id, purpose, source, text_digest, private, granted_at)
join contacts on contacts.id = given.contact_id
where not exists (
    select from consents
    where consents.contact_id = contacts.id
      and consents.purpose = given.purpose
      and consents.act = 'granted'
      and consents.at = given.granted_at
      and consents.source = given.source
      and consents.text_digest is not distinct from given.text_digest
)
order by contacts.id
returning contact_id;

-- name: refresh_standing -> none
-- What stands of the ledger for these people: the latest act of each purpose, unless a stop or a suppression is open.
with latest as (
    select distinct on (consents.contact_id, consents.purpose) consents.contact_id, consents.purpose, consents.act, consents.at
    from consents
    where consents.contact_id = any($ids::bigint[])
    order by consents.contact_id, consents.purpose, consents.at desc, consents.id desc
),
standing as (
    select contact_id,
           coalesce(bool_or(act = 'granted') filter (where purpose = 'marketing'), false) as marketing,
           coalesce(bool_or(act = 'granted') filter (where purpose = 'utility'), false) as utility,
           max(at) filter (where act = 'granted') as granted_at
    from latest
    group by contact_id
),
stopped as (
    select contacts.id,
           bool_or(suppressions.purpose = 'all') as everything
    from contacts
    join suppressions on suppressions.lifted_at is null
        and (suppressions.phone_key = contacts.phone_key or suppressions.user_id = contacts.user_id)
    where contacts.id = any($ids::bigint[])
    group by contacts.id
)
update contacts
set may_marketing = standing.marketing and contacts.merged_into is null and stopped.id is null and contacts.stopped_at is null and contacts.platform_stopped_at is null,
    may_utility = standing.utility and contacts.merged_into is null and not coalesce(stopped.everything, false) and contacts.stopped_at is null,
    opted_in_at = greatest(contacts.opted_in_at, standing.granted_at),
    updated_at = $at
from standing
left join stopped on stopped.id = standing.contact_id
where contacts.id = standing.contact_id;

-- name: read_contact -> Contact
-- One person by canonical key, with what stands and why not.
select contacts.id, contacts.phone, contacts.phone_key, contacts.wa_id, contacts.user_id, contacts.name, contacts.zone, contacts.audience,
       contacts.chip_id, chips.name as chip, contacts.assigned_at, contacts.opted_in_at, contacts.may_marketing, contacts.may_utility,
       contacts.stopped_at, contacts.platform_stopped_at, contacts.undeliverable_at, contacts.cooldown_until, contacts.next_marketing_at,
       contacts.last_received_at, contacts.last_accepted_at, contacts.created_at,
       exists (
           select from suppressions
           where suppressions.lifted_at is null
             and (suppressions.phone_key = contacts.phone_key or suppressions.user_id = contacts.user_id)
       ) as suppressed
from contacts
left join chips on chips.id = contacts.chip_id
where contacts.phone_key = $phone_key;

-- name: list_consents -> ConsentRow
-- The ledger of one person, newest first.
select consents.id, consents.purpose, consents.act, consents.source, consent_texts.body as text_shown, consent_texts.version as text_version,
       consents.private, consents.refers_to, contacts.secret, consents.at, consents.zone, consents.recorded_at, consents.recorded_by
from consents
join contacts on contacts.id = consents.contact_id
left join consent_texts on consent_texts.digest = consents.text_digest
where consents.contact_id = $contact_id
order by consents.at desc, consents.id desc
limit $limit;
