-- What the platform says about what is ours: portfolios, accounts, numbers, templates; and the stops that follow from it.
-- An older word never replaces a newer one.

-- name: hear_accounts -> none
-- A webhook of these accounts was heard. Written once a minute at most; a row that somebody holds is left for the next time.
update accounts
set webhook_at = heard.at
from (
    select accounts.id, given.at
    from unnest($account_ids::bigint[], $ats::timestamptz[]) as given (id, at)
    join accounts using (id)
    where accounts.webhook_at is null or accounts.webhook_at < given.at - interval '1 minute'
    order by accounts.id
    for no key update of accounts skip locked
) as heard
where accounts.id = heard.id;

-- name: hear_chips -> none
-- A webhook of these chips was heard. Written once a minute at most; a row that somebody holds is left for the next time.
update chips
set webhook_at = heard.at
from (
    select chips.id, given.at
    from unnest($chip_ids::bigint[], $ats::timestamptz[]) as given (id, at)
    join chips using (id)
    where chips.webhook_at is null or chips.webhook_at < given.at - interval '1 minute'
    order by chips.id
    for no key update of chips skip locked
) as heard
where chips.id = heard.id;

-- name: lock_portfolios -> none
-- The first lock of all.
select from portfolios where id = any($ids::bigint[]) order by id for no key update;

-- name: lock_chips -> ChipPauses
-- The second lock, with what a pause is added to.
select id, name, status, phase, phase_since, paused_from, pauses, pauses_in_row
from chips
where id = any($ids::bigint[])
order by id
for no key update;

-- name: pause_chip -> none
-- Writes a chip's pauses; it is looked at again now.
update chips
set status = $status, paused_from = $paused_from, pauses = $pauses, pauses_in_row = $pauses_in_row, harm_at = greatest(harm_at, $at),
    look_again_at = $at
where id = $chip_id;

-- name: list_chips_of -> ChipOf
-- The chips of these accounts that are not over.
select id, account_id from chips where account_id = any($account_ids::bigint[]) and status not in ('banned', 'retired') order by id;

-- name: set_limits -> none
-- The messaging limit that a portfolio's webhook named; null = not usable.
update portfolios
set messaging_limit = given.messaging_limit, limit_read_at = given.at
from unnest($portfolio_ids::bigint[], $limits::integer[], $ats::timestamptz[]) as given (id, messaging_limit, at)
where portfolios.id = given.id and given.at >= coalesce(portfolios.limit_read_at, '-infinity');

-- name: set_quality -> none
-- The quality that a webhook named; the chip is looked at again now.
update chips
set quality = given.quality, quality_at = given.at, look_again_at = least(look_again_at, $at)
from unnest($chip_ids::bigint[], $qualities::text[], $ats::timestamptz[]) as given (id, quality, at)
where chips.id = given.id and given.at >= coalesce(chips.quality_at, '-infinity');

-- name: set_names -> none
-- What became of a display name.
update chips
set name_status = given.name_status, verified_name = coalesce(given.verified_name, chips.verified_name)
from unnest($chip_ids::bigint[], $name_statuses::text[], $verified_names::text[]) as given (id, name_status, verified_name)
where chips.id = given.id;

-- name: find_templates -> TemplateRef
-- The templates that facts speak of: by Meta's id, or by account, name and language where the id is missing.
select given.ordinal, templates.id, templates.name
from unnest($ordinals::integer[], $account_ids::bigint[], $template_ids::text[], $names::text[], $languages::text[])
    as given (ordinal, account_id, template_id, name, language)
join templates on templates.account_id = given.account_id
    and (templates.template_id = given.template_id
         or given.template_id is null and templates.name = given.name and templates.language = coalesce(given.language, templates.language));

-- name: set_template_status -> int
-- The status that a webhook named; in the order of the ids. A listing that was read later knows better. Gives those it changed.
update templates
set status = given.status, status_at = given.at,
    paused_at = case when given.status = 'PAUSED' then given.at end
from (
    select said.id, said.status, said.at
    from unnest($ids::bigint[], $statuses::text[], $ats::timestamptz[]) as said (id, status, at)
    order by said.id
) as given
where templates.id = given.id and given.at >= coalesce(templates.status_at, '-infinity')
returning templates.id;

-- name: set_template_quality -> none
-- The quality that a webhook named.
update templates
set quality = given.quality, quality_at = given.at
from unnest($ids::bigint[], $qualities::text[], $ats::timestamptz[]) as given (id, quality, at)
where templates.id = given.id and given.at >= coalesce(templates.quality_at, '-infinity');

-- name: set_template_category -> none
-- The category that is in force. A campaign of another purpose does not send with it any more.
update templates
set category = given.category
from unnest($ids::bigint[], $categories::text[]) as given (id, category)
where templates.id = given.id;

-- name: add_stop -> int
-- Opens a stop; null when one is open already.
insert into stops (scope, target_id, reason, by, at)
values ($scope, $target_id, $reason, 'platform', $at)
on conflict (scope, coalesce(target_id, 0)) where released_at is null do nothing
returning id;

-- name: add_alerts -> none
-- Tells a person; once as long as the alert of that key is open.
insert into alerts (at, chip_id, rule, level, text, open_key)
select given.at, given.chip_id, given.rule, given.level, given.text, given.open_key
from unnest($ats::timestamptz[], $chip_ids::bigint[], $rules::text[], $levels::text[], $texts::text[], $open_keys::text[])
    as given (at, chip_id, rule, level, text, open_key)
order by given.open_key
on conflict (open_key) where closed_at is null and open_key is not null do nothing;

-- name: close_alerts -> none
-- What a person was told of is over.
update alerts set closed_at = $at, closed_by = $by where open_key = any($open_keys::text[]) and closed_at is null;
