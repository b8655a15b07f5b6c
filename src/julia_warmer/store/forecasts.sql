-- When chips will be ready, as it was forecast, and what came of it.

-- name: read_outlook -> Outlook
-- What a forecast needs besides the chip's last decision: its portfolio's limit, and how many chips send from it.
select chips.name as chip, chips.status, chips.registered_at, portfolios.messaging_limit,
       (select count(*)::integer from chips as sharers
        where sharers.portfolio_id = chips.portfolio_id and sharers.status in ('warming', 'ready', 'active', 'paused')) as sharers
from chips
join portfolios on portfolios.id = chips.portfolio_id
where chips.id = $chip_id;

-- name: list_days -> Day
-- A chip's calendar days of the last weeks.
select chip_days.day, chip_days.accepted, chip_days.reachable
from chip_days
where chip_days.chip_id = $chip_id and chip_days.day >= $since
order by chip_days.day;

-- name: list_warming -> int
-- Chips of which there is something to forecast.
select chips.id from chips where chips.status in ('warming', 'paused') order by chips.id;

-- name: list_due -> int
-- Of those chips the ones on which something was decided, and whose last forecast is older than a moment, or that have none.
select chips.id
from chips
where chips.status in ('warming', 'paused') and exists (select from decisions where decisions.chip_id = chips.id)
  and not exists (select from forecasts where forecasts.chip_id = chips.id and forecasts.made_at > $made_before)
order by chips.id
limit $limit;

-- name: add_forecast -> none
-- A forecast, as it was made.
insert into forecasts (
    chip_id, made_at, policy, phase, day_now, day_low, day_median, day_high, band_share, horizon_d, ready_share, risk, lives
)
values (
    $chip_id, $made_at, $policy, $phase, $day_now, $day_low, $day_median, $day_high, $band_share, $horizon_d, $ready_share, $risk, $lives
);

-- name: list_judged -> Judged
-- Of each chip the first forecast in each phase, with the day on which it first became ready after that, and the day that it is now.
select first.chip, first.phase, first.policy, first.made_at, first.day_low, first.day_high, first.band_share, first.horizon_d,
       floor(extract(epoch from became.at - first.registered_at) / 86400)::integer + 1 as ready_day,
       floor(extract(epoch from $at::timestamptz - first.registered_at) / 86400)::integer + 1 as today
from (
    select distinct on (forecasts.chip_id, forecasts.phase) forecasts.chip_id, chips.name as chip, chips.registered_at, forecasts.phase,
           forecasts.policy, forecasts.made_at, forecasts.day_low, forecasts.day_high, forecasts.band_share, forecasts.horizon_d
    from forecasts
    join chips on chips.id = forecasts.chip_id
    order by forecasts.chip_id, forecasts.phase, forecasts.made_at
) as first
left join lateral (
    select min(decisions.at) as at
    from decisions
    where decisions.chip_id = first.chip_id and decisions.at > first.made_at and 'became_ready' = any(decisions.changes)
) as became on true
order by first.made_at, first.chip;
