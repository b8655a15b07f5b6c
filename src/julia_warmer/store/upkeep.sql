-- What is asked of the platform by the clock: accounts that were not read for a while, and what their reads said.

-- name: list_stale_accounts -> StaleAccount
-- Accounts whose numbers were last read before a moment, with their sealed tokens; those with chips that are still in use.
select accounts.id, accounts.portfolio_id, accounts.waba_id, accounts.name, accounts.token
from accounts
where (accounts.polled_at is null or accounts.polled_at <= $before)
  and exists (select from chips where chips.account_id = accounts.id and chips.status not in ('banned', 'retired'))
order by accounts.polled_at nulls first, accounts.id
limit $limit;

-- name: list_unsynced_accounts -> StaleAccount
-- Accounts whose templates were last read before a moment, with their sealed tokens.
select accounts.id, accounts.portfolio_id, accounts.waba_id, accounts.name, accounts.token
from accounts
where accounts.templates_synced_at is null or accounts.templates_synced_at <= $before
order by accounts.templates_synced_at nulls first, accounts.id
limit $limit;

-- name: lock_numbers -> Number
-- The chips of an account, locked in the order of their ids, with what was known of them so far.
select chips.id as chip_id, chips.name, chips.phone_number_id, chips.quality, chips.phone_status, chips.name_status, chips.pin_set
from chips
where chips.account_id = $account_id and chips.status not in ('banned', 'retired')
order by chips.id
for no key update;

-- name: put_numbers -> none
-- What the platform says of these numbers. What a webhook said later stays. Where something changed, the chip is looked at again now.
update chips
set quality = case when chips.quality_at > $at then chips.quality else given.quality end,
    quality_at = greatest(chips.quality_at, $at),
    phone_status = given.phone_status,
    name_status = given.name_status,
    verified_name = coalesce(given.verified_name, chips.verified_name),
    pin_set = coalesce(given.pin_set, chips.pin_set),
    look_again_at = case when given.changed and chips.look_again_at is not null then least(chips.look_again_at, $at) else chips.look_again_at end
from unnest(
    $chip_ids::bigint[], $qualities::text[], $phone_statuses::text[], $name_statuses::text[], $verified_names::text[], $pins::boolean[],
    $changed::boolean[]
) as given (chip_id, quality, phone_status, name_status, verified_name, pin_set, changed)
where chips.id = given.chip_id;

-- name: put_polled -> none
-- An account was read, and how healthy the platform says it is.
update accounts set polled_at = $at, health = $health where accounts.id = $account_id;

-- name: list_unread_profiles -> Unread
-- Numbers whose business profile is to be read: never read, empty when last read before $empty_before, or filled and read before $before.
select chips.id as chip_id, chips.phone_number_id
from chips
where chips.account_id = $account_id
  and chips.status not in ('banned', 'retired')
  and (
      chips.profile_read_at is null
      or chips.profile_read_at <= $before
      or not chips.profile_filled and chips.profile_read_at <= $empty_before
  )
order by chips.profile_read_at nulls first, chips.id
limit $limit;

-- name: put_profiles -> none
-- Whether these numbers' profiles are filled. A chip whose checklist changed is looked at again now.
update chips
set profile_read_at = $at,
    profile_filled = given.filled,
    look_again_at = case
        when given.filled <> chips.profile_filled and chips.look_again_at is not null then least(chips.look_again_at, $at)
        else chips.look_again_at
    end
from unnest($chip_ids::bigint[], $filled::boolean[]) as given (chip_id, filled)
where chips.id = given.chip_id;

-- name: lock_templates -> none
-- An account's templates, locked in the order of their ids as every writer does: a listing is written in the order of their names.
select from templates where templates.account_id = $account_id order by templates.id for no key update;

-- name: put_templates -> TemplateChange
-- An account's templates as its listing has them; what a webhook said after the listing began stays. Gives those whose status is another one.
with listed as materialized (
    select given.template_id, given.name, given.language, given.category, given.status, given.quality, given.parameter_format, given.components
    from unnest(
        $template_ids::text[], $names::text[], $languages::text[], $categories::text[], $statuses::text[], $qualities::text[],
        $formats::text[], $components::jsonb[]
    ) as given (template_id, name, language, category, status, quality, parameter_format, components)
),
known as materialized (
    select templates.name, templates.language, templates.status
    from templates
    where templates.account_id = $account_id
),
written as (
    insert into templates (
        account_id, template_id, name, language, category, status, status_at, quality, quality_at, parameter_format, components, paused_at, synced_at
    )
    select $account_id, listed.template_id, listed.name, listed.language, listed.category, listed.status, $at, listed.quality, $at,
           listed.parameter_format, listed.components, case when listed.status = 'PAUSED' then $at::timestamptz end, $at
    from listed
    order by listed.name, listed.language
    on conflict (account_id, name, language) do update
    set template_id = excluded.template_id,
        category = excluded.category,
        status = case when templates.status_at > $at then templates.status else excluded.status end,
        status_at = greatest(templates.status_at, $at),
        quality = case when templates.quality_at > $at then templates.quality else excluded.quality end,
        quality_at = greatest(templates.quality_at, $at),
        parameter_format = excluded.parameter_format,
        components = excluded.components,
        paused_at = case
            when templates.status_at > $at then templates.paused_at
            when excluded.status = 'PAUSED' then coalesce(templates.paused_at, $at)
        end,
        synced_at = $at
    returning id, name, language, status
),
gone as (
    -- not listed any more: deleted over there
    update templates
    set status = 'DELETED', status_at = greatest(templates.status_at, $at), synced_at = $at
    from known
    where templates.account_id = $account_id and templates.name = known.name and templates.language = known.language
      and templates.status <> 'DELETED' and coalesce(templates.status_at, '-infinity') <= $at
      and not exists (select from listed where listed.name = templates.name and listed.language = templates.language)
    returning templates.id, templates.name, templates.language, templates.status
)
select changed.id as template_row, changed.name, changed.language, known.status as was, changed.status
from (
    select written.id, written.name, written.language, written.status from written
    union all
    select gone.id, gone.name, gone.language, gone.status from gone
) as changed
left join known on known.name = changed.name and known.language = changed.language
where changed.status is distinct from known.status
order by changed.name, changed.language;

-- name: put_synced -> none
-- An account's templates were read; where one changed, its chips are looked at and planned again.
with synced as (
    update accounts set templates_synced_at = $at where accounts.id = $account_id returning id
)
update chips
set look_again_at = case when chips.look_again_at is not null then least(chips.look_again_at, $at) end, plan_again_at = null
from synced
where chips.account_id = synced.id and $changed::boolean and chips.status in ('pending', 'warming', 'ready', 'active');

-- name: delete_old_jobs -> none
-- Forgets what PgQueuer logged of jobs, and jobs held after a failure, that are older than a moment.
with logs as (
    delete from pgqueuer_log where pgqueuer_log.created < $before
),
sums as (
    delete from pgqueuer_statistics where pgqueuer_statistics.created < $before
)
delete from pgqueuer where pgqueuer.status = 'failed' and pgqueuer.updated < $before;
