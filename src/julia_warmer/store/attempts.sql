-- Calls: claimed sends become `calling`, committed with their attempts right before the requests, and end with them.
-- Locks as in claims.sql: portfolios, chips, contacts (each by id), sends. docs/decisions/0006-at-most-once.md

-- name: lock_callers -> none
-- Before calls begin: nobody may stop these portfolios or chips in between. Shared, for calls do not hinder each other.
select from portfolios where portfolios.id = any($portfolio_ids::bigint[]) order by portfolios.id for share;

-- name: lock_calling_chips -> none
-- The same for the chips.
select from chips where chips.id = any($chip_ids::bigint[]) order by chips.id for share;

-- name: lock_called_people -> none
-- The same for the people: an opt-out that holds its person comes first, and is seen; one that comes later waits.
select from contacts where contacts.id = any($contact_ids::bigint[]) order by contacts.id for share;

-- name: begin_calls -> Call
-- The last look before the requests: what still may go out becomes `calling`, with the attempt that its request will carry.
-- What may not goes back to be judged again. What somebody else took over or cancelled is left alone.
with mine as materialized (
    select sends.id,
           gen_random_uuid() as attempt_id,
           sends.lease_until > $at
           and not exists (select from holds)
           and not exists (select from spools where spools.clear_until <= $at)
           and chips.status in ('warming', 'ready', 'active')
           and chips.phone_status = 'CONNECTED'
           and (contacts.stopped_at is null or sends.confirms_at <= contacts.stopped_at)   -- the one confirmation of that stop
           and contacts.undeliverable_at is null
           and (sends.kind = 'reply'
                or ((sends.purpose <> 'marketing' or contacts.platform_stopped_at is null and contacts.questioned_at is null)
                    and campaigns.status = 'active'
                    and templates.status = 'APPROVED'))
           and not exists (
               select from stops
               where stops.released_at is null
                 and (stops.scope = 'everything'
                      or (stops.scope = 'portfolio' and stops.target_id = sends.portfolio_id)
                      or (stops.scope = 'account' and stops.target_id = chips.account_id)
                      or (stops.scope = 'chip' and stops.target_id = chips.id)
                      or (stops.scope = 'campaign' and stops.target_id = sends.campaign_id)
                      or (stops.scope = 'template' and stops.target_id = sends.template_row))
           )
           and not exists (
               select from throttles
               where throttles.until_at > $at
                 and (throttles.scope = 'app'
                      or (throttles.scope = 'account' and throttles.target_id = chips.account_id)
                      or (throttles.scope = 'chip' and throttles.target_id = chips.id))
           ) as able
    from unnest($send_ids::bigint[]) as given (id)
    join sends on sends.id = given.id and sends.state is not distinct from 'claimed' and sends.claimed_by = $worker
    join chips on chips.id = sends.chip_id
    join contacts on contacts.id = sends.contact_id
    left join campaigns on campaigns.id = sends.campaign_id
    left join templates on templates.id = sends.template_row
),
begun as (
    update sends
    set state = case when mine.able then 'calling' else 'planned' end,
        called_at = case when mine.able then $at::timestamptz end,
        attempts = sends.attempts + mine.able::int,
        cap_day = case when mine.able then sends.cap_day end,
        claimed_by = case when mine.able then sends.claimed_by end,
        lease_until = case when mine.able then $lease_until::timestamptz end
    from mine
    where sends.id = mine.id and sends.state is not distinct from 'claimed' and sends.claimed_by = $worker
    returning sends.id, sends.attempts, sends.chip_id, sends.contact_id, sends.campaign_id, sends.template_row, sends.kind, sends.body,
              sends.due_at, mine.able, mine.attempt_id
),
freed as (
    update budget_uses set until_at = $at from begun where budget_uses.send_id = begun.id and not begun.able
),
written as (
    insert into attempts (id, send_id, number, worker, began_at)
    select begun.attempt_id, begun.id, begun.attempts, $worker, $at
    from begun
    where begun.able
    order by begun.id
)
select begun.attempt_id, begun.id as send_id, begun.attempts, chips.portfolio_id, chips.account_id, chips.id as chip_id,
       begun.contact_id, begun.campaign_id, chips.phone_number_id, accounts.waba_id, accounts.token, contacts.phone, contacts.name as contact_name,
       begun.kind, begun.body, campaigns.parameters, templates.id as template_row, templates.template_id, templates.name as template,
       templates.language, case when templates.parameter_format = 'NAMED' then templates.components end as named_components
from begun
join chips on chips.id = begun.chip_id
join accounts on accounts.id = chips.account_id
join contacts on contacts.id = begun.contact_id
left join campaigns on campaigns.id = begun.campaign_id
left join templates on templates.id = begun.template_row
where begun.able
order by begun.due_at, begun.id;

-- name: end_attempts -> none
-- What each call came to.
update attempts
set ended_at = $at, outcome = given.outcome, http = given.http, code = given.code, details = given.details
from unnest($attempt_ids::uuid[], $outcomes::text[], $https::int[], $codes::int[], $details::text[])
    as given (attempt_id, outcome, http, code, details)
where attempts.id = given.attempt_id;

-- name: count_calls -> int
-- Calls that may still begin or have no answer yet: of these people, or under a scope.
select count(*)::int
from sends
join chips on chips.id = sends.chip_id
where sends.state = 'calling'
  and ($contact_ids::bigint[] is null or sends.contact_id = any($contact_ids))
  and case $scope::text
          when 'portfolio' then sends.portfolio_id = $target_id
          when 'account' then chips.account_id = $target_id
          when 'chip' then chips.id = $target_id
          when 'campaign' then sends.campaign_id = $target_id
          when 'template' then sends.template_row = $target_id
          else true
      end;
