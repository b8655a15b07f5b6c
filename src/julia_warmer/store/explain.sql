-- What answers "why not now": everything that a plan and a claim would look at, for one person; and how a chip came to stand as it does.

-- name: read_person -> Person
-- One person, with what stands against each purpose, and the message that is on its way, if any.
select contacts.id as contact_id, contacts.zone, contacts.audience, contacts.chip_id, contacts.may_marketing, contacts.may_utility,
       contacts.stopped_at, contacts.platform_stopped_at, contacts.undeliverable_at, contacts.cooldown_until, contacts.next_marketing_at, contacts.questioned_at, contacts.merged_into,
       (select held_source.source || ': ' || held_source.reason from held_source(contacts.id)) as held_source,
       coalesce(stands.everything, false) as suppressed_all, coalesce(stands.marketing, false) as suppressed_marketing,
       utility.sent_at as utility_sent_at,
       underway.state as open_state, underway.due_at as open_due_at, underway.chip as open_chip
from contacts
left join lateral (
    select bool_or(suppressions.purpose = 'all') as everything, bool_or(suppressions.purpose = 'marketing') as marketing
    from suppressions
    where suppressions.lifted_at is null
      and (suppressions.phone_key = contacts.phone_key or suppressions.user_id = contacts.user_id)
) as stands on true
left join lateral (
    -- the message of the last day that leaves no room for another one
    select sends.accepted_at as sent_at
    from sends
    where sends.contact_id = contacts.id and sends.kind = 'campaign' and sends.purpose = 'utility'
      and sends.accepted_at > $at::timestamptz - interval '1 day'
    order by sends.accepted_at desc
    offset greatest($utility_1d_max::integer - 1, 0)
    limit 1
) as utility on true
left join lateral (
    select sends.state, sends.due_at, chips.name as chip
    from sends
    join chips on chips.id = sends.chip_id
    where sends.contact_id = contacts.id and sends.kind = 'campaign' and sends.state in ('planned', 'claimed', 'calling', 'unknown')
    order by sends.id desc
    limit 1
) as underway on true
where contacts.phone_key = $phone_key;

-- name: list_ways -> Way
-- By which chip and campaign a person could be written to at all: the person's own chip, or, for who belongs to none, every chip of a
-- portfolio that has a campaign for this audience; with what stands in the way of each.
select chips.id as chip_id, chips.name as chip, chips.zone as chip_zone, chips.status as chip_status, chips.phone_status, chips.pauses,
       chips.budget_day_max, chips.budget_binding,
       (select count(*) from sends
        where sends.chip_id = chips.id and sends.kind = 'campaign' and sends.cap_day = ($at::timestamptz at time zone chips.zone)::date
       )::integer as used_today,
       portfolios.messaging_limit,
       (select count(distinct budget_uses.contact_id) from budget_uses
        where budget_uses.portfolio_id = portfolios.id and budget_uses.until_at > $at)::integer as people_used,
       exists (select from budget_uses
               where budget_uses.portfolio_id = portfolios.id and budget_uses.contact_id = $contact_id and budget_uses.until_at > $at
       ) as has_slot,
       (select min(budget_uses.until_at) from budget_uses
        where budget_uses.portfolio_id = portfolios.id and budget_uses.until_at > $at) as slot_free_at,
       campaigns.name as campaign, campaigns.status as campaign_status, campaigns.purpose, campaigns.priority, campaigns.repeat_after_d,
       (select max(hit.at) from campaign_hits as hit
        where hit.campaign_id = campaigns.id and hit.contact_id = $contact_id and hit.at < 'infinity') as hit_at,
       exists (select from campaign_hits as hit
               where hit.campaign_id = campaigns.id and hit.contact_id = $contact_id and hit.at = 'infinity') as unsettled,
       campaigns.template, templates.status as template_status, lower(templates.category) as template_purpose,
       array(
           select stops.scope || ': ' || stops.reason
           from stops
           where stops.released_at is null
             and (stops.scope = 'everything'
                  or stops.scope = 'portfolio' and stops.target_id = chips.portfolio_id
                  or stops.scope = 'account' and stops.target_id = chips.account_id
                  or stops.scope = 'chip' and stops.target_id = chips.id
                  or stops.scope = 'campaign' and stops.target_id = campaigns.id
                  or stops.scope = 'template' and stops.target_id = templates.id)
           order by stops.id
       ) as stops,
       (select max(throttles.until_at) from throttles
        where throttles.until_at > $at
          and (throttles.scope = 'app'
               or throttles.scope = 'account' and throttles.target_id = chips.account_id
               or throttles.scope = 'chip' and throttles.target_id = chips.id)) as throttled_until
from campaigns
join chips on chips.portfolio_id = campaigns.portfolio_id and (campaigns.chip_id is null or campaigns.chip_id = chips.id)
join portfolios on portfolios.id = chips.portfolio_id
left join templates on templates.account_id = chips.account_id and templates.name = campaigns.template and templates.language = campaigns.language
where campaigns.audience = $audience
  and campaigns.status <> 'ended'
  and ($home_chip_id::bigint is null or chips.id = $home_chip_id)
order by campaigns.priority, campaigns.id, chips.id
limit $limit;

-- name: read_last_decision -> Decided
-- The last decision about a chip up to a moment, as it was recorded.
select decisions.at, decisions.policy, decisions.record
from decisions
where decisions.chip_id = $chip_id and decisions.at <= $at
order by decisions.at desc, decisions.id desc
limit 1;

-- name: list_changes -> Changed
-- What decisions changed about a chip, the latest first.
select decisions.at, decisions.changes, decisions.record
from decisions
where decisions.chip_id = $chip_id and decisions.at <= $at and decisions.changes <> '{}'
order by decisions.at desc, decisions.id desc
limit $limit;
