-- People and what stands of what they allowed. Suppressions and withdrawals always win: nothing here lifts one.

-- name: wait_turn -> none
-- What an import must not overtake: erasing a person, for a batch may have looked for erased people already.
select pg_advisory_xact_lock($lock);

-- name: share_turn -> none
-- A batch of an import. Any number of them go on beside each other, for they meet new people in the order of their keys, and others by id.
select pg_advisory_xact_lock_shared($lock);

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
