-- From budgets to sends: what a chip's day has used, what is planned of it, and the plan itself as it is written.

-- name: lock_due_chips -> DueChip
-- Chips that may send and whose day is to be planned (again), or whose sends are overdue. Locked; another planner's chips are passed over.
-- A day is planned by a decision of that day. No stop may cover the chip.
select chips.id as chip_id, chips.zone, (($at::timestamptz) at time zone chips.zone)::date as day,
       chips.budget_day_max, chips.budget_binding, chips.eligible_people
from chips
where chips.status in ('warming', 'ready', 'active')
  and (
      chips.plan_again_at is null
      or chips.plan_again_at <= $at
      or exists (select from sends where sends.chip_id = chips.id and sends.state = 'planned' and sends.due_at < $overdue)
  )
  and (chips.decided_at at time zone chips.zone)::date = ($at at time zone chips.zone)::date
  and not exists (
      select from stops
      where stops.released_at is null
        and (
            stops.scope = 'everything'
            or stops.scope = 'portfolio' and stops.target_id = chips.portfolio_id
            or stops.scope = 'account' and stops.target_id = chips.account_id
            or stops.scope = 'chip' and stops.target_id = chips.id
        )
  )
order by chips.id
limit $limit
for no key update of chips skip locked;

-- name: list_sending_chips -> DueChip
-- The chips that may send, as they are now, for a day to come; all of them, or these. Nothing is locked.
select chips.id as chip_id, chips.zone, $day::date as day, chips.budget_day_max, chips.budget_binding, chips.eligible_people
from chips
where chips.status in ('warming', 'ready', 'active') and ($chip_ids::bigint[] is null or chips.id = any($chip_ids))
order by chips.id;

-- name: count_loads -> Load
-- What each chip has used of its day (claimed or more, and not surely refused) and what is still planned.
with asked as (
    select given.chip_id, given.day from unnest($chip_ids::bigint[], $days::date[]) as given (chip_id, day)
),
used as (
    select asked.chip_id, count(*) as number
    from asked
    join sends on sends.chip_id = asked.chip_id and sends.cap_day = asked.day
    where sends.kind = 'campaign'
    group by asked.chip_id
),
planned as (
    select asked.chip_id, count(*) as number
    from asked
    join sends on sends.chip_id = asked.chip_id and sends.state = 'planned'
    where sends.kind = 'campaign' and sends.plan_day = asked.day
    group by asked.chip_id
)
select asked.chip_id, coalesce(used.number, 0) as used, coalesce(planned.number, 0) as planned
from asked
left join used on used.chip_id = asked.chip_id
left join planned on planned.chip_id = asked.chip_id;

-- name: list_planned -> Standing
-- What these chips have planned for their day, with what bounds its time.
select sends.id as send_id, sends.chip_id, sends.contact_id, sends.campaign_id, sends.purpose, contacts.zone, sends.due_at, campaigns.ttl_h,
       case sends.purpose when 'marketing' then greatest(contacts.next_marketing_at, contacts.cooldown_until) end as free_at
from unnest($chip_ids::bigint[], $days::date[]) as asked (chip_id, day)
join sends on sends.chip_id = asked.chip_id and sends.state = 'planned' and sends.kind = 'campaign' and sends.plan_day = asked.day
join campaigns on campaigns.id = sends.campaign_id
join contacts on contacts.id = sends.contact_id
order by sends.chip_id, sends.due_at, sends.id;

-- name: find_late -> int
-- Which of these chips have sends that were due long ago.
select distinct sends.chip_id
from sends
where sends.chip_id = any($chip_ids::bigint[]) and sends.state = 'planned' and sends.kind = 'campaign' and sends.due_at < $overdue;

-- name: add_sends -> AddedSend
-- Writes the new ones. A person who got a send of another planner in between keeps that one; one whom somebody changes now is left out.
with given as (
    select given.chip_id, given.contact_id, given.campaign_id, given.template_row, given.purpose, given.canary, given.day, given.due_at,
           given.expires_at
    from unnest(
        $chip_ids::bigint[], $contact_ids::bigint[], $campaign_ids::bigint[], $template_rows::bigint[], $purposes::text[],
        $canaries::boolean[], $days::date[], $due_ats::timestamptz[], $expires_ats::timestamptz[]
    ) as given (chip_id, contact_id, campaign_id, template_row, purpose, canary, day, due_at, expires_at)
),
people as materialized (
    select contacts.id from contacts where contacts.id = any($contact_ids) order by contacts.id for key share skip locked
)
insert into sends (
    chip_id, portfolio_id, contact_id, campaign_id, template_row, kind, purpose, canary, plan_day, planned_at, due_at, expires_at
)
select given.chip_id, chips.portfolio_id, given.contact_id, given.campaign_id, given.template_row, 'campaign', given.purpose, given.canary,
       given.day, $at, given.due_at, given.expires_at
from given
join people on people.id = given.contact_id
join chips on chips.id = given.chip_id
order by given.contact_id
on conflict do nothing
returning id as send_id, chip_id;

-- name: move_sends -> none
-- Other times for sends that are still only planned.
update sends
set due_at = given.due_at, expires_at = given.expires_at
from unnest($send_ids::bigint[], $due_ats::timestamptz[], $expires_ats::timestamptz[]) as given (send_id, due_at, expires_at)
where sends.id = given.send_id and sends.state = 'planned';

-- name: trim_sends -> int
-- Cancels what is planned beyond a smaller budget: the latest and coldest first. Gives the chips concerned.
with asked as (
    select given.chip_id, given.day, given.excess
    from unnest($chip_ids::bigint[], $days::date[], $excesses::integer[]) as given (chip_id, day, excess)
),
last as (
    select sends.id, asked.excess, row_number() over (partition by asked.chip_id order by sends.due_at desc, sends.id desc) as place
    from asked
    join sends on sends.chip_id = asked.chip_id and sends.state = 'planned' and sends.kind = 'campaign' and sends.plan_day = asked.day
)
update sends
set state = 'cancelled', reason = 'the budget fell'
from last
where sends.id = last.id and last.place <= last.excess and sends.state = 'planned'
returning sends.chip_id;

-- name: cancel_sends -> int
-- Cancels everything that these chips have planned for campaigns. Gives the chips concerned.
update sends
set state = 'cancelled', reason = $reason
where sends.chip_id = any($chip_ids::bigint[]) and sends.kind = 'campaign' and sends.state = 'planned'
returning sends.chip_id;

-- name: put_reachable -> none
-- How many people each chip could reach on its day: the most that any plan of that day found.
insert into chip_days (chip_id, day, granted, reachable)
select given.chip_id, given.day, given.granted, given.reachable
from unnest($chip_ids::bigint[], $days::date[], $granted::integer[], $reachable::integer[]) as given (chip_id, day, granted, reachable)
order by given.chip_id
on conflict (chip_id, day) do update
set granted = greatest(chip_days.granted, excluded.granted), reachable = greatest(chip_days.reachable, excluded.reachable);

-- name: put_planned -> none
-- What the plan learnt of each chip, and when to plan it again. A chip that found people where none were is decided on at once.
update chips
set eligible_people = given.people,
    plan_again_at = given.plan_again_at,
    look_again_at = case
        when chips.look_again_at is not null and given.people > chips.eligible_people and chips.budget_binding = 'people'
            then least(chips.look_again_at, $at)
        else chips.look_again_at
    end
from unnest($chip_ids::bigint[], $people::integer[], $plan_again_ats::timestamptz[]) as given (chip_id, people, plan_again_at)
where chips.id = given.chip_id;
