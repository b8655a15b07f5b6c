-- What a decision looks at, and what it leaves behind. Counting follows the rules at the head of core/fold.py.

-- name: due_snapshots -> SnapshotRow
-- Chips whose next decision is due, locked, with what became of their messages; another worker's chips are passed over.
-- Hours: $this_hour holds the moment; $month and $week are the first hours of 30 and 7 days; hours before $matured_before (and
-- $fresh_before) are old enough. Nothing is older than 30 days. The counts of a window come as one array, in the order of model.Counts.
with due as materialized (
    select chips.id, chips.name, chips.portfolio_id, chips.account_id, chips.route_id, chips.zone, chips.registered_at,
           chips.status, chips.phase, chips.phase_since, chips.paused_from, chips.pauses, chips.pauses_in_row, chips.speed, chips.slow_until,
           chips.risk_cap, chips.risk_cap_since, chips.rearmed_at, chips.advanced_on, chips.demoted_on, chips.harm_at, chips.ready_at,
           chips.quality, chips.quality_at, chips.phone_status, chips.name_status, chips.profile_filled, chips.pin_set, chips.webhook_at,
           chips.portfolio_share, chips.eligible_people, chips.clamp,
           ($at::timestamptz at time zone chips.zone)::date as today,
           coalesce(date_trunc('hour', chips.rearmed_at + interval '3599.999999 seconds', 'UTC'), '-infinity') as armed,
           date_trunc('hour', chips.phase_since, 'UTC') as phase_hour
    from chips
    where chips.look_again_at <= $at and (($only)::bigint[] is null or chips.id = any($only))
    order by chips.look_again_at, chips.id
    limit $limit
    for no key update of chips skip locked
),
hours as (
    select counts.chip_id, counts.hour, counts.accepted, counts.reached, counts.delivered, counts.read, counts.replied, counts.opted_out,
           counts.undeliverable, counts.limited, counts.held, counts.failed, counts.unknown, counts.received, counts.conversations,
           counts.media, counts.spam, counts.warnings, counts.calls,
           counts.hour >= due.armed as armed,
           counts.hour >= due.armed and counts.hour < $matured_before::timestamptz as matured,
           counts.hour >= due.armed and counts.hour < $fresh_before::timestamptz as fresh,
           counts.hour >= due.phase_hour as in_phase,
           coalesce(sum(counts.accepted) filter (where counts.hour >= due.armed and counts.hour < $matured_before) over newer, 0)
               < $recent_sends::bigint as matured_recent,
           coalesce(sum(counts.accepted) filter (where counts.hour >= due.armed and counts.hour < $fresh_before) over newer, 0)
               < $recent_sends as fresh_recent,
           coalesce(sum(counts.replied) filter (where counts.hour >= due.armed and counts.hour < $matured_before) over newest, 0)
               = 0 as unanswered
    from due
    join chip_counts as counts on counts.chip_id = due.id and counts.hour >= $month::timestamptz
    window newest as (partition by counts.chip_id order by counts.hour desc rows unbounded preceding),
           newer as (partition by counts.chip_id order by counts.hour desc rows between unbounded preceding and 1 preceding)
),
counted as (
    select hours.chip_id,
           array[
               sum(accepted) filter (where matured and in_phase), sum(reached) filter (where matured and in_phase),
               sum(delivered) filter (where matured and in_phase), sum(read) filter (where matured and in_phase),
               sum(replied) filter (where matured and in_phase), sum(opted_out) filter (where matured and in_phase),
               sum(undeliverable) filter (where matured and in_phase), sum(limited) filter (where matured and in_phase),
               sum(held) filter (where matured and in_phase), sum(failed) filter (where matured and in_phase),
               sum(unknown) filter (where matured and in_phase)
           ]::integer[] as phase_matured,
           array[
               sum(accepted) filter (where matured and matured_recent), sum(reached) filter (where matured and matured_recent),
               sum(delivered) filter (where matured and matured_recent), sum(read) filter (where matured and matured_recent),
               sum(replied) filter (where matured and matured_recent), sum(opted_out) filter (where matured and matured_recent),
               sum(undeliverable) filter (where matured and matured_recent), sum(limited) filter (where matured and matured_recent),
               sum(held) filter (where matured and matured_recent), sum(failed) filter (where matured and matured_recent),
               sum(unknown) filter (where matured and matured_recent)
           ]::integer[] as recent_matured,
           array[
               sum(accepted) filter (where fresh and fresh_recent), sum(reached) filter (where fresh and fresh_recent),
               sum(delivered) filter (where fresh and fresh_recent), sum(read) filter (where fresh and fresh_recent),
               sum(replied) filter (where fresh and fresh_recent), sum(opted_out) filter (where fresh and fresh_recent),
               sum(undeliverable) filter (where fresh and fresh_recent), sum(limited) filter (where fresh and fresh_recent),
               sum(held) filter (where fresh and fresh_recent), sum(failed) filter (where fresh and fresh_recent),
               sum(unknown) filter (where fresh and fresh_recent)
           ]::integer[] as recent_fresh,
           array[
               sum(accepted) filter (where armed and hour >= $this_hour::timestamptz - interval '1 hour'),
               sum(reached) filter (where armed and hour >= $this_hour - interval '1 hour'),
               sum(delivered) filter (where armed and hour >= $this_hour - interval '1 hour'),
               sum(read) filter (where armed and hour >= $this_hour - interval '1 hour'),
               sum(replied) filter (where armed and hour >= $this_hour - interval '1 hour'),
               sum(opted_out) filter (where armed and hour >= $this_hour - interval '1 hour'),
               sum(undeliverable) filter (where armed and hour >= $this_hour - interval '1 hour'),
               sum(limited) filter (where armed and hour >= $this_hour - interval '1 hour'),
               sum(held) filter (where armed and hour >= $this_hour - interval '1 hour'),
               sum(failed) filter (where armed and hour >= $this_hour - interval '1 hour'),
               sum(unknown) filter (where armed and hour >= $this_hour - interval '1 hour')
           ]::integer[] as last_hours,
           coalesce(sum(reached) filter (where matured and unanswered), 0)::integer as unanswered_run,
           sum(accepted)::integer as accepted_30d,
           sum(received)::integer as received_30d,
           coalesce(sum(conversations) filter (where hour >= $week::timestamptz), 0)::integer as conversations_7d,
           coalesce(bit_or(media) filter (where hour >= $week), 0)::integer as media_7d,
           coalesce(sum(calls) filter (where hour >= $week), 0)::integer as calls_answered_7d,
           coalesce(sum(spam) filter (where hour >= $week), 0)::integer as spam_errors_7d,
           coalesce(sum(spam) filter (where hour >= $week and armed), 0)::integer as spam_errors_rearmed,
           coalesce(sum(warnings) filter (where hour >= $week), 0)::integer as platform_warnings_7d
    from hours
    group by hours.chip_id
),
days as (
    select chip_days.chip_id, chip_days.day, chip_days.accepted, chip_days.reachable, due.today,
           chip_days.day < due.today and (chip_days.day::timestamp at time zone due.zone) >= due.phase_hour as in_phase,
           chip_days.day < due.today and chip_days.day >= due.today - 7 as in_week,
           coalesce(sum(chip_days.accepted) filter (where chip_days.day < due.today and chip_days.reachable > 0) over newest, 0) = 0 as idle,
           row_number() over (partition by chip_days.chip_id, chip_days.day < due.today and chip_days.accepted > 0 order by chip_days.day desc)
               as place
    from due
    join chip_days on chip_days.chip_id = due.id and chip_days.day >= due.today - 30
    window newest as (partition by chip_days.chip_id order by chip_days.day desc rows unbounded preceding)
),
lived as (
    select days.chip_id,
           (count(*) filter (where in_phase and accepted > 0))::integer as sending_days_in_phase,
           coalesce(sum(reachable) filter (where in_phase), 0)::integer as reachable_in_phase,
           coalesce(sum(accepted) filter (where in_phase), 0)::integer as accepted_in_phase,
           coalesce(max(accepted) filter (where in_week), 0)::integer as best_day_7d,
           coalesce(max(accepted) filter (where in_week and accepted > 0 and place = 1), 0)::integer as accepted_last_day,
           (count(*) filter (where day < today and reachable > 0 and idle))::integer as idle_days,
           coalesce(max(accepted) filter (where day = today), 0)::integer as accepted_today
    from days
    group by days.chip_id
),
scored as (
    select due.id as chip_id, max(health_log.score) filter (where health_log.at > $at - interval '1 hour') as health_max_1h,
           max(health_log.score) as health_max_24h
    from due
    join health_log on health_log.chip_id = due.id and health_log.at > $at - interval '24 hours' and health_log.at <= $at
        and health_log.at >= coalesce(due.rearmed_at, '-infinity')
    group by due.id
),
used_templates as (
    select due.id as chip_id,
           (count(distinct templates.id) filter (where templates.status = 'APPROVED' and templates.quality = 'GREEN'))::integer as green,
           (count(distinct templates.id) filter (where templates.status in ('PAUSED', 'DISABLED')))::integer as paused
    from due
    join campaigns on campaigns.portfolio_id = due.portfolio_id and campaigns.status = 'active'
        and (campaigns.chip_id is null or campaigns.chip_id = due.id)
    join templates on templates.account_id = due.account_id and templates.name = campaigns.template and templates.language = campaigns.language
    group by due.id
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
       counted.phase_matured, counted.recent_matured, counted.recent_fresh, counted.last_hours,
       coalesce(counted.unanswered_run, 0) as unanswered_run,
       coalesce(lived.sending_days_in_phase, 0) as sending_days_in_phase, coalesce(lived.reachable_in_phase, 0) as reachable_in_phase,
       coalesce(lived.accepted_in_phase, 0) as accepted_in_phase, coalesce(lived.best_day_7d, 0) as best_day_7d,
       coalesce(lived.accepted_last_day, 0) as accepted_last_day, coalesce(lived.idle_days, 0) as idle_days,
       coalesce(lived.accepted_today, 0) as accepted_today,
       coalesce(counted.accepted_30d, 0) as accepted_30d, coalesce(counted.received_30d, 0) as received_30d,
       coalesce(counted.conversations_7d, 0) as conversations_7d, coalesce(counted.media_7d, 0) as media_7d,
       coalesce(used_templates.green, 0) as templates_green, coalesce(used_templates.paused, 0) as templates_paused,
       coalesce(counted.calls_answered_7d, 0) as calls_answered_7d, coalesce(counted.spam_errors_7d, 0) as spam_errors_7d,
       coalesce(counted.spam_errors_rearmed, 0) as spam_errors_rearmed, coalesce(counted.platform_warnings_7d, 0) as platform_warnings_7d,
       scored.health_max_1h, scored.health_max_24h,
       due.portfolio_share, purses.messages as spend_left, due.eligible_people, due.clamp
from due
join accounts on accounts.id = due.account_id
join portfolios on portfolios.id = due.portfolio_id
left join counted on counted.chip_id = due.id
left join lived on lived.chip_id = due.id
left join scored on scored.chip_id = due.id
left join used_templates on used_templates.chip_id = due.id
left join stopped on stopped.chip_id = due.id
left join purses on purses.portfolio_id = due.portfolio_id
left join approved on approved.account_id = due.account_id
order by due.id;

-- name: read_sharers -> Sharer
-- Every sending chip of these portfolios, with what it could use of the portfolio's limit.
select chips.id as chip_id, chips.portfolio_id, chips.budget_need as need, coalesce(chips.health, 0) as health, chips.portfolio_share as share
from chips
where chips.portfolio_id = any($portfolio_ids::bigint[]) and chips.status in ('warming', 'ready', 'active')
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
    policy = $policy,
    decided_at = $at,
    look_again_at = given.look_again_at
from unnest(
    $chip_ids::bigint[], $statuses::text[], $phases::text[], $phase_sinces::timestamptz[], $paused_froms::text[], $pauses::jsonb[],
    $pauses_in_rows::integer[], $speeds::double precision[], $slow_untils::timestamptz[], $risk_caps::integer[], $risk_cap_sinces::date[],
    $rearmed_ats::timestamptz[], $advanced_ons::date[], $demoted_ons::date[], $harm_ats::timestamptz[], $ready_ats::timestamptz[],
    $healths::integer[], $budgets::integer[], $bindings::text[], $needs::integer[], $shares::integer[], $look_again_ats::timestamptz[]
) as given (
    chip_id, status, phase, phase_since, paused_from, pauses, pauses_in_row, speed, slow_until, risk_cap, risk_cap_since,
    rearmed_at, advanced_on, demoted_on, harm_at, ready_at, health, budget_day_max, budget_binding, budget_need, share, look_again_at
)
where chips.id = given.chip_id;

-- name: add_scores -> none
-- The health score with every term; a second look at the same moment replaces the first.
insert into health_log (chip_id, at, score, terms)
select given.chip_id, $at, given.score, given.terms
from unnest($chip_ids::bigint[], $scores::integer[], $terms::jsonb[]) as given (chip_id, score, terms)
on conflict (chip_id, at) do update set score = excluded.score, terms = excluded.terms;

-- name: add_decisions -> none
-- What was decided, by which policy, from which snapshot.
insert into decisions (chip_id, at, policy, snapshot, decision, changes)
select given.chip_id, $at, $policy, given.snapshot, given.decision, string_to_array(given.changes, ' ')
from unnest($chip_ids::bigint[], $snapshots::jsonb[], $decisions::jsonb[], $changes::text[])
    as given (chip_id, snapshot, decision, changes);

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
