-- What a person at the command line looks up: what was sent to a contact, what stands against it, and how many people there are. Read only.

-- name: count_people -> People
-- Contacts by audience: how many there are, may be written to for marketing, for utility, and belong to no chip yet.
select audience, count(*) as people,
       count(*) filter (where may_marketing and stopped_at is null and platform_stopped_at is null and undeliverable_at is null) as marketing,
       count(*) filter (where may_utility and stopped_at is null and undeliverable_at is null) as utility,
       count(*) filter (where chip_id is null) as free
from contacts
group by audience
order by audience
limit $limit;

-- name: list_suppressions -> Suppression
-- What stands against writing to a number, also when no contact is known.
select purpose, source, at
from suppressions
where lifted_at is null and phone_key = $phone_key
order by at desc
limit $limit;

-- name: list_sends -> Send
-- The sends to a contact, newest first.
select sends.id, chips.name as chip, campaigns.name as campaign, sends.kind, sends.state, sends.reason, sends.code, sends.due_at,
       sends.accepted_at, sends.delivered_at, sends.read_at, sends.replied_at
from sends
join chips on chips.id = sends.chip_id
left join campaigns on campaigns.id = sends.campaign_id
where sends.contact_id = $contact_id
order by sends.id desc
limit $limit;

-- name: list_phones -> Phone
-- The numbers of these contacts.
select id, phone from contacts where id = any($ids::bigint[]);
