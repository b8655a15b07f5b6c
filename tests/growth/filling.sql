-- A fleet that has worked for two months: 1,000 chips of 20 portfolios, 200,000 people, a million messages, ten million facts.
-- Everything is made by the database, set by set. Ids run from 1. Person n belongs to chip 1 + n % 1000, chip c to portfolio 1 + c % 20.

-- name: hurry_up -> none
-- For this session: no foreign keys are checked, and indexes may be built in memory.
select set_config('session_replication_role', 'replica', false), set_config('maintenance_work_mem', '256MB', false),
       set_config('work_mem', '64MB', false), set_config('search_path', 'warmer, pg_catalog', false);

-- name: list_indexes -> IndexRow
-- The indexes of a table that can be made again after it was filled: all but its keys'.
select pg_class.relname as name, pg_get_indexdef(pg_class.oid) as definition
from pg_index
join pg_class on pg_class.oid = pg_index.indexrelid
where pg_index.indrelid = ('warmer.' || $name::text)::regclass
  and not exists (select from pg_constraint where pg_constraint.conindid = pg_class.oid)
order by pg_class.relname;

-- name: add_owners -> none
-- Portfolios, each with one account, one approved template, one campaign and, every other one, a limit of people.
with portfolio as (
    insert into portfolios (business_id, name, messaging_limit, limit_read_at, spend_day_max, created_at)
    select 'business-' || n, 'portfolio ' || n, case when n % 2 = 0 then -1 else 100000 end, $at::timestamptz,
           case when n % 2 = 1 then 10000 end, $at - interval '90 days'
    from generate_series(1, 20) as n
    order by n
),
account as (
    insert into accounts (portfolio_id, waba_id, name, token, health, webhook_at, polled_at, created_at)
    select n, 'waba-' || n, 'account ' || n, '', 'AVAILABLE', $at, $at, $at - interval '90 days'
    from generate_series(1, 20) as n
    order by n
),
template as (
    insert into templates (account_id, template_id, name, language, category, status, quality, components, synced_at)
    select n, 'template-' || n, 'shift_invite', 'pt_BR', 'MARKETING', 'APPROVED', 'GREEN',
           '[{"type": "BODY", "text": "Olá {{1}}, há plantões novos."}]', $at
    from generate_series(1, 20) as n
    order by n
),
campaign as (
    insert into campaigns (name, portfolio_id, template, purpose, parameters, created_at)
    select 'campaign ' || n, n, 'shift_invite', 'marketing', '["{name}"]', $at - interval '90 days'
    from generate_series(1, 20) as n
    order by n
),
price as (
    insert into prices (category, amount, currency, since) values ('marketing', 0.35, 'BRL', $at::date), ('utility', 0.05, 'BRL', $at::date)
)
insert into routes (name, kind, created_at) values ('page', 'page', $at);

-- name: add_chips -> none
-- Chips at work, decided on a moment ago; every tenth is due for review.
insert into chips (
    portfolio_id, account_id, route_id, name, phone_number_id, display_phone, registered_at, created_at, started_at, status, phase,
    phase_since, ready_at, quality, quality_at, phone_status, name_status, profile_filled, pin_set, webhook_at, health, budget_day_max,
    budget_binding, budget_need, portfolio_share, eligible_people, decided_at, look_again_at, plan_again_at
)
select 1 + n % 20, 1 + n % 20, 1, 'chip ' || n, 'pn-' || n, (5511900000000 + n)::text, $at::timestamptz - interval '60 days',
       $at - interval '60 days', $at - interval '60 days', 'ready', 'operation', $at - interval '30 days', $at - interval '30 days',
       'GREEN', $at, 'CONNECTED', 'APPROVED', true, true, $at, 90, 100, 'phase', 100, 1000, 200, $at,
       case when n % 10 = 0 then $at else $at + interval '4 hours' end, $at + interval '8 hours'
from generate_series(1, 1000) as n
order by n;

-- name: add_people -> none
-- People who said yes, each with the chip that wrote to them.
insert into contacts (
    phone, phone_key, wa_id, user_id, name, zone, chip_id, assigned_at, opted_in_at, engagement, may_marketing, next_marketing_at,
    last_received_at, last_accepted_at, created_at, updated_at
)
select '+55119' || 80000000 + n, 'm:5511' || 80000000 + n, '5511' || 80000000 + n, case when n % 4 = 0 then 'BR.' || n end, 'Pessoa ' || n,
       case n % 20 when 0 then 'America/Manaus' when 1 then 'America/Cuiaba' else 'America/Sao_Paulo' end, 1 + n % 1000,
       $at::timestamptz - interval '60 days', $at - interval '61 days', (n::bigint * 7919 % 1000) / 1000.0, true,
       $at - make_interval(secs => n), case when n % 4 = 0 then $at - make_interval(secs => n) end, $at - make_interval(secs => n),
       $at - interval '61 days', $at
from generate_series(1, 200000) as n
order by n;

-- name: add_consents -> none
-- The proof of each.
insert into consents (contact_id, purpose, act, source, private, at, recorded_at, recorded_by)
select n, 'marketing', 'granted', 'form', 'sealed'::bytea, $at::timestamptz - interval '61 days',
       $at - interval '61 days', 'growth'
from generate_series(1, 200000) as n
order by n;

-- name: add_suppressions -> none
-- People who asked to stop, none of whom is a contact here.
insert into suppressions (phone_key, purpose, source, at)
select 'm:5521' || 80000000 + n, 'all', 'word', $at::timestamptz - make_interval(secs => n)
from generate_series(1, 10000) as n
order by n;

-- name: add_conversations -> none
-- Everybody was written to; one in four wrote back.
insert into conversations (chip_id, contact_id, window_until, last_received_at, last_sent_at, counted_at, waiting)
select 1 + n % 1000, n, case when n % 4 = 0 then $at::timestamptz - make_interval(secs => n) + interval '24 hours' end,
       case when n % 4 = 0 then $at - make_interval(secs => n) end, $at - make_interval(secs => n),
       case when n % 4 = 0 then $at - interval '20 days' end, n % 400 = 0
from generate_series(1, 200000) as n
order by n;

-- name: add_past_sends -> none
-- A million messages of the past, five to a person: read, delivered, failed or only taken.
insert into sends (
    chip_id, portfolio_id, contact_id, campaign_id, template_row, kind, purpose, state, plan_day, cap_day, planned_at, due_at, expires_at,
    claimed_at, claimed_by, attempts, called_at, accepted_at, message_id, sent_at, delivered_at, read_at, failed_at, code, replied_at,
    category, pricing_type
)
select who.chip_id, 1 + who.chip_id % 20, who.contact_id, 1 + who.chip_id % 20, 1 + who.chip_id % 20, 'campaign', 'marketing', what.state,
       moment.at::date, moment.at::date, moment.at - interval '3 hours', moment.at, moment.at + interval '6 hours', moment.at, 'worker', 1,
       moment.at, moment.at, 'wamid.' || n, moment.at, case when what.state <> 'failed' then moment.at + interval '3 seconds' end,
       case when what.state = 'read' then moment.at + interval '20 minutes' end,
       case when what.state = 'failed' then moment.at + interval '3 seconds' end, case when what.state = 'failed' then 131026 end,
       case when n % 4 = 0 then moment.at + interval '30 minutes' end, 'marketing', 'regular'
from generate_series(1, 1000000) as n
cross join lateral (select 1 + n % 200000 as contact_id, 1 + (1 + n % 200000) % 1000 as chip_id) as who
cross join lateral (select $at::timestamptz - interval '1 hour' - make_interval(secs => (1000000 - n) * 5.184) as at) as moment
cross join lateral (select case when n % 50 = 0 then 'failed' when n % 5 < 3 then 'read' else 'delivered' end as state) as what
order by n;

-- name: add_open_sends -> none
-- Today's: planned, many of them due, and some that are claimed, under way or unknown; an answer here and there.
insert into sends (
    chip_id, portfolio_id, contact_id, campaign_id, template_row, kind, purpose, body, state, plan_day, cap_day, planned_at, due_at,
    expires_at, claimed_at, claimed_by, lease_until, attempts, called_at, unknown_at
)
select who.chip_id, 1 + who.chip_id % 20, who.contact_id, case when who.answers then null else 1 + who.chip_id % 20 end,
       case when who.answers then null else 1 + who.chip_id % 20 end, case when who.answers then 'reply' else 'campaign' end,
       case when who.answers then 'utility' else 'marketing' end, '{}', who.state, $at::timestamptz::date,
       case when who.state <> 'planned' then $at::date end, $at - interval '3 hours', $at + make_interval(secs => n % 20000 - 3600),
       $at + interval '8 hours', case when who.state <> 'planned' then $at - interval '5 seconds' end,
       case when who.state <> 'planned' then 'worker' end, case when who.state in ('claimed', 'calling') then $at + interval '1 minute' end,
       (who.state in ('calling', 'unknown'))::int, case when who.state in ('calling', 'unknown') then $at - interval '5 seconds' end,
       case when who.state = 'unknown' then $at - interval '1 second' end
from generate_series(1, 20000) as n
cross join lateral (
    select n * 7 as contact_id, 1 + n * 7 % 1000 as chip_id, n % 101 = 0 as answers,
           case when n % 100 = 1 then 'claimed' when n % 100 = 2 then 'calling' when n % 100 = 3 then 'unknown' else 'planned' end as state
) as who
order by n;

-- name: add_attempts -> none
-- The calls behind them.
insert into attempts (id, send_id, number, worker, began_at, ended_at, outcome, http)
select md5('wamid.' || sends.id)::uuid, sends.id, 1, 'worker', sends.called_at, sends.accepted_at,
       case when sends.accepted_at is not null then 'accepted' end, case when sends.accepted_at is not null then 200 end
from sends
where sends.called_at is not null
order by sends.id;

-- name: add_slots -> none
-- The slots of all that was ever claimed.
insert into budget_uses (send_id, portfolio_id, contact_id, from_at, until_at)
select sends.id, sends.portfolio_id, sends.contact_id, sends.claimed_at, coalesce(sends.delivered_at, sends.claimed_at) + interval '24 hours'
from sends
where sends.claimed_at is not null and sends.kind = 'campaign'
order by sends.id;

-- name: make_month -> none
-- A month's events, bare; they are attached when they are filled.
create table events_filling (like events);

-- name: add_events -> none
-- Facts of the past from the nth on, three a second for 39 days: the statuses of each message's life, and what people write.
insert into events_filling (at, kind, key, chip_id, account_id, contact_id, send_id, value, body, inbox_id, recorded_at)
select told.at, told.kind, told.kind || ':wamid.' || told.n, 1 + told.contact_id % 1000, 1 + told.contact_id % 20, told.contact_id,
       case when told.n % 10 < 9 then 1 + told.n % 1000000 end, case when told.n % 10 = 9 then 'text' end, '{}', told.n / 2, told.at
from (
    select n, $last_at::timestamptz - (10000000 - n) / 3 * interval '1 second' as at, 1 + n % 200000 as contact_id,
           ('{message_sent,message_sent,message_sent,message_sent,message_delivered,message_delivered,message_delivered,message_read,'
               'message_read,message_received}'::text[])[1 + n % 10] as kind
    from generate_series($first::integer, $last::integer) as n
) as told;

-- name: add_early_events -> none
-- Statuses of messages that nobody knows: they wait for a send that may never come.
insert into events (at, kind, key, chip_id, value, body, recorded_at)
select $at::timestamptz - make_interval(secs => n), 'message_sent', 'message_sent:wamid.nobody.' || n, 1 + n % 1000, 'wamid.nobody.' || n, '{}', $at
from generate_series(1, 500) as n;

-- name: add_received -> none
-- What people wrote, all of it read by now.
insert into received (message_id, chip_id, contact_id, at, type, text)
select 'wamid.in.' || n, 1 + (1 + n * 4 % 200000) % 1000, 1 + n * 4 % 200000, $at::timestamptz - make_interval(secs => (250000 - n) * 20), 'text', ''
from generate_series(1, 250000) as n
order by n;

-- name: add_bodies -> none
-- The last days' deliveries, all of them applied.
insert into inbox (received_at, digest, body, applied_at)
select $at::timestamptz - make_interval(secs => 300000 - n), sha256(n::text::bytea), '', $at
from generate_series(1, 300000) as n
order by n;

-- name: add_counts -> none
-- What is not folded yet, of every chip by the hour, in the order of life: hour by hour.
insert into chip_counts (chip_id, hour, accepted, reached, delivered, read, replied, received, conversations, media)
select chips.id, hours.hour, 4, 4, 4, 2, 1, 1, 0, 1
from generate_series($since::timestamptz, $at::timestamptz, interval '1 hour') as hours (hour)
cross join chips
where extract(hour from hours.hour) between 11 and 22
order by 2, chips.id;

-- name: add_months -> none
-- Thirty days that are.
insert into chip_months (chip_id, folded_at, hours)
select chips.id, $folded_at::timestamptz, $hours::bytea from chips order by chips.id;

-- name: add_days -> none
-- What each chip had, could have reached and sent on each of those days.
insert into chip_days (chip_id, day, granted, reachable, accepted)
select chips.id, day::date, 100, 50, 48
from generate_series(date_trunc('day', $at::timestamptz) - interval '60 days', date_trunc('day', $at), interval '1 day') as day
cross join chips
order by 2, chips.id;

-- name: add_scores -> none
-- Two months of scores, six a day.
insert into health_log (chip_id, at, score)
select chips.id, $at::timestamptz - make_interval(hours => 4 * n), 88
from generate_series(1, 360) as n
cross join chips
order by 2, chips.id;

-- name: add_decisions -> none
-- A month of decisions, two a day.
insert into decisions (chip_id, at, policy, status, record)
select chips.id, $at::timestamptz - make_interval(hours => 12 * n), 'standard', 'ready', ''
from generate_series(1, 60) as n
cross join chips
order by 2, chips.id;
