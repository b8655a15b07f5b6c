-- From budgets to sends: who may be written to today, by which chip, for which campaign, and when.
-- A person belongs to one audience; a well (view campaign_wells) is a campaign that a chip may draw from now.
-- `offset 0` inside `not exists` asks for one index probe a person. Without it the server may join instead, and on a young database, whose
-- statistics still say that nothing was ever sent, it compared every person with every send.

-- name: list_zones -> str
-- The time zones that people live in, found by hopping over the index.
with recursive hops as (
    (select contacts.zone from contacts order by contacts.zone limit 1)
    union all
    select (select contacts.zone from contacts where contacts.zone > hops.zone order by contacts.zone limit 1)
    from hops
    where hops.zone is not null
)
select zone from hops where zone is not null;

-- name: lock_due_chips -> DueChip
-- Chips that may send and whose day is to be planned (again), or whose sends are overdue. Locked; another planner's chips are passed over.
-- A day is planned by a decision of that day. No stop may cover the chip.
select chips.id as chip_id, chips.zone, (($at::timestamptz) at time zone chips.zone)::date as day,
       chips.budget_day_max, chips.eligible_people
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
select chips.id as chip_id, chips.zone, $day::date as day, chips.budget_day_max, chips.eligible_people
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

-- name: count_people -> People
-- How many people each chip could write to before `until`, counted up to `most`: its own, those who wait in the pool, and those it has
-- sends open for. Hours are left aside. A person whom each of the chip's campaigns has reached already does not count.
with asked as materialized (
    select given.chip_id, given.until, given.most
    from unnest($chip_ids::bigint[], $untils::timestamptz[], $mosts::integer[]) as given (chip_id, until, most)
),
wells as materialized (
    select given.chip_id, given.campaign_id, given.audience, given.purpose, given.repeat_after_d
    from unnest($well_chip_ids::bigint[], $well_campaign_ids::bigint[], $well_audiences::text[], $well_purposes::text[], $well_repeats::integer[])
        as given (chip_id, campaign_id, audience, purpose, repeat_after_d)
),
draws as (
    select wells.audience, max(asked.until) as until, max(asked.most) as most,
           bool_or(wells.purpose = 'marketing') as marketing, bool_or(wells.purpose = 'utility') as utility
    from wells
    join asked on asked.chip_id = wells.chip_id
    group by wells.audience
),
waiting as materialized (
    select draws.audience, found.number
    from draws
    cross join lateral (
        select count(*) as number
        from (
            select
            from contacts
            where contacts.audience = draws.audience
              and contacts.chip_id is null
              and (contacts.may_marketing or contacts.may_utility)
              and contacts.stopped_at is null
              and contacts.undeliverable_at is null
              and (
                  draws.utility and contacts.may_utility
                  or draws.marketing and contacts.may_marketing and contacts.platform_stopped_at is null
                     and (contacts.next_marketing_at is null or contacts.next_marketing_at < draws.until)
                     and (contacts.cooldown_until is null or contacts.cooldown_until < draws.until)
              )
              and not exists (
                  select from sends
                  where sends.contact_id = contacts.id and sends.kind = 'campaign' and sends.state in ('planned', 'claimed', 'calling')
                  offset 0
              )
            limit draws.most
        ) as people
    ) as found
),
pool as (
    select audiences.chip_id, sum(waiting.number) as number
    from (select distinct wells.chip_id, wells.audience from wells) as audiences
    join waiting on waiting.audience = audiences.audience
    group by audiences.chip_id
),
own as (
    -- a person counts once, however many campaigns there are
    select asked.chip_id, count(distinct contacts.id) as number
    from asked
    join contacts on contacts.chip_id = asked.chip_id
    join wells on wells.chip_id = asked.chip_id and wells.audience = contacts.audience
    where contacts.stopped_at is null
      and contacts.undeliverable_at is null
      and (
          wells.purpose = 'utility' and contacts.may_utility
          or wells.purpose = 'marketing' and contacts.may_marketing and contacts.platform_stopped_at is null
             and (contacts.next_marketing_at is null or contacts.next_marketing_at < asked.until)
             and (contacts.cooldown_until is null or contacts.cooldown_until < asked.until)
      )
      and not exists (
          select from sends
          where sends.contact_id = contacts.id and sends.kind = 'campaign' and sends.state in ('planned', 'claimed', 'calling')
          offset 0
      )
      and not exists (
          select from sends
          where sends.campaign_id = wells.campaign_id
            and sends.contact_id = contacts.id
            and (
                sends.state = 'unknown'
                or (
                    sends.state in ('accepted', 'held', 'sent', 'delivered', 'read')
                    or sends.state = 'failed' and sends.code is distinct from 131049
                )
                and (
                    wells.repeat_after_d is null
                    or coalesce(sends.accepted_at, sends.failed_at) > $at::timestamptz - make_interval(days => wells.repeat_after_d)
                )
            )
          offset 0
      )
    group by asked.chip_id
),
open as (
    select sends.chip_id, count(*) as number
    from sends
    where sends.chip_id = any($chip_ids) and sends.kind = 'campaign' and sends.state in ('planned', 'claimed', 'calling')
    group by sends.chip_id
)
select asked.chip_id, least(asked.most, coalesce(own.number, 0) + coalesce(pool.number, 0) + coalesce(open.number, 0))::integer as number
from asked
left join own on own.chip_id = asked.chip_id
left join pool on pool.chip_id = asked.chip_id
left join open on open.chip_id = asked.chip_id;

-- name: list_wells -> Well
-- What each of these chips may draw from.
select campaign_wells.chip_id, campaign_wells.campaign_id, campaign_wells.template_row, campaign_wells.audience, campaign_wells.purpose,
       campaign_wells.priority, campaign_wells.ttl_h, campaign_wells.repeat_after_d
from campaign_wells
where campaign_wells.chip_id = any($chip_ids::bigint[])
order by campaign_wells.chip_id, campaign_wells.priority, campaign_wells.campaign_id;

-- name: expect_values -> none
-- For this transaction, plan statements for their values (lists of one and of a hundred thousand want different joins), and do not compile
-- them: that took longer than running them.
select from (select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true)) as settings;

-- name: choose_people -> Choice
-- Who gets a message of which chip. Reads only. Each chip sees its own people, and its seats of the pool: seats are dealt round by round,
-- so that chips share the best of it. Of these it takes `need`: campaigns by priority, then who is not silent, most engaged, most recently
-- opted in; but `canaries` of them by lot from the next `need`. What a chip's row says is carried along with each person, because a join
-- back to it would be planned on guesses.
with wells as materialized (
    select given.chip_id, given.campaign_id, given.audience, given.purpose, given.priority, given.repeat_after_d
    from unnest(
        $well_chip_ids::bigint[], $well_campaign_ids::bigint[], $well_audiences::text[], $well_purposes::text[], $well_priorities::integer[],
        $well_repeats::integer[]
    ) as given (chip_id, campaign_id, audience, purpose, priority, repeat_after_d)
),
orders as materialized (
    select given.chip_id, given.home, given.need, given.canaries, given.day, menus.campaign_ids, menus.audiences, menus.purposes,
           menus.priorities, menus.repeats
    from unnest($chip_ids::bigint[], $homes::text[], $needs::integer[], $canaries::integer[], $days::date[])
        as given (chip_id, home, need, canaries, day)
    join (
        select wells.chip_id, array_agg(wells.campaign_id) as campaign_ids, array_agg(wells.audience) as audiences,
               array_agg(wells.purpose) as purposes, array_agg(wells.priority) as priorities, array_agg(wells.repeat_after_d) as repeats
        from wells
        group by wells.chip_id
    ) as menus on menus.chip_id = given.chip_id
),
dealt as materialized (
    select distinct orders.chip_id, orders.need, orders.day, menu.audience
    from orders
    cross join lateral unnest(orders.audiences) as menu (audience)
),
draws as materialized (
    select sums.audience, sums.seats, row_number() over (order by sums.audience) as number,
           exists (select from wells where wells.audience = sums.audience and wells.purpose = 'marketing') as marketing,
           exists (select from wells where wells.audience = sums.audience and wells.purpose = 'utility') as utility
    from (select dealt.audience, sum(2 * dealt.need) as seats from dealt group by dealt.audience) as sums
),
seats as materialized (
    select draws.number * 1000000000 + row_number() over (
               partition by draws.number order by rounds.round, md5(dealt.chip_id::text || dealt.day::text)
           ) as place,
           dealt.chip_id
    from dealt
    join draws on draws.audience = dealt.audience
    cross join lateral generate_series(1, 2 * dealt.need) as rounds (round)
),
pool as materialized (
    select draws.number * 1000000000 + row_number() over (
               partition by draws.number order by person.engagement desc, person.opted_in_at desc, person.id
           ) as place,
           draws.audience, person.id, person.phone_key, person.user_id, person.zone, person.engagement, person.opted_in_at,
           person.may_marketing, person.may_utility, person.free_at, person.silent
    from draws
    cross join lateral (
        select contacts.id, contacts.phone_key, contacts.user_id, contacts.zone, contacts.engagement, contacts.opted_in_at,
               contacts.may_marketing and contacts.platform_stopped_at is null as may_marketing, contacts.may_utility,
               greatest(contacts.next_marketing_at, contacts.cooldown_until) as free_at,
               contacts.last_accepted_at is not null
                   and (contacts.last_received_at is null or contacts.last_received_at < contacts.last_accepted_at) as silent
        from contacts
        where contacts.audience = draws.audience
          and contacts.chip_id is null
          and (contacts.may_marketing or contacts.may_utility)
          and contacts.stopped_at is null
          and contacts.undeliverable_at is null
          and contacts.zone = any($span_zones::text[])
          and (
              draws.utility and contacts.may_utility
              or draws.marketing and contacts.may_marketing and contacts.platform_stopped_at is null
                 and (contacts.next_marketing_at is null or contacts.next_marketing_at < $until::timestamptz)
                 and (contacts.cooldown_until is null or contacts.cooldown_until < $until)
          )
          and not exists (
              select from sends
              where sends.contact_id = contacts.id and sends.kind = 'campaign' and sends.state in ('planned', 'claimed', 'calling')
              offset 0
          )
        order by contacts.engagement desc, contacts.opted_in_at desc, contacts.id
        limit draws.seats
    ) as person
),
seen as materialized (
    select seats.chip_id, pool.audience, pool.id, pool.phone_key, pool.user_id, pool.zone, pool.engagement, pool.opted_in_at,
           pool.may_marketing, pool.may_utility, pool.free_at, pool.silent
    from pool
    join seats on seats.place = pool.place
    union all
    select orders.chip_id, own.audience, own.id, own.phone_key, own.user_id, own.zone, own.engagement, own.opted_in_at, own.may_marketing,
           own.may_utility, own.free_at, own.silent
    from orders
    cross join lateral (
        select contacts.audience, contacts.id, contacts.phone_key, contacts.user_id, contacts.zone, contacts.engagement,
               contacts.opted_in_at, contacts.may_marketing and contacts.platform_stopped_at is null as may_marketing, contacts.may_utility,
               greatest(contacts.next_marketing_at, contacts.cooldown_until) as free_at,
               contacts.last_accepted_at is not null
                   and (contacts.last_received_at is null or contacts.last_received_at < contacts.last_accepted_at) as silent
        from contacts
        where contacts.chip_id = orders.chip_id
          and contacts.stopped_at is null
          and contacts.undeliverable_at is null
          and not exists (
              select from sends
              where sends.contact_id = contacts.id and sends.kind = 'campaign' and sends.state in ('planned', 'claimed', 'calling')
              offset 0
          )
        offset 0
    ) as own
),
matched as (
    select distinct on (seen.id)
           seen.chip_id, seen.id as contact_id, orders.need, orders.canaries, orders.day, well.campaign_id, well.purpose, well.priority,
           seen.zone, seen.engagement, seen.opted_in_at, seen.silent, case well.purpose when 'marketing' then seen.free_at end as free_at
    from seen
    join orders on orders.chip_id = seen.chip_id
    cross join lateral unnest(orders.campaign_ids, orders.audiences, orders.purposes, orders.priorities, orders.repeats)
        as well (campaign_id, audience, purpose, priority, repeat_after_d)
    where well.audience = seen.audience
      and (
          well.purpose = 'utility' and seen.may_utility
          or well.purpose = 'marketing' and seen.may_marketing
      )
      and exists (
          select from unnest($span_homes::text[], $span_zones, $span_closes::timestamptz[]) as span (home, zone, closes_at)
          where span.home = orders.home and span.zone = seen.zone
            and (well.purpose = 'utility' or seen.free_at is null or seen.free_at < span.closes_at)
          offset 0
      )
      and not exists (
          select from suppressions
          where suppressions.phone_key = seen.phone_key and suppressions.lifted_at is null
            and suppressions.purpose in ('all', well.purpose)
          offset 0
      )
      and not exists (
          select from suppressions
          where suppressions.user_id = seen.user_id and suppressions.lifted_at is null
            and suppressions.purpose in ('all', well.purpose)
          offset 0
      )
      and not exists (
          select from sends
          where sends.campaign_id = well.campaign_id
            and sends.contact_id = seen.id
            and (
                sends.state = 'unknown'
                or (
                    sends.state in ('accepted', 'held', 'sent', 'delivered', 'read')
                    or sends.state = 'failed' and sends.code is distinct from 131049
                )
                and (
                    well.repeat_after_d is null
                    or coalesce(sends.accepted_at, sends.failed_at) > $at::timestamptz - make_interval(days => well.repeat_after_d)
                )
            )
          offset 0
      )
    order by seen.id, well.priority, well.campaign_id
),
ranked as (
    select matched.chip_id, matched.contact_id, matched.campaign_id, matched.purpose, matched.zone, matched.free_at, matched.need,
           matched.canaries, matched.day, count(*) over (partition by matched.chip_id) as people,
           row_number() over (
               partition by matched.chip_id
               order by matched.priority, matched.silent, matched.engagement desc, matched.opted_in_at desc, matched.contact_id
           ) as rank
    from matched
),
lots as (
    select ranked.chip_id, ranked.contact_id, ranked.campaign_id, ranked.purpose, ranked.zone, ranked.free_at, ranked.people, ranked.rank,
           ranked.need, ranked.canaries, ranked.rank > ranked.need - ranked.canaries as colder,
           row_number() over (
               partition by ranked.chip_id, ranked.rank > ranked.need - ranked.canaries
               order by md5(ranked.contact_id::text || ranked.day::text)
           ) as lot
    from ranked
    where ranked.rank <= 2 * ranked.need
)
select lots.chip_id, lots.contact_id, lots.campaign_id, lots.purpose, lots.zone, lots.free_at, lots.colder and lots.people > lots.need as canary
from lots
where not lots.colder or lots.lot <= lots.canaries
order by lots.chip_id, lots.rank;

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
        when given.people > chips.eligible_people and chips.budget_binding = 'people' then least(chips.look_again_at, $at)
        else chips.look_again_at
    end
from unnest($chip_ids::bigint[], $people::integer[], $plan_again_ats::timestamptz[]) as given (chip_id, people, plan_again_at)
where chips.id = given.chip_id;
