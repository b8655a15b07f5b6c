-- The owner's hand: one chip's state, and the big stop. Locks: portfolios, then chips, each by id.

-- name: find_portfolios -> int
-- The portfolios that a scope touches; none when its target does not exist.
select portfolios.id
from portfolios
where case $scope::text
          when 'everything' then true
          when 'portfolio' then portfolios.id = $target_id
          when 'account' then exists (select from accounts where accounts.id = $target_id and accounts.portfolio_id = portfolios.id)
          when 'chip' then exists (select from chips where chips.id = $target_id and chips.portfolio_id = portfolios.id)
          when 'campaign' then exists (select from campaigns where campaigns.id = $target_id and campaigns.portfolio_id = portfolios.id)
          when 'template' then exists (
              select from templates
              join accounts on accounts.id = templates.account_id
              where templates.id = $target_id and accounts.portfolio_id = portfolios.id
          )
      end
order by portfolios.id;

-- name: lock_portfolios -> none
-- The first lock: no claim and no call begins in these portfolios until the transaction ends.
select from portfolios where portfolios.id = any($portfolio_ids::bigint[]) order by portfolios.id for no key update;

-- name: open_stop -> int
-- Opens a stop; nothing when one of that scope and target is open already.
insert into stops (scope, target_id, reason, by, at)
values ($scope, $target_id, $reason, $by, $at)
on conflict (scope, coalesce(target_id, 0)) where released_at is null do nothing
returning id;

-- name: find_stop -> OpenStop
-- An open stop, by its id or by what it covers.
select stops.id, stops.scope, stops.target_id, stops.reason
from stops
where stops.released_at is null
  and (stops.id = $stop_id::bigint or ($stop_id::bigint is null and stops.scope = $scope and stops.target_id is not distinct from $target_id::bigint))
for no key update;

-- name: close_stop -> none
-- Ends a stop, with who and why.
update stops set released_at = $at, released_by = $by, released_why = $why where id = $stop_id;

-- name: wake_chips -> none
-- The chips under a scope are looked at again now. One that somebody holds is being looked at anyway.
with free as materialized (
    select chips.id
    from chips
    where chips.look_again_at is not null
      and case $scope::text
              when 'everything' then true
              when 'portfolio' then chips.portfolio_id = $target_id
              when 'account' then chips.account_id = $target_id
              when 'chip' then chips.id = $target_id
              else false
          end
    order by chips.id
    for no key update skip locked
)
update chips set look_again_at = least(chips.look_again_at, $at) from free where chips.id = free.id;

-- name: lock_chips -> ChipRow
-- One chip, or the chips under a scope that may send, locked in the order of their ids, with all that a command's answer needs.
select chips.id, chips.name, chips.zone, (($at::timestamptz) at time zone chips.zone)::date as today, chips.route_id is not null as route_set,
       chips.quality, chips.phone_status, chips.budget_day_max,
       (select coalesce(max(chip_days.accepted), 0)
        from chip_days
        where chip_days.chip_id = chips.id and chip_days.day > (($at::timestamptz) at time zone chips.zone)::date - 8)::int as failed_day,
       chips.status, chips.phase, chips.phase_since, chips.paused_from, chips.pauses, chips.pauses_in_row, chips.speed, chips.slow_until,
       chips.risk_cap, chips.risk_cap_since, chips.rearmed_at, chips.advanced_on, chips.demoted_on, chips.harm_at, chips.ready_at
from chips
where case $scope::text
          when 'chip' then chips.id = $target_id
          when 'everything' then chips.status in ('warming', 'ready', 'active')
          when 'portfolio' then chips.status in ('warming', 'ready', 'active') and chips.portfolio_id = $target_id
          when 'account' then chips.status in ('warming', 'ready', 'active') and chips.account_id = $target_id
          else false
      end
order by chips.id
for no key update;

-- name: write_state -> none
-- The state that a person's command gave a chip. Its budget never grows by that; the next decision, due now, may say more.
update chips
set status = $status,
    phase = $phase,
    phase_since = $phase_since,
    started_at = case when $started::boolean then $at else chips.started_at end,
    paused_from = $paused_from,
    pauses = $pauses,
    pauses_in_row = $pauses_in_row,
    speed = $speed,
    slow_until = $slow_until,
    risk_cap = $risk_cap,
    risk_cap_since = $risk_cap_since,
    rearmed_at = $rearmed_at,
    advanced_on = $advanced_on,
    demoted_on = $demoted_on,
    harm_at = $harm_at,
    ready_at = $ready_at,
    budget_day_max = least(chips.budget_day_max, $risk_cap::int),
    look_again_at = case when $status in ('retired', 'banned') then null else $at end
where id = $chip_id;
