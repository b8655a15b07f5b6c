-- What a shadow policy makes of the chips. Nothing here is read by anything that sends.

-- name: read_shadow_states -> StateRow
-- Where these chips stand under this version of the shadow policy; those that it has not met yet are left out.
select shadow_chips.chip_id, shadow_chips.own, shadow_chips.lived
from shadow_chips
where shadow_chips.chip_id = any($chip_ids::bigint[]) and shadow_chips.policy = $policy;

-- name: write_shadow_states -> none
-- Where they stand from now on.
insert into shadow_chips (chip_id, policy, own, lived)
select given.chip_id, $policy, given.own, given.lived
from unnest($chip_ids::bigint[], $owns::jsonb[], $lived::jsonb[]) as given (chip_id, own, lived)
order by given.chip_id
on conflict (chip_id) do update set policy = excluded.policy, own = excluded.own, lived = excluded.lived;

-- name: add_shadow_decisions -> none
-- What both policies decided, side by side.
insert into shadow_decisions (
    chip_id, at, policy, budget, binding, phase, status, changes, live_policy, live_budget, live_phase, live_status, live_changes
)
select given.chip_id, given.at, $policy, given.budget, given.binding, given.phase, given.status, string_to_array(given.changes, ' '),
       given.live_policy, given.live_budget, given.live_phase, given.live_status, string_to_array(given.live_changes, ' ')
from unnest(
    $chip_ids::bigint[], $ats::timestamptz[], $budgets::integer[], $bindings::text[], $phases::text[], $statuses::text[], $changes::text[],
    $live_policies::text[], $live_budgets::integer[], $live_phases::text[], $live_statuses::text[], $live_changes::text[]
) as given (
    chip_id, at, budget, binding, phase, status, changes, live_policy, live_budget, live_phase, live_status, live_changes
);

-- name: list_shadow_courses -> ShadowCourse
-- By chip and policy version: how often both policies differ since a moment, and what the shadow would have held back of what was accepted.
with days as (
    select shadow_decisions.chip_id, shadow_decisions.policy, (shadow_decisions.at at time zone chips.zone)::date as day,
           max(shadow_decisions.budget) as budget, max(shadow_decisions.live_budget) as live_budget
    from shadow_decisions
    join chips on chips.id = shadow_decisions.chip_id
    where shadow_decisions.at >= $since
    group by 1, 2, 3
),
sums as (
    select days.chip_id, days.policy, sum(greatest(0, coalesce(chip_days.accepted, 0) - days.budget))::integer as held_back,
           sum(greatest(0, days.budget - days.live_budget)) filter (where coalesce(chip_days.accepted, 0) >= days.live_budget) as granted_more
    from days
    left join chip_days on chip_days.chip_id = days.chip_id and chip_days.day = days.day
    group by days.chip_id, days.policy
)
select chips.name as chip, told.policy, count(*)::integer as decisions,
       (count(*) filter (where told.differs))::integer as differ,
       min(told.at) as since, min(told.at) filter (where told.differs) as first_differs_at,
       sums.held_back, coalesce(sums.granted_more, 0)::integer as granted_more,
       (count(*) filter (where 'paused' = any(told.live_changes)))::integer as pauses_live,
       (count(*) filter (where 'paused' = any(told.changes)))::integer as pauses_shadow
from (
    select shadow_decisions.chip_id, shadow_decisions.policy, shadow_decisions.at, shadow_decisions.changes, shadow_decisions.live_changes,
           (shadow_decisions.budget, shadow_decisions.phase, shadow_decisions.status)
               is distinct from (shadow_decisions.live_budget, shadow_decisions.live_phase, shadow_decisions.live_status) as differs
    from shadow_decisions
    where shadow_decisions.at >= $since
) as told
join chips on chips.id = told.chip_id
join sums on sums.chip_id = told.chip_id and sums.policy = told.policy
group by chips.name, told.policy, sums.held_back, sums.granted_more
order by chips.name, told.policy;

-- name: list_shadow_partings -> ShadowParting
-- Where both policies began to differ, or to differ in another way, newest first.
select chips.name as chip, told.at, told.policy, told.budget, told.binding, told.phase, told.status, told.changes,
       told.live_policy, told.live_budget, told.live_phase, told.live_status, told.live_changes
from (
    select shadow_decisions.chip_id, shadow_decisions.at, shadow_decisions.policy, shadow_decisions.budget, shadow_decisions.binding,
           shadow_decisions.phase, shadow_decisions.status, shadow_decisions.changes, shadow_decisions.live_policy,
           shadow_decisions.live_budget, shadow_decisions.live_phase, shadow_decisions.live_status, shadow_decisions.live_changes,
           lag(array[budget::text, phase, status, live_budget::text, live_phase, live_status]) over (partition by chip_id, policy order by at)
               is distinct from array[budget::text, phase, status, live_budget::text, live_phase, live_status] as is_new
    from shadow_decisions
    where shadow_decisions.at >= $since
) as told
join chips on chips.id = told.chip_id
where told.is_new and (told.budget, told.phase, told.status) is distinct from (told.live_budget, told.live_phase, told.live_status)
order by told.at desc, chips.name
limit $limit;
