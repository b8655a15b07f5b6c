-- Rows made by the database itself, set by set, in fresh databases: identities run from 1 in the order of the rows.

-- name: add_portfolios -> none
-- So many portfolios, each with one account, one approved template and one campaign. -1: no limit of people.
with portfolio as (
    insert into portfolios (business_id, name, messaging_limit, limit_read_at, created_at)
    select 'business-' || n, 'portfolio ' || n, $messaging_limit::integer, $at::timestamptz, $at::timestamptz - interval '90 days'
    from generate_series(1, $number::integer) as n
    order by n
    returning id
),
account as (
    insert into accounts (portfolio_id, waba_id, name, token, health, webhook_at, polled_at, created_at)
    select n, 'waba-' || n, 'account ' || n, $token::bytea, 'AVAILABLE', $at, $at, $at - interval '90 days'
    from generate_series(1, $number) as n
    order by n
    returning id
),
template as (
    insert into templates (account_id, template_id, name, language, category, status, quality, components, synced_at)
    select n, 'template-' || n, 'shift_invite', 'pt_BR', 'MARKETING', 'APPROVED', 'GREEN',
           '[{"type": "BODY", "text": "Olá {{1}}, há plantões novos."}]', $at
    from generate_series(1, $number) as n
    order by n
    returning id
),
campaign as (
    insert into campaigns (name, portfolio_id, template, purpose, parameters, created_at)
    select 'campaign ' || n, n, 'shift_invite', 'marketing', '["{name}"]', $at - interval '90 days'
    from generate_series(1, $number) as n
    order by n
    returning id
)
insert into routes (name, kind, created_at) values ('page', 'page', $at);

-- name: add_chips -> none
-- Chips in every phase with sends, dealt evenly over the portfolios, healthy and decided on a moment ago.
insert into chips (
    portfolio_id, account_id, route_id, name, phone_number_id, display_phone, registered_at, created_at, started_at, status, phase,
    phase_since, ready_at, quality, quality_at, phone_status, name_status, profile_filled, pin_set, webhook_at, health, budget_day_max,
    budget_binding, budget_need, portfolio_share, eligible_people, decided_at, look_again_at
)
select 1 + (n - 1) % $portfolios::integer, 1 + (n - 1) % $portfolios, 1, 'chip ' || n, 'pn-' || n, (5511900000000 + n)::text,
       $at::timestamptz - make_interval(days => age.days), $at - make_interval(days => age.days), $at - make_interval(days => age.days),
       age.status, age.phase, $at - make_interval(days => age.in_phase),
       case when age.status = 'ready' then $at - make_interval(days => age.in_phase) end,
       'GREEN', $at, 'CONNECTED', 'APPROVED', true, true, $at, 90, $budget::integer, 'phase', $budget, $budget, 1000, $at, $at
from generate_series(1, $number::integer) as n
join (
    values (0, 'warming', 'first_contacts', 7, 3), (1, 'warming', 'expansion', 14, 6), (2, 'warming', 'pre_operation', 20, 6),
           (3, 'ready', 'operation', 40, 15)
) as age (turn, status, phase, days, in_phase) on age.turn = n % 4
order by n;

-- name: add_people -> none
-- People who said yes to marketing, with the proof; most of them in São Paulo's time.
with person as (
    insert into contacts (phone, phone_key, wa_id, name, zone, opted_in_at, engagement, may_marketing, created_at, updated_at)
    select '+55119' || 80000000 + n, 'm:5511' || 80000000 + n, '5511' || 80000000 + n, 'Pessoa ' || n,
           case n % 20 when 0 then 'America/Manaus' when 1 then 'America/Cuiaba' else 'America/Sao_Paulo' end,
           $at::timestamptz - make_interval(mins => (1440 + n::bigint * 7919 % 80000)::int), (n::bigint * 7919 % 1000) / 1000.0, true,
           $at - interval '90 days', $at - interval '90 days'
    from generate_series(1, $number::integer) as n
    order by n
    returning id, opted_in_at
)
insert into consents (contact_id, purpose, act, source, private, at, recorded_at, recorded_by)
select person.id, 'marketing', 'granted', 'form', 'sealed'::bytea, person.opted_in_at,
       person.opted_in_at, 'benchmark'
from person
order by person.id;

-- name: add_past -> none
-- Messages of the past: one for each of the first people, by a chip that they belong to since, delivered, most of them read.
with past as (
    insert into sends (
        chip_id, portfolio_id, contact_id, campaign_id, template_row, kind, purpose, state, plan_day, cap_day, planned_at, due_at, expires_at,
        claimed_at, attempts, called_at, accepted_at, message_id, sent_at, delivered_at, read_at
    )
    select chips.id, chips.portfolio_id, n, chips.portfolio_id, chips.portfolio_id, 'campaign', 'marketing',
           case when n % 5 < 3 then 'read' else 'delivered' end, moment.at::date, moment.at::date, moment.at, moment.at,
           moment.at + interval '6 hours', moment.at, 1, moment.at, moment.at, 'wamid.past.' || n, moment.at + interval '1 second',
           moment.at + interval '3 seconds', case when n % 5 < 3 then moment.at + interval '20 minutes' end
    from generate_series(1, $number::integer) as n
    join chips on chips.id = 1 + n % $chips::integer
    cross join lateral (select $at::timestamptz - interval '10 days' - make_interval(secs => n % 1500000) as at) as moment
    order by n
    returning id, contact_id, chip_id, accepted_at
)
update contacts
set chip_id = past.chip_id, assigned_at = past.accepted_at, last_accepted_at = past.accepted_at,
    next_marketing_at = past.accepted_at + interval '7 days'
from past
where contacts.id = past.contact_id;

-- name: add_due -> int
-- Planned messages that are due at this moment, one for each of these people, dealt out over the chips. Gives their ids' first.
with due as (
    insert into sends (
        chip_id, portfolio_id, contact_id, campaign_id, template_row, kind, purpose, plan_day, planned_at, due_at, expires_at
    )
    select chips.id, chips.portfolio_id, n, chips.portfolio_id, chips.portfolio_id, 'campaign', 'marketing', $at::timestamptz::date,
           $at - interval '3 hours', $at - make_interval(secs => (n::bigint * 7919 % 3600)), $at + interval '6 hours'
    from generate_series($first::integer, $first + $number::integer - 1) as n
    join chips on chips.id = 1 + n % $chips::integer
    order by n
    returning id
)
select min(due.id) from due;

-- name: add_out -> none
-- Messages that the platform took within the last hour, with everything that acceptance leaves: attempt, slot, counts, conversation.
with out as materialized (
    select n, 1 + n::bigint * 7919 % $people::integer as contact_id, 1 + (1 + n::bigint * 7919 % $people) % $chips::integer as chip_id,
           $at::timestamptz - interval '1 hour' + make_interval(secs => (n - $first) * 1200.0 / $number) as at
    from generate_series($first::integer, $first + $number::integer - 1) as n
),
sent as (
    insert into sends (
        chip_id, portfolio_id, contact_id, campaign_id, template_row, kind, purpose, state, plan_day, cap_day, planned_at, due_at, expires_at,
        claimed_at, attempts, called_at, accepted_at, message_id
    )
    select chips.id, chips.portfolio_id, out.contact_id, chips.portfolio_id, chips.portfolio_id, 'campaign', 'marketing', 'accepted',
           out.at::date, out.at::date, out.at, out.at, out.at + interval '6 hours', out.at, 1, out.at, out.at,
           'wamid.HBgNNTUxMTk4MDAwMDAwMFVCAgARGBI' || lpad(out.n::text, 18, '0') || 'AA=='
    from out
    join chips on chips.id = out.chip_id
    order by out.n
    returning id, chip_id, portfolio_id, contact_id, accepted_at, message_id
),
attempted as (
    insert into attempts (id, send_id, number, worker, began_at, ended_at, outcome, http)
    select md5(sent.message_id)::uuid, sent.id, 1, 'bench', sent.accepted_at, sent.accepted_at, 'accepted', 200
    from sent
),
slots as (
    insert into budget_uses (send_id, portfolio_id, contact_id, from_at, until_at)
    select sent.id, sent.portfolio_id, sent.contact_id, sent.accepted_at, sent.accepted_at + interval '36 hours'
    from sent
),
talked as (
    insert into conversations (chip_id, contact_id, last_sent_at)
    select sent.chip_id, sent.contact_id, max(sent.accepted_at)
    from sent
    group by sent.chip_id, sent.contact_id
    on conflict (chip_id, contact_id) do update set last_sent_at = excluded.last_sent_at
)
insert into chip_counts (chip_id, hour, accepted)
select sent.chip_id, date_trunc('hour', sent.accepted_at, 'UTC'), count(*)
from sent
group by 1, 2
on conflict (chip_id, hour) do update set accepted = chip_counts.accepted + excluded.accepted;

-- name: add_events -> none
-- Statuses of the past in the month's partition-to-be, over so many days before the moment.
insert into events_bench (at, kind, key, chip_id, account_id, contact_id, send_id, body, inbox_id, recorded_at)
select moment.at, told.kind, told.kind || ':wamid.HBgNNTUxMTk4MDAwMDAwMFVCAgARGBJ' || lpad((n / 3)::text, 18, '0') || 'AA==',
       1 + n / 3 % $chips::integer, 1 + n / 3 % $chips % $portfolios::integer, 1 + n / 3 % $people::integer, 1 + n / 3 % $people,
       '{"category": "marketing", "pricing_type": "regular"}', -1 - n / 2, moment.at
from generate_series(0, $number::integer - 1) as n
join (values (0, 'message_sent'), (1, 'message_delivered'), (2, 'message_read')) as told (turn, kind) on told.turn = n % 3
cross join lateral (
    select date_trunc('second', $at::timestamptz - make_interval(secs => 3600 + (1 - n::float8 / $number) * $days::integer * 86400)) as at
) as moment;

-- name: add_counts -> none
-- Thirty days of the first chips: a row for each open hour of each sending day, from 9 to 20 in São Paulo, Monday to Saturday.
-- What an hour brings follows from the hour and from id % draws: chips whose ids differ by `draws` live the same.
insert into chip_counts (chip_id, hour, accepted, reached, delivered, read, replied, opted_out, undeliverable, limited, received, conversations, media)
select drawn.chip_id, moments.hour, 3 + drawn.n % 4, 3 + drawn.n % 4 - (drawn.n % 31 = 0)::int, 3 + drawn.n % 4 - (drawn.n % 31 = 0)::int,
       2 + drawn.n % 2, (drawn.n % 4 < 3)::int, (drawn.n % 401 = 0)::int, (drawn.n % 97 = 0)::int, (drawn.n % 89 = 0)::int,
       1 + drawn.n % 2, (drawn.n % 3 = 0)::int, 1
from (
    select day + make_interval(hours => number) as hour, extract(doy from day)::int * 131 + number * 17 as salt
    from generate_series(date_trunc('day', $at::timestamptz) - interval '30 days', date_trunc('day', $at), interval '1 day') as day
    cross join generate_series(12, 22) as number
    where extract(dow from day) <> 0 and day + make_interval(hours => number) <= $at
) as moments
cross join lateral (
    select chips.id as chip_id, (chips.id * 7919 + moments.salt) % $draws::integer as n from chips where chips.id <= $lived::integer offset 0
) as drawn;

-- name: keep_days -> none
-- What these chips sent on each of those days.
create temporary table seeded_days as
select counts.chip_id, (counts.hour at time zone 'America/Sao_Paulo')::date as day, sum(counts.accepted)::integer as accepted
from chip_counts as counts
group by 1, 2;

-- name: begin_months -> none
-- They were never folded.
insert into chip_months (chip_id, folded_at) select chips.id, '-infinity' from chips where chips.id <= $lived::integer;

-- name: keep_counts -> none
-- Their hours that are not folded.
create temporary table seeded_counts as
select counts.chip_id, counts.hour, counts.accepted, counts.reached, counts.delivered, counts.read, counts.replied, counts.opted_out,
       counts.undeliverable, counts.limited, counts.received, counts.conversations, counts.media
from chip_counts as counts;

-- name: keep_months -> none
-- Their folded ones.
create temporary table seeded_months as select chip_months.chip_id, chip_months.folded_at, chip_months.hours from chip_months;

-- name: keep_twins -> none
-- For each chip, the one that lived its month.
create temporary table seeded_twins as
select chips.id as chip_id, case when chips.id <= $lived::integer then chips.id else 1 + (chips.id - 1) % $draws::integer end as lived_id
from chips;

-- name: spread_counts -> none
-- The hours that are not folded, for every chip. They lie on the disk as they come in life: hour by hour, the chips of an hour in no order, and so those of a chip far apart.
insert into chip_counts (chip_id, hour, accepted, reached, delivered, read, replied, opted_out, undeliverable, limited, received, conversations, media)
select twins.chip_id, kept.hour, kept.accepted, kept.reached, kept.delivered, kept.read, kept.replied, kept.opted_out, kept.undeliverable,
       kept.limited, kept.received, kept.conversations, kept.media
from seeded_twins as twins
join seeded_counts as kept on kept.chip_id = twins.lived_id
order by kept.hour, twins.chip_id * 7919 % 100003;

-- name: spread_months -> none
-- The folded ones: upkeep takes chips in the order of their ids.
insert into chip_months (chip_id, folded_at, hours)
select twins.chip_id, kept.folded_at, kept.hours
from seeded_twins as twins
join seeded_months as kept on kept.chip_id = twins.lived_id
order by twins.chip_id;

-- name: spread_days -> none
-- Their days, one day after another, with what each chip had and could have reached.
insert into chip_days (chip_id, day, granted, reachable, accepted)
select twins.chip_id, kept.day, kept.accepted + 2, kept.accepted + 1, kept.accepted
from seeded_twins as twins
join seeded_days as kept on kept.chip_id = twins.lived_id
order by kept.day, twins.chip_id * 7919 % 100003;

-- name: add_late -> none
-- What was told of folded hours since they were folded: of three hours of each chip, somebody read or answered.
insert into chip_counts (chip_id, hour, read, replied)
select chips.id, date_trunc('hour', $at::timestamptz, 'UTC') - make_interval(hours => 47 + 24 * n), 1, n % 2
from chips
cross join generate_series(0, 2) as n
on conflict do nothing;

-- name: add_scores -> none
-- The health of the last day, every four hours.
insert into health_log (chip_id, at, score)
select chips.id, $at::timestamptz - make_interval(hours => 4 * n), 88
from chips
cross join generate_series(1, 6) as n
order by n desc, chips.id;
