-- All that is held about a person, table by table, for whoever has the right to know it. Read only; each list is bounded.

-- name: read_person -> Person
-- The contact itself, with every field but the key to its evidence.
select contacts.id, contacts.phone, contacts.phone_key, contacts.wa_id, contacts.user_id, contacts.name, contacts.zone, contacts.audience,
       chips.name as chip, contacts.assigned_at, contacts.opted_in_at, contacts.engagement, contacts.scored, contacts.may_marketing,
       contacts.may_utility, contacts.stopped_at, contacts.platform_stopped_at, contacts.undeliverable_at, contacts.cooldown_until,
       contacts.cooldowns, contacts.next_marketing_at, contacts.last_received_at, contacts.last_accepted_at, contacts.created_at,
       contacts.updated_at, contacts.erased_at
from contacts
left join chips on chips.id = contacts.chip_id
where contacts.id = $contact_id;

-- name: list_sent -> Sent
-- What was sent to them or planned, newest first, and what became of it.
select sends.id, sends.kind, sends.purpose, chips.name as chip, campaigns.name as campaign, templates.name as template, sends.state,
       sends.reason, sends.code, sends.body, sends.canary, sends.message_id, sends.planned_at, sends.due_at, sends.accepted_at, sends.sent_at,
       sends.delivered_at, sends.read_at, sends.failed_at, sends.replied_at, sends.opted_out_at
from sends
join chips on chips.id = sends.chip_id
left join campaigns on campaigns.id = sends.campaign_id
left join templates on templates.id = sends.template_row
where sends.contact_id = $contact_id
order by sends.id desc
limit $limit;

-- name: list_written -> Written
-- What they wrote, newest first, sealed.
select received.at, chips.name as chip, received.type, received.text, received.details, received.routed_at
from received
join chips on chips.id = received.chip_id
where received.contact_id = $contact_id
order by received.at desc
limit $limit;

-- name: list_facts -> Fact
-- What happened to them and our messages, newest first.
select events.at, events.kind, events.value, events.code, events.recorded_at
from events
where events.contact_id = $contact_id
order by events.at desc, events.kind
limit $limit;

-- name: list_talks -> Talk
-- The conversations with them.
select chips.name as chip, conversations.window_until, conversations.last_received_at, conversations.last_sent_at, conversations.waiting
from conversations
join chips on chips.id = conversations.chip_id
where conversations.contact_id = $contact_id
order by conversations.chip_id;

-- name: read_rest -> Rest
-- What is held beside: webhook bodies that name them, places in the moving 24 hours, requests to the platform.
select (select count(distinct events.inbox_id) from events join inbox on inbox.id = events.inbox_id where events.contact_id = $contact_id)::int
           as deliveries,
       (select count(*) from budget_uses join sends on sends.id = budget_uses.send_id where sends.contact_id = $contact_id)::int as slots,
       (select count(*) from attempts join sends on sends.id = attempts.send_id where sends.contact_id = $contact_id)::int as attempts;

-- name: read_engagement -> Engagement
-- What the score of a contact is made of.
select contacts.id, contacts.engagement, contacts.scored, history.delivered, history.replied
from contacts
cross join lateral (
    select count(*)::int as delivered, count(sends.replied_at)::int as replied
    from sends
    where sends.contact_id = contacts.id and sends.accepted_at is not null and sends.kind = 'campaign' and sends.state in ('delivered', 'read')
) as history
where contacts.id = $contact_id;

-- name: set_scored -> none
-- Whether a contact is scored. Switched off, nothing is known of them; switched on again, what they answered counts from the start.
update contacts
set scored = $scored,
    engagement = case when $scored then $replied::int / ($weight::float8 + $delivered::int) else 0 end,
    updated_at = $at
where id = $contact_id and erased_at is null;
