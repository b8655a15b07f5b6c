-- What a decision looks at, and what it leaves behind. Counting follows the rules at the head of core/fold.py; core/month.py adds hours up.

-- name: due_snapshots -> SnapshotRow
-- Chips whose next decision is due, locked, with what became of their messages; another worker's chips are passed over, and the chips of a
-- portfolio come together. Nothing is older than 30 days: $month is their first hour. A chip's hours come as core/month.py takes them: the
-- older ones packed, those since as rows. Each part is asked for chip by chip, so that it costs an index probe and no more.
with due as materialized (
    select chips.id, chips.name, chips.portfolio_id, chips.account_id, chips.route_id, chips.zone, chips.registered_at,
           chips.status, chips.phase, chips.phase_since, chips.paused_from, chips.pauses, chips.pauses_in_row, chips.speed, chips.slow_until,
           chips.risk_cap, chips.risk_cap_since, chips.rearmed_at, chips.advanced_on, chips.demoted_on, chips.harm_at, chips.ready_at,
           chips.quality, chips.quality_at, chips.phone_status, chips.name_status, chips.profile_filled, chips.pin_set, chips.webhook_at,
           chips.portfolio_share, chips.eligible_people, chips.clamp,
           ($at::timestamptz at time zone chips.zone)::date as today,
           date_trunc('hour', chips.phase_since, 'UTC') as phase_hour,
           (chips.phase_since at time zone chips.zone)::date as phase_day
    from chips
    where chips.look_again_at <= $at and (($only)::bigint[] is null or chips.id = any($only))
    order by chips.look_again_at, chips.portfolio_id, chips.id
    limit $limit
    for no key update of chips skip locked
),
stopped as (
    select due.id as chip_id, array_agg(stops.scope || ': ' || stops.reason order by stops.id) as stops
    from due
    join stops on stops.released_at is null
        and (
            stops.scope = 'everything'
            or stops.scope = 'portfolio' and stops.target_id = due.portfolio_id
            or stops.scope = 'account' and stops.target_id = due.account_id
            or stops.scope = 'chip' and stops.target_id = due.id
        )
    group by due.id
),
purses as (
    -- what today's spend limit still pays for, at the dearest price; without a price it pays for nothing, as in the claim
    select limited.id as portfolio_id,
           coalesce(greatest(0, floor((limited.spend_day_max - coalesce(sum(paid.amount), 0)) / nullif(max(dearest.amount), 0))), 0)::integer as messages
    from (select distinct portfolios.id, portfolios.spend_day_max
          from due join portfolios on portfolios.id = due.portfolio_id
          where portfolios.spend_day_max is not null) as limited
    cross join lateral (select max(prices.amount) as amount from prices where prices.category in ('marketing', 'utility')) as dearest
    left join lateral (
        select prices.amount
        from chips as spending
        join sends on sends.chip_id = spending.id and sends.cap_day = ($at at time zone spending.zone)::date
        left join templates on templates.id = sends.template_row
        join prices on prices.category = lower(coalesce(sends.category, templates.category))
        where spending.portfolio_id = limited.id
    ) as paid on true
    group by limited.id, limited.spend_day_max
),
approved as (
    -- a paused template was approved: it comes back by itself
    select distinct templates.account_id
    from templates
    where templates.account_id in (select due.account_id from due) and templates.status in ('APPROVED', 'PAUSED')
)
select due.id as chip_id, due.name as chip, due.portfolio_id, portfolios.messaging_limit, due.zone, due.registered_at, due.today,
       due.status, due.phase, due.phase_since, due.paused_from, due.pauses, due.pauses_in_row, due.speed, due.slow_until,
       due.risk_cap, due.risk_cap_since, due.rearmed_at, due.advanced_on, due.demoted_on, due.harm_at, due.ready_at,
       due.name_status in ('APPROVED', 'AVAILABLE_WITHOUT_REVIEW') as name_approved, due.profile_filled, due.pin_set,
       approved.account_id is not null as template_approved, due.route_id is not null as route_set,
       due.quality, due.quality_at, due.phone_status,
       greatest(accounts.webhook_at, due.webhook_at) as webhook_at, stopped.stops,
       packed.hours as hours_packed, latest.hours as hours_since,
       lived.sending_days_in_phase, lived.reachable_in_phase, lived.accepted_in_phase, lived.best_day_7d,
       (coalesce(lived.last_day, 0) & 4294967295)::integer as accepted_last_day, idle.days as idle_days, lived.accepted_today,
       used_templates.green as templates_green, used_templates.paused as templates_paused,
       scored.health_max_1h, scored.health_max_24h,
       due.portfolio_share, purses.messages as spend_left, due.eligible_people, due.clamp
from due
join accounts on accounts.id = due.account_id
join portfolios on portfolios.id = due.portfolio_id
left join stopped on stopped.chip_id = due.id
left join purses on purses.portfolio_id = due.portfolio_id
left join approved on approved.account_id = due.account_id
left join lateral (
    select chip_months.hours from chip_months where chip_months.chip_id = due.id offset 0
) as packed on true
cross join lateral (
    select array_agg(array[
               (date_part('epoch', counts.hour) / 3600)::integer, counts.accepted, counts.reached, counts.delivered, counts.read,
               counts.replied, counts.opted_out, counts.undeliverable, counts.limited, counts.held, counts.failed, counts.unknown,
               counts.received, counts.conversations, counts.spam, counts.warnings, counts.calls, counts.media
           ]) as hours
    from chip_counts as counts
    where counts.chip_id = due.id and counts.hour >= $month::timestamptz
) as latest
cross join lateral (
    -- A day of the phase begins at or after the hour in which the phase began. The week's last day with messages and how many they were are
    -- one number, day before messages: the greatest is the newest.
    select (count(*) filter (where days.in_phase and days.accepted > 0))::integer as sending_days_in_phase,
           coalesce(sum(days.reachable) filter (where days.in_phase), 0)::integer as reachable_in_phase,
           coalesce(sum(days.accepted) filter (where days.in_phase), 0)::integer as accepted_in_phase,
           coalesce(max(days.accepted) filter (where days.in_week), 0)::integer as best_day_7d,
           max((days.day - due.today + 31)::bigint << 32 | days.accepted) filter (where days.in_week and days.accepted > 0) as last_day,
           max(days.day) filter (where days.day < due.today and days.accepted > 0 and days.reachable > 0) as used_day,
           coalesce(max(days.accepted) filter (where days.day = due.today), 0)::integer as accepted_today
    from (
        select chip_days.day, chip_days.accepted, chip_days.reachable,
               chip_days.day < due.today and chip_days.day >= due.today - 7 as in_week,
               chip_days.day < due.today
                   and (
                       chip_days.day > due.phase_day
                       or chip_days.day = due.phase_day and (chip_days.day::timestamp at time zone due.zone) >= due.phase_hour
                   ) as in_phase
        from chip_days
        where chip_days.chip_id = due.id and chip_days.day >= due.today - 30
    ) as days
) as lived
cross join lateral (
    select count(*)::integer as days
    from chip_days
    where chip_days.chip_id = due.id and chip_days.day > coalesce(lived.used_day, due.today - 31) and chip_days.day < due.today
      and chip_days.reachable > 0
) as idle
cross join lateral (
    select max(health_log.score) filter (where health_log.at > $at - interval '1 hour') as health_max_1h,
           max(health_log.score) as health_max_24h
    from health_log
    where health_log.chip_id = due.id and health_log.at > $at - interval '24 hours' and health_log.at <= $at
      and health_log.at >= coalesce(due.rearmed_at, '-infinity')
) as scored
cross join lateral (
    select (count(*) filter (where templates.status = 'APPROVED' and templates.quality = 'GREEN'))::integer as green,
           (count(*) filter (where templates.status in ('PAUSED', 'DISABLED')))::integer as paused
    from templates
    where templates.account_id = due.account_id
      and exists (
          select
          from campaigns
          where campaigns.portfolio_id = due.portfolio_id and campaigns.status = 'active' and campaigns.template = templates.name
            and campaigns.language = templates.language and (campaigns.chip_id is null or campaigns.chip_id = due.id)
          offset 0
      )
) as used_templates
order by due.id;

-- name: read_sharers -> Sharer
-- The other sending chips of these portfolios, with what each could use of the portfolio's limit. When a fleet is reviewed there are none:
-- a portfolio's chips come together.
select chips.id as chip_id, chips.portfolio_id, chips.budget_need as need, coalesce(chips.health, 0) as health, chips.portfolio_share as share
from chips
where chips.portfolio_id = any($portfolio_ids::bigint[]) and chips.status in ('warming', 'ready', 'active')
  and chips.id <> all($at_hand::bigint[])
order by chips.id;

-- name: set_shares -> none
-- Another share for chips that are not under review now. Where it binds, they are looked at again at once. Busy ones wait for the next split.
with free as materialized (
    select chips.id from chips where chips.id = any($chip_ids::bigint[]) order by chips.id for no key update skip locked
)
update chips
set portfolio_share = given.share,
    look_again_at = case
        when chips.look_again_at is not null and (given.share < chips.budget_day_max or chips.budget_binding = 'share')
            then least(chips.look_again_at, $at)
        else chips.look_again_at
    end
from unnest($chip_ids::bigint[], $shares::integer[]) as given (chip_id, share)
join free on free.id = given.chip_id
where chips.id = given.chip_id and chips.portfolio_share is distinct from given.share;

-- name: write_states -> none
-- The next state of each chip, as decided. A larger budget is planned at once.
update chips
set status = given.status,
    phase = given.phase,
    phase_since = given.phase_since,
    paused_from = given.paused_from,
    pauses = given.pauses,
    pauses_in_row = given.pauses_in_row,
    speed = given.speed,
    slow_until = given.slow_until,
    risk_cap = given.risk_cap,
    risk_cap_since = given.risk_cap_since,
    rearmed_at = given.rearmed_at,
    advanced_on = given.advanced_on,
    demoted_on = given.demoted_on,
    harm_at = given.harm_at,
    ready_at = given.ready_at,
    health = given.health,
    plan_again_at = case when given.budget_day_max <> chips.budget_day_max then null else chips.plan_again_at end,
    budget_day_max = given.budget_day_max,
    budget_binding = given.budget_binding,
    budget_need = given.budget_need,
    portfolio_share = given.share,
    policy = given.policy,
    decided_at = $at,
    look_again_at = given.look_again_at
from unnest(
    $chip_ids::bigint[], $statuses::text[], $phases::text[], $phase_sinces::timestamptz[], $paused_froms::text[], $pauses::jsonb[],
    $pauses_in_rows::integer[], $speeds::double precision[], $slow_untils::timestamptz[], $risk_caps::integer[], $risk_cap_sinces::date[],
    $rearmed_ats::timestamptz[], $advanced_ons::date[], $demoted_ons::date[], $harm_ats::timestamptz[], $ready_ats::timestamptz[],
    $healths::integer[], $budgets::integer[], $bindings::text[], $needs::integer[], $shares::integer[], $look_again_ats::timestamptz[],
    $policies::text[]
) as given (
    chip_id, status, phase, phase_since, paused_from, pauses, pauses_in_row, speed, slow_until, risk_cap, risk_cap_since,
    rearmed_at, advanced_on, demoted_on, harm_at, ready_at, health, budget_day_max, budget_binding, budget_need, share, look_again_at,
    policy
)
where chips.id = given.chip_id;

-- name: write_budgets -> none
-- The same for chips whose state stays as it is, which are most of them: what is decided anew each time.
update chips
set health = given.health,
    plan_again_at = case when given.budget_day_max <> chips.budget_day_max then null else chips.plan_again_at end,
    budget_day_max = given.budget_day_max,
    budget_binding = given.budget_binding,
    budget_need = given.budget_need,
    portfolio_share = given.share,
    policy = given.policy,
    decided_at = $at,
    look_again_at = given.look_again_at
from unnest(
    $chip_ids::bigint[], $healths::integer[], $budgets::integer[], $bindings::text[], $needs::integer[], $shares::integer[],
    $look_again_ats::timestamptz[], $policies::text[]
) as given (chip_id, health, budget_day_max, budget_binding, budget_need, share, look_again_at, policy)
where chips.id = given.chip_id;

-- name: add_scores -> none
-- The health score; a second look at the same moment replaces the first.
insert into health_log (chip_id, at, score)
select given.chip_id, $at, given.score
from unnest($chip_ids::bigint[], $scores::integer[]) as given (chip_id, score)
on conflict (chip_id, at) do update set score = excluded.score;

-- name: add_decisions -> none
-- What was decided, by which policy, from which snapshot.
insert into decisions (chip_id, at, policy, status, changes, record)
select given.chip_id, $at, given.policy, given.status, string_to_array(given.changes, ' '), given.record
from unnest($chip_ids::bigint[], $policies::text[], $statuses::text[], $changes::text[], $records::bytea[])
    as given (chip_id, policy, status, changes, record);

-- name: grant_days -> none
-- The largest budget of each chip's day.
insert into chip_days (chip_id, day, granted)
select given.chip_id, given.day, given.granted
from unnest($chip_ids::bigint[], $days::date[], $granted::integer[]) as given (chip_id, day, granted)
order by given.chip_id
on conflict (chip_id, day) do update set granted = greatest(chip_days.granted, excluded.granted);

-- name: close_days -> none
-- These chips do not send any more today: they could reach nobody beyond whom they reached.
update chip_days
set reachable = chip_days.accepted
from unnest($chip_ids::bigint[], $days::date[]) as given (chip_id, day)
where chip_days.chip_id = given.chip_id and chip_days.day = given.day and chip_days.reachable > chip_days.accepted;

-- name: tell_people -> none
-- Alerts of a review. One with a key stays open until what it says is over; one without is told and done.
insert into alerts (at, chip_id, rule, level, text, open_key, closed_at, closed_by)
select $at::timestamptz, given.chip_id, given.rule, given.level, given.text, given.open_key,
       case when given.open_key is null then $at end, case when given.open_key is null then 'review' end
from unnest($chip_ids::bigint[], $rules::text[], $levels::text[], $texts::text[], $open_keys::text[])
    as given (chip_id, rule, level, text, open_key)
on conflict (open_key) where closed_at is null and open_key is not null do nothing;

-- name: close_alerts -> none
-- What a review does not see any more is over: its alerts of these chips, but those whose keys still stand.
update alerts
set closed_at = $at, closed_by = 'review'
where alerts.chip_id = any($chip_ids::bigint[])
  and alerts.closed_at is null
  and alerts.open_key like 'review:%'
  and alerts.open_key <> all($standing::text[]);

-- name: look_again -> none
-- These chips are due for a decision now, if they are under review at all.
update chips
set look_again_at = least(chips.look_again_at, $at)
where chips.id = any($chip_ids::bigint[]) and chips.look_again_at is not null;
