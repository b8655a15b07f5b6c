-- What people and dashboards look at. Read only; every list is bounded and goes on from where the last page ended.

-- name: read_ready -> Ready
-- Whether the workers live, and how much waits for them.
select (select max(last_run) from pgqueuer_schedules) as worker_at,
       (select min(received_at) from inbox where applied_at is null) as inbox_since,
       (select count(*) from stops where released_at is null and scope = 'everything') as stopped;

-- name: list_chips -> Chip
-- Chips by id, with today's count in the chip's own calendar. A filter that is null filters nothing.
select chips.id, chips.name, chips.portfolio_id, chips.account_id, chips.route_id, chips.phone_number_id, chips.display_phone, chips.zone,
       chips.registered_at, chips.started_at, chips.ready_at, chips.status, chips.phase, chips.phase_since, chips.paused_from, chips.pauses,
       chips.speed, chips.slow_until, chips.quality, chips.quality_at, chips.phone_status, chips.name_status, chips.verified_name,
       chips.webhook_at, chips.health, chips.budget_day_max, chips.budget_binding, chips.policy, chips.decided_at, chips.look_again_at,
       chips.portfolio_share, chips.eligible_people, chips.clamp, coalesce(chip_days.accepted, 0) as accepted_today
from chips
left join chip_days on chip_days.chip_id = chips.id and chip_days.day = ($at::timestamptz at time zone chips.zone)::date
where ($id::bigint is null or chips.id = $id)
  and ($name::text is null or chips.name = $name)
  and ($status::text is null or chips.status = $status)
  and ($portfolio_id::bigint is null or chips.portfolio_id = $portfolio_id)
  and chips.id > $after
order by chips.id
limit $limit;

-- name: find_chip -> int
-- The id of a chip by its id or, when that is null, by its name.
select id from chips where id = $id or ($id::bigint is null and name = $name::text);

-- name: list_health -> HealthEntry
-- The scores of a chip, newest first.
select at, score from health_log
where chip_id = $chip_id and at < $before and at >= $since
order by at desc
limit $limit;

-- name: read_health -> Health
-- A chip's last score up to a moment, with the decision that it was for; that is kept for a shorter time.
select health_log.at, health_log.score, decisions.record
from health_log
left join decisions on decisions.chip_id = health_log.chip_id and decisions.at = health_log.at
where health_log.chip_id = $chip_id and health_log.at <= $at
order by health_log.at desc, decisions.id desc
limit 1;

-- name: list_decisions -> DecisionEntry
-- What was decided for a chip, newest first.
select id, at, policy, changes, record from decisions
where chip_id = $chip_id and id < $before
order by id desc
limit $limit;

-- name: count_chips -> StatusCount
-- How many chips stand where.
select status, phase, count(*) as chips from chips group by status, phase order by status, phase;

-- name: count_messages -> MessageCounts
-- What became of the messages of the last day and the last week, by the hour in which they were accepted. The older hours are folded.
select coalesce(sum(accepted), 0) as accepted, coalesce(sum(reached), 0) as reached, coalesce(sum(delivered), 0) as delivered,
       coalesce(sum(read), 0) as read, coalesce(sum(replied), 0) as replied, coalesce(sum(opted_out), 0) as opted_out,
       coalesce(sum(undeliverable), 0) as undeliverable, coalesce(sum(limited), 0) as limited, coalesce(sum(held), 0) as held,
       coalesce(sum(failed), 0) as failed, coalesce(sum(unknown), 0) as unknown, coalesce(sum(received), 0) as received
from (
    select hour, accepted, reached, delivered, read, replied, opted_out, undeliverable, limited, held, failed, unknown, received from chip_counts
    union all
    select hour, accepted, reached, delivered, read, replied, opted_out, undeliverable, limited, held, failed, unknown, received from fleet_counts
) as counts
where hour >= $since;

-- name: count_open -> OpenCounts
-- What waits for a person or for a worker.
select (select count(*) from alerts where closed_at is null) as alerts,
       (select count(*) from stops where released_at is null) as stops,
       (select count(*) from conversations where waiting) as conversations,
       (select count(*) from sends where state = 'unknown') as unknown_sends,
       (select count(*) from sends where state = 'planned') as planned_sends,
       (select count(*) from inbox where applied_at is null) as inbox,
       (select count(*) from quarantine where settled_at is null) as quarantine;

-- name: list_portfolios -> Portfolio
-- Portfolios by id, with how many people hold a slot of the moving 24 hours now.
select portfolios.id, portfolios.business_id, portfolios.name, portfolios.messaging_limit, portfolios.limit_read_at,
       portfolios.spend_day_max, portfolios.created_at,
       (
           select count(distinct budget_uses.contact_id) from budget_uses
           where budget_uses.portfolio_id = portfolios.id and budget_uses.from_at <= $at and budget_uses.until_at > $at
       ) as slots_used
from portfolios
where portfolios.id > $after
order by portfolios.id
limit $limit;

-- name: list_accounts -> AccountView
-- Accounts by id; their tokens stay where they are.
select id, portfolio_id, waba_id, name, health, polled_at, templates_synced_at, webhook_at, created_at
from accounts
where id > $after
order by id
limit $limit;

-- name: list_templates -> Template
-- Templates by id, of one account or of all.
select id, account_id, template_id, name, language, category, status, quality, paused_at, synced_at
from templates
where ($account_id::bigint is null or account_id = $account_id) and id > $after
order by id
limit $limit;

-- name: list_campaigns -> Campaign
-- Campaigns by id.
select id, name, portfolio_id, chip_id, template, language, purpose, audience, parameters, priority, status, ttl_h, repeat_after_d, created_at
from campaigns
where id > $after
order by id
limit $limit;

-- name: list_routes -> Route
-- Routes by id; their secrets stay where they are.
select routes.id, routes.name, routes.kind, routes.url, routes.created_at,
       (select count(*) from chips where chips.route_id = routes.id) as chips
from routes
where routes.id > $after
order by routes.id
limit $limit;

-- name: list_stops -> Stop
-- Stops, newest first; only those that are open, or all.
select id, scope, target_id, reason, by, at, released_at, released_by, released_why
from stops
where (released_at is null or not $open_only::boolean) and id < $before
order by id desc
limit $limit;

-- name: list_alerts -> Alert
-- Alerts, newest first; only those that are open, or all.
select alerts.id, alerts.at, alerts.chip_id, chips.name as chip, alerts.rule, alerts.level, alerts.text, alerts.closed_at, alerts.closed_by
from alerts
left join chips on chips.id = alerts.chip_id
where (alerts.closed_at is null or not $open_only::boolean) and alerts.id < $before
order by alerts.id desc
limit $limit;

-- name: list_conversations -> Conversation
-- Conversations by the person's last message, newest first; only those that wait for an answer, or all.
select conversations.chip_id, chips.name as chip, conversations.contact_id, contacts.phone, contacts.name, conversations.window_until,
       conversations.last_received_at, conversations.last_sent_at, conversations.waiting
from conversations
join chips on chips.id = conversations.chip_id
join contacts on contacts.id = conversations.contact_id
where (conversations.waiting or not $waiting_only::boolean)
  and conversations.last_received_at is not null
  and (conversations.last_received_at, conversations.chip_id, conversations.contact_id)
      < ($before_at::timestamptz, $before_chip::bigint, $before_contact::bigint)
order by conversations.last_received_at desc, conversations.chip_id desc, conversations.contact_id desc
limit $limit;

-- name: list_messages -> Message
-- What a person and a chip wrote to each other, newest first: their messages sealed, ours as they were put together.
select said.at, said.by_person, said.type, said.sealed, said.body, said.state
from (
    select received.at, true as by_person, received.type, received.text as sealed, null::jsonb as body, null::text as state
    from received
    where received.chip_id = $chip_id and received.contact_id = $contact_id
    union all
    select coalesce(sends.accepted_at, sends.planned_at), false, sends.kind, null, sends.body, sends.state
    from sends
    where sends.chip_id = $chip_id and sends.contact_id = $contact_id and (sends.kind = 'reply' or sends.accepted_at is not null)
) as said
order by said.at desc
limit $limit;

-- name: list_unknown -> UnknownSend
-- Sends of which nobody knows whether Meta took them, by id.
select sends.id, sends.chip_id, chips.name as chip, sends.contact_id, contacts.phone, sends.campaign_id, sends.kind, sends.called_at,
       sends.unknown_at, sends.reason
from sends
join chips on chips.id = sends.chip_id
join contacts on contacts.id = sends.contact_id
where sends.state = 'unknown' and sends.id > $after
order by sends.id
limit $limit;

-- name: list_prices -> Price
-- What a message of each category costs.
select category, amount, currency, since from prices order by category limit $limit;
