-- What must be there before the first message: portfolios, accounts, chips, routes, campaigns, prices. Repeats change nothing.

-- name: add_portfolio -> int
-- A new portfolio; nothing when its business id is known.
insert into portfolios (business_id, name, created_at) values ($business_id, $name, $at)
on conflict (business_id) do nothing
returning id;

-- name: find_portfolio -> int
-- The portfolio with this id.
select id from portfolios where id = $id;

-- name: set_spend_limit -> int
-- The most that a portfolio may spend on one day; null is no limit.
update portfolios set spend_day_max = $spend_day_max where id = $id
returning id;

-- name: add_account -> int
-- A new account with its sealed token; nothing when its WABA id is known.
insert into accounts (portfolio_id, waba_id, name, token, created_at) values ($portfolio_id, $waba_id, $name, $token, $at)
on conflict (waba_id) do nothing
returning id;

-- name: set_token -> int
-- Another sealed token for an account.
update accounts set token = $token where id = $id
returning id;

-- name: read_account -> Account
-- One account with its sealed token.
select id, portfolio_id, waba_id, name, token from accounts where id = $id;

-- name: add_route -> int
-- A new place where inbound messages go; nothing when the name is taken.
insert into routes (name, kind, url, secret, created_at) values ($name, $kind, $url, $secret, $at)
on conflict (name) do nothing
returning id;

-- name: find_route -> int
-- The route with this id.
select id from routes where id = $id;

-- name: set_route -> int
-- Send the inbound messages of these chips there; gives the ids of those that there are.
update chips set route_id = $route_id where id = any($chip_ids::bigint[])
returning id;

-- name: find_known_numbers -> str
-- Which of these numbers are chips already.
select phone_number_id from chips where phone_number_id = any($phone_number_ids::text[]);

-- name: find_taken_names -> str
-- Which of these names another chip has.
select name from chips where name = any($names::text[]);

-- name: add_chips -> AddedChip
-- New chips of one account, all in the same state: pending in `setup`, or where an already warm number stands.
insert into chips (
    portfolio_id, account_id, route_id, name, phone_number_id, display_phone, zone, registered_at, created_at,
    status, phase, phase_since, started_at, ready_at, look_again_at
)
select $portfolio_id, $account_id, $route_id, given.name, given.phone_number_id, given.display_phone, given.zone, given.registered_at, $at,
       $status, $phase, $at, $started_at, $ready_at, $look_again_at
from unnest($names::text[], $phone_number_ids::text[], $display_phones::text[], $zones::text[], $registered_ats::timestamptz[])
    as given (name, phone_number_id, display_phone, zone, registered_at)
order by given.phone_number_id
returning id, name, phone_number_id;

-- name: find_chips -> int
-- The chips of one portfolio with these ids.
select id from chips where portfolio_id = $portfolio_id and id = any($ids::bigint[]);

-- name: add_campaign -> int
-- A new campaign; nothing when the name is taken.
insert into campaigns (
    name, portfolio_id, chip_id, template, language, purpose, audience, parameters, priority, ttl_h, repeat_after_d, created_at
)
values (
    $name, $portfolio_id, $chip_id, $template, $language, $purpose, $audience, $parameters, $priority, $ttl_h, $repeat_after_d, $at
)
on conflict (name) do nothing
returning id;

-- name: lock_campaign -> str
-- The status of a campaign, held until the end of the transaction.
select status from campaigns where id = $id
for update;

-- name: set_campaign_status -> none
-- Another status for a campaign.
update campaigns set status = $status where id = $id;

-- name: put_price -> none
-- What a message of a category costs from a day on.
insert into prices (category, amount, currency, since) values ($category, $amount, $currency, $since)
on conflict (category) do update set amount = excluded.amount, currency = excluded.currency, since = excluded.since;

-- name: close_alert -> str
-- Close an open alert; gives its rule.
update alerts set closed_at = $at, closed_by = $by where id = $id and closed_at is null
returning rule;

-- name: find_alert -> int
-- The alert with this id, open or closed.
select id from alerts where id = $id;

-- name: find_template -> TemplateForm
-- The forms of one template in the accounts of a portfolio.
select templates.id, templates.category, templates.status, templates.components
from templates
join accounts on accounts.id = templates.account_id
where accounts.portfolio_id = $portfolio_id and templates.name = $name and templates.language = $language
order by templates.id;
