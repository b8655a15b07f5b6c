-- A fleet's rows, set by set. Only `fleet.py` uses them, as the schema's owner.

-- name: add_portfolios -> int
-- So many, with the same limit.
insert into portfolios (business_id, name, messaging_limit, limit_read_at, created_at)
select 'b' || n, 'p' || n, $limit, $at, $since
from generate_series(0, $number::int - 1) as n
order by n
returning id;

-- name: add_accounts -> int
-- One for each portfolio, with its sealed token.
insert into accounts (portfolio_id, waba_id, name, token, polled_at, templates_synced_at, webhook_at, created_at)
select given.portfolio, given.waba, given.waba, given.token, $at, $at, $at, $since
from unnest($portfolios::bigint[], $wabas::text[], $tokens::bytea[]) with ordinality as given (portfolio, waba, token, n)
order by given.n
returning id;

-- name: add_chips -> int
-- Numbers in the middle of their warm-up that nobody reviews or plans: what they may send is said here.
with page as (
    insert into routes (name, kind, created_at) values ('page', 'page', $since) returning id
)
insert into chips (
    portfolio_id, account_id, route_id, name, phone_number_id, display_phone, zone, registered_at, created_at, status, phase, phase_since,
    phone_status, quality, quality_at, name_status, profile_filled, pin_set, webhook_at, budget_day_max, plan_again_at
)
select given.portfolio, given.account, page.id, 'chip-' || given.phone, given.phone, given.display, $zone, $since, $since, 'warming',
       'expansion', $since, 'CONNECTED', 'GREEN', $at, 'APPROVED', true, true, $at, $budget, 'infinity'
from unnest($portfolios::bigint[], $accounts::bigint[], $phones::text[], $displays::text[]) with ordinality
    as given (portfolio, account, phone, display, n)
cross join page
order by given.n
returning id;

-- name: add_templates -> int
-- Approved ones.
insert into templates (account_id, template_id, name, language, category, status, quality, components, synced_at)
select given.account, given.meta, given.name, 'pt_BR', $category, 'APPROVED', 'GREEN', $components, $since
from unnest($accounts::bigint[], $metas::text[], $names::text[]) with ordinality as given (account, meta, name, n)
order by given.n
returning id;

-- name: add_campaigns -> int
-- One for each template.
insert into campaigns (name, portfolio_id, template, purpose, parameters, created_at)
select 'c' || given.n, given.portfolio, given.template, $purpose, '["{name}"]', $since
from unnest($portfolios::bigint[], $templates::text[]) with ordinality as given (portfolio, template, n)
order by given.n
returning id;

-- name: add_people -> int
-- People who said yes.
insert into contacts (phone, phone_key, name, zone, opted_in_at, may_marketing, may_utility, created_at, updated_at)
select '+' || given.phone, given.key, 'Pessoa ' || given.phone, given.zone, $since, $purpose = 'marketing', $purpose = 'utility', $since, $since
from unnest($phones::text[], $keys::text[], $zones::text[]) with ordinality as given (phone, key, zone, n)
order by given.n
returning id;

-- name: add_consents -> none
-- With the evidence.
insert into consents (contact_id, purpose, act, source, private, at, recorded_at, recorded_by)
select given.id, $purpose, 'granted', 'form', 'sealed'::bytea, $since, $since, 'faults'
from unnest($people::bigint[]) as given (id);

-- name: plan_sends -> int
-- A message for each person, due at a moment.
insert into sends (
    chip_id, portfolio_id, contact_id, campaign_id, template_row, kind, purpose, plan_day, planned_at, due_at, expires_at
)
select given.chip, given.portfolio, given.contact, given.campaign, given.template, 'campaign', $purpose, ($at::timestamptz)::date, $at,
       $due_at, $due_at::timestamptz + interval '6 hours'
from unnest($chips::bigint[], $portfolios::bigint[], $people::bigint[], $campaigns::bigint[], $templates::bigint[]) with ordinality
    as given (chip, portfolio, contact, campaign, template, n)
order by given.n
returning id;
