-- The floor of the review, and the sprint's cycle.

-- name: begin_review -> none
-- Every chip is due.
update chips set look_again_at = $at;

-- name: keep_chips -> none
-- What a review left behind, for the floor to write again: the chips' states,
create table bench_chips as
select chips.id, chips.status, chips.phase, chips.phase_since, chips.paused_from, chips.pauses, chips.pauses_in_row, chips.speed,
       chips.slow_until, chips.risk_cap, chips.risk_cap_since, chips.rearmed_at, chips.advanced_on, chips.demoted_on, chips.harm_at,
       chips.ready_at, chips.health, chips.plan_again_at, chips.budget_day_max, chips.budget_binding, chips.budget_need,
       chips.portfolio_share, chips.policy
from chips;

-- name: keep_scores -> none
-- scores,
create table bench_scores as
select health_log.chip_id, health_log.score from health_log where health_log.at = $at;

-- name: keep_decisions -> none
-- and decisions with their snapshots.
create table bench_decisions as
select distinct on (decisions.chip_id)
       decisions.chip_id, decisions.policy, decisions.status, decisions.changes, decisions.record
from decisions
where decisions.at = $at
order by decisions.chip_id, decisions.id desc;

-- name: lock_due -> int
-- As a review begins.
select chips.id
from chips
where chips.look_again_at <= $at
order by chips.look_again_at, chips.portfolio_id, chips.id
limit $limit
for no key update skip locked;

-- name: sum_counts -> CountsRow
-- Each column of the hours that are not folded yet, added up: the least that brings all of it to one row a chip.
select counts.chip_id, sum(counts.accepted), sum(counts.reached), sum(counts.delivered), sum(counts.read), sum(counts.replied),
       sum(counts.opted_out), sum(counts.undeliverable), sum(counts.limited), sum(counts.held), sum(counts.failed), sum(counts.unknown),
       sum(counts.received), sum(counts.conversations), bit_or(counts.media), sum(counts.spam), sum(counts.warnings), sum(counts.calls)
from chip_counts as counts
where counts.chip_id = any($chip_ids::bigint[]) and counts.hour >= $since
group by counts.chip_id;

-- name: read_months -> MonthRow
-- The folded hours, as they are.
select chip_months.chip_id, chip_months.hours from chip_months where chip_months.chip_id = any($chip_ids::bigint[]);

-- name: sum_days -> DaysRow
-- The month's days.
select chip_days.chip_id, sum(chip_days.granted), sum(chip_days.reachable), sum(chip_days.accepted)
from chip_days
where chip_days.chip_id = any($chip_ids::bigint[]) and chip_days.day >= $since
group by chip_days.chip_id;

-- name: max_scores -> ScoresRow
-- The last day's scores.
select health_log.chip_id, max(health_log.score)
from health_log
where health_log.chip_id = any($chip_ids::bigint[]) and health_log.at >= $since
group by health_log.chip_id;

-- name: write_chips -> none
-- Every column that a review writes, as it wrote it.
update chips
set status = kept.status, phase = kept.phase, phase_since = kept.phase_since, paused_from = kept.paused_from, pauses = kept.pauses,
    pauses_in_row = kept.pauses_in_row, speed = kept.speed, slow_until = kept.slow_until, risk_cap = kept.risk_cap,
    risk_cap_since = kept.risk_cap_since, rearmed_at = kept.rearmed_at, advanced_on = kept.advanced_on, demoted_on = kept.demoted_on,
    harm_at = kept.harm_at, ready_at = kept.ready_at, health = kept.health, plan_again_at = kept.plan_again_at,
    budget_day_max = kept.budget_day_max, budget_binding = kept.budget_binding, budget_need = kept.budget_need,
    portfolio_share = kept.portfolio_share, policy = kept.policy, decided_at = $at, look_again_at = $at::timestamptz + interval '4 hours'
from bench_chips as kept
where chips.id = any($chip_ids::bigint[]) and kept.id = any($chip_ids) and kept.id = chips.id;

-- name: write_scores -> none
-- The scores again, for this moment.
insert into health_log (chip_id, at, score)
select kept.chip_id, $at, kept.score from bench_scores as kept where kept.chip_id = any($chip_ids::bigint[]);

-- name: write_decisions -> none
-- The decisions again, for this moment.
insert into decisions (chip_id, at, policy, status, changes, record)
select kept.chip_id, $at, kept.policy, kept.status, kept.changes, kept.record
from bench_decisions as kept
where kept.chip_id = any($chip_ids::bigint[]);

-- name: write_days -> none
-- What the day grants.
insert into chip_days (chip_id, day, granted)
select kept.id, ($at::timestamptz at time zone 'America/Sao_Paulo')::date, kept.budget_day_max
from bench_chips as kept
where kept.id = any($chip_ids::bigint[])
on conflict (chip_id, day) do update set granted = greatest(chip_days.granted, excluded.granted);

-- ---------------------------------------------------------------- the sprint

-- name: keep_hours -> none
-- The hours of before they were folded, for the sprint's interactions.
create table bench_hours as
select counts.chip_id, counts.hour, counts.accepted, counts.received, counts.failed from chip_counts as counts;

-- name: add_said -> none
-- The sprint's interactions: one row for each message out or in, as many as the counts say.
create table bench_said (id bigint generated always as identity primary key, chip_id bigint, contact_id bigint, kind text, at timestamptz);

-- name: fill_said -> none
-- A month of them.
insert into bench_said (chip_id, contact_id, kind, at)
select counts.chip_id, counts.chip_id * 1000 + nth % 7 * 100 + extract(day from counts.hour)::int, told.kind,
       counts.hour + make_interval(mins => 7 * nth::int)
from bench_hours as counts
cross join lateral (values ('sent', counts.accepted), ('received', counts.received), ('failed', counts.failed)) as told (kind, number)
cross join lateral generate_series(1, told.number) as nth;

-- name: index_said -> none
-- By chip and time, as anybody would.
create index bench_said_chip on bench_said (chip_id, at);

-- name: read_chip -> ChipRow
-- One chip.
select chips.id, chips.status, chips.phase, chips.phase_since, chips.registered_at, chips.health, chips.budget_day_max
from chips
where chips.id = $chip_id;

-- name: count_said -> int
-- How many messages of a kind since then.
select count(*) from bench_said where bench_said.chip_id = $chip_id and bench_said.kind = $kind and bench_said.at >= $since;

-- name: count_partners -> int
-- With how many people there were messages both ways.
select count(*)
from (
    select bench_said.contact_id
    from bench_said
    where bench_said.chip_id = $chip_id and bench_said.at >= $since
    group by bench_said.contact_id
    having bool_or(bench_said.kind = 'sent') and bool_or(bench_said.kind = 'received')
) as pairs;

-- name: read_score -> int
-- The best score since then.
select max(health_log.score) from health_log where health_log.chip_id = $chip_id and health_log.at >= $since;

-- name: note_score -> none
-- A new score.
insert into health_log (chip_id, at, score) values ($chip_id, $at, $score);

-- name: write_chip -> none
-- The chip's new state.
update chips set health = $score, phase = $phase, decided_at = $at, look_again_at = $at::timestamptz + interval '5 minutes'
where chips.id = $chip_id;
