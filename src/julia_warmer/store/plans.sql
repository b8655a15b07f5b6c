-- From budgets to sends: who may be written to today, by which chip, for which campaign, and when.
-- A person belongs to one audience; a well (view campaign_wells) is a campaign that a chip may draw from now.

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
with asked as (
    select given.chip_id, given.until, given.most
    from unnest($chip_ids::bigint[], $untils::timestamptz[], $mosts::integer[]) as given (chip_id, until, most)
),
wells as materialized (
    select campaign_wells.chip_id, campaign_wells.campaign_id, campaign_wells.audience, campaign_wells.purpose,
           campaign_wells.repeat_after_d
    from campaign_wells
    where campaign_wells.chip_id = any($chip_ids)
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
    select asked.chip_id, found.number
    from asked
    cross join lateral (
        select count(*) as number
        from (
            select
            from contacts
            where contacts.chip_id = asked.chip_id
              and contacts.stopped_at is null
              and contacts.undeliverable_at is null
              and not exists (
                  select from sends
                  where sends.contact_id = contacts.id and sends.kind = 'campaign' and sends.state in ('planned', 'claimed', 'calling')
              )
              and exists (
                  select from wells
                  where wells.chip_id = asked.chip_id
                    and wells.audience = contacts.audience
                    and (
                        wells.purpose = 'utility' and contacts.may_utility
                        or wells.purpose = 'marketing' and contacts.may_marketing and contacts.platform_stopped_at is null
                           and (contacts.next_marketing_at is null or contacts.next_marketing_at < asked.until)
                           and (contacts.cooldown_until is null or contacts.cooldown_until < asked.until)
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
                    )
              )
            limit asked.most
        ) as people
    ) as found
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

-- name: draw_sends -> Draw
-- Who gets a message of which chip today, and when. Reads only. Answers what is new (no send_id) and what is planned already and moves.
--
-- Each chip sees its own people and its seats of the pool: seats are dealt round by round, so that chips share the best of it. Of these
-- come the best `need`: campaigns by priority, then those who are not silent, most engaged, most recently opted in; but `canaries` of
-- them by lot from the next `need`. Times are spread evenly over what is left of each zone's hours, then pushed apart until no two of a
-- chip's sends are closer than `spacing_s`, or than an even share of the hours when that does not fit.
with wanted as materialized (
    select given.chip_id, given.need, given.canaries, given.day, chips.zone as home
    from unnest($chip_ids::bigint[], $needs::integer[], $canaries::integer[], $days::date[]) as given (chip_id, need, canaries, day)
    join chips on chips.id = given.chip_id
),
spans as materialized (
    select given.home, given.zone, given.opens_at, given.closes_at
    from unnest($span_homes::text[], $span_zones::text[], $span_opens::timestamptz[], $span_closes::timestamptz[])
        as given (home, zone, opens_at, closes_at)
),
wells as materialized (
    select campaign_wells.chip_id, campaign_wells.campaign_id, campaign_wells.template_row, campaign_wells.audience,
           campaign_wells.purpose, campaign_wells.priority, campaign_wells.ttl_h, campaign_wells.repeat_after_d
    from campaign_wells
    where campaign_wells.chip_id = any($chip_ids)
),
draws as materialized (
    select audiences.audience, sum(2 * wanted.need) as seats, bool_or(audiences.marketing) as marketing, bool_or(audiences.utility) as utility
    from (
        select wells.chip_id, wells.audience, bool_or(wells.purpose = 'marketing') as marketing, bool_or(wells.purpose = 'utility') as utility
        from wells
        group by wells.chip_id, wells.audience
    ) as audiences
    join wanted on wanted.chip_id = audiences.chip_id
    group by audiences.audience
),
pool as materialized (
    select draws.audience, person.contact_id,
           row_number() over (
               partition by draws.audience order by person.engagement desc, person.opted_in_at desc, person.contact_id
           ) as seat
    from draws
    cross join lateral (
        select contacts.id as contact_id, contacts.engagement, contacts.opted_in_at
        from contacts
        where contacts.audience = draws.audience
          and contacts.chip_id is null
          and (contacts.may_marketing or contacts.may_utility)
          and contacts.stopped_at is null
          and contacts.undeliverable_at is null
          and contacts.zone = any($span_zones)
          and (
              draws.utility and contacts.may_utility
              or draws.marketing and contacts.may_marketing and contacts.platform_stopped_at is null
                 and (contacts.next_marketing_at is null or contacts.next_marketing_at < $until)
                 and (contacts.cooldown_until is null or contacts.cooldown_until < $until)
          )
          and not exists (
              select from sends
              where sends.contact_id = contacts.id and sends.kind = 'campaign' and sends.state in ('planned', 'claimed', 'calling')
          )
        order by contacts.engagement desc, contacts.opted_in_at desc, contacts.id
        limit draws.seats
    ) as person
),
seats as materialized (
    select audiences.audience, audiences.chip_id,
           row_number() over (partition by audiences.audience order by rounds.round, md5(audiences.chip_id::text || wanted.day::text)) as seat
    from (select distinct wells.chip_id, wells.audience from wells) as audiences
    join wanted on wanted.chip_id = audiences.chip_id
    cross join lateral generate_series(1, 2 * wanted.need) as rounds (round)
),
seen as (
    select seats.chip_id, pool.contact_id
    from pool
    join seats on seats.audience = pool.audience and seats.seat = pool.seat
    union all
    select wanted.chip_id, contacts.id
    from wanted
    join contacts on contacts.chip_id = wanted.chip_id
    where wanted.need > 0
      and contacts.stopped_at is null
      and contacts.undeliverable_at is null
      and not exists (
          select from sends
          where sends.contact_id = contacts.id and sends.kind = 'campaign' and sends.state in ('planned', 'claimed', 'calling')
      )
),
matched as (
    select distinct on (contacts.id)
           seen.chip_id, contacts.id as contact_id, wells.campaign_id, wells.template_row, wells.purpose, wells.priority, wells.ttl_h,
           contacts.zone, contacts.engagement, contacts.opted_in_at,
           contacts.last_accepted_at is not null
               and (contacts.last_received_at is null or contacts.last_received_at < contacts.last_accepted_at) as silent,
           spans.opens_at, spans.closes_at, starts.from_at
    from seen
    join contacts on contacts.id = seen.contact_id
    join wanted on wanted.chip_id = seen.chip_id
    join wells on wells.chip_id = seen.chip_id and wells.audience = contacts.audience
    join spans on spans.home = wanted.home and spans.zone = contacts.zone
    cross join lateral (
        select case wells.purpose
                   when 'marketing' then greatest($at::timestamptz, spans.opens_at, contacts.next_marketing_at, contacts.cooldown_until)
                   else greatest($at::timestamptz, spans.opens_at)
               end as from_at
    ) as starts
    where starts.from_at < spans.closes_at
      and (
          wells.purpose = 'utility' and contacts.may_utility
          or wells.purpose = 'marketing' and contacts.may_marketing and contacts.platform_stopped_at is null
      )
      and not exists (
          select from suppressions
          where suppressions.phone_key = contacts.phone_key and suppressions.lifted_at is null
            and suppressions.purpose in ('all', wells.purpose)
      )
      and not exists (
          select from suppressions
          where suppressions.user_id = contacts.user_id and suppressions.lifted_at is null
            and suppressions.purpose in ('all', wells.purpose)
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
                    or coalesce(sends.accepted_at, sends.failed_at) > $at - make_interval(days => wells.repeat_after_d)
                )
            )
      )
    order by contacts.id, wells.priority, wells.campaign_id
),
ranked as (
    select matched.chip_id, matched.contact_id, matched.campaign_id, matched.template_row, matched.purpose, matched.ttl_h, matched.zone,
           matched.opens_at, matched.closes_at, matched.from_at, wanted.need, wanted.canaries, wanted.day,
           count(*) over (partition by matched.chip_id) as people,
           row_number() over (
               partition by matched.chip_id
               order by matched.priority, matched.silent, matched.engagement desc, matched.opted_in_at desc, matched.contact_id
           ) as rank
    from matched
    join wanted on wanted.chip_id = matched.chip_id
),
lots as (
    select ranked.chip_id, ranked.contact_id, ranked.campaign_id, ranked.template_row, ranked.purpose, ranked.ttl_h, ranked.zone,
           ranked.opens_at, ranked.closes_at, ranked.from_at, ranked.day, ranked.rank, ranked.need, ranked.canaries, ranked.people,
           ranked.rank > ranked.need - ranked.canaries as colder,
           row_number() over (
               partition by ranked.chip_id, ranked.rank > ranked.need - ranked.canaries
               order by md5(ranked.contact_id::text || ranked.day::text)
           ) as lot
    from ranked
    where ranked.rank <= 2 * ranked.need
),
chosen as (
    select null::bigint as send_id, null::timestamptz as was_due_at, lots.chip_id, lots.contact_id, lots.campaign_id, lots.template_row,
           lots.purpose, lots.colder and lots.people > lots.need as canary, lots.day, lots.ttl_h, lots.zone, lots.opens_at, lots.closes_at,
           lots.from_at, lots.rank
    from lots
    where not lots.colder or lots.lot <= lots.canaries
),
standing as (
    select sends.id as send_id, sends.due_at as was_due_at, sends.chip_id, sends.contact_id, sends.campaign_id, sends.template_row,
           sends.purpose, sends.canary, sends.plan_day as day, campaigns.ttl_h, contacts.zone, spans.opens_at, spans.closes_at,
           starts.from_at, 0 as rank
    from wanted
    join sends on sends.chip_id = wanted.chip_id and sends.state = 'planned' and sends.kind = 'campaign' and sends.plan_day = wanted.day
    join campaigns on campaigns.id = sends.campaign_id
    join contacts on contacts.id = sends.contact_id
    join spans on spans.home = wanted.home and spans.zone = contacts.zone
    cross join lateral (
        select case sends.purpose
                   when 'marketing' then greatest($at, spans.opens_at, contacts.next_marketing_at, contacts.cooldown_until)
                   else greatest($at, spans.opens_at)
               end as from_at
    ) as starts
    where starts.from_at < spans.closes_at
      and (
          exists (select from chosen where chosen.chip_id = wanted.chip_id)
          or exists (
              select from sends as late
              where late.chip_id = wanted.chip_id and late.state = 'planned' and late.due_at < $overdue
          )
      )
),
placed as (
    select members.send_id, members.was_due_at, members.chip_id, members.contact_id, members.campaign_id, members.template_row,
           members.purpose, members.canary, members.day, members.ttl_h, members.closes_at, members.from_at,
           greatest($at, members.opens_at) as starts_at,
           greatest(
               members.from_at,
               greatest($at, members.opens_at) + (members.closes_at - greatest($at, members.opens_at)) * (
                   (row_number() over (
                       partition by members.chip_id, members.zone
                       order by members.from_at, members.rank, members.was_due_at, members.contact_id
                   ) - 0.5) / count(*) over (partition by members.chip_id, members.zone)
               )::double precision
           ) as wished_at
    from (
        select chosen.send_id, chosen.was_due_at, chosen.chip_id, chosen.contact_id, chosen.campaign_id, chosen.template_row, chosen.purpose,
               chosen.canary, chosen.day, chosen.ttl_h, chosen.zone, chosen.opens_at, chosen.closes_at, chosen.from_at, chosen.rank
        from chosen
        union all
        select standing.send_id, standing.was_due_at, standing.chip_id, standing.contact_id, standing.campaign_id, standing.template_row,
               standing.purpose, standing.canary, standing.day, standing.ttl_h, standing.zone, standing.opens_at, standing.closes_at,
               standing.from_at, standing.rank
        from standing
    ) as members
),
queued as (
    select placed.send_id, placed.was_due_at, placed.chip_id, placed.contact_id, placed.campaign_id, placed.template_row, placed.purpose,
           placed.canary, placed.day, placed.ttl_h, placed.closes_at, placed.from_at, placed.wished_at,
           row_number() over (partition by placed.chip_id order by placed.wished_at, placed.contact_id) as place,
           interval '1 second' * least(
               $spacing_s::double precision,
               extract(epoch from max(placed.closes_at) over (partition by placed.chip_id)
                                  - min(placed.starts_at) over (partition by placed.chip_id))::double precision
               / count(*) over (partition by placed.chip_id)
           ) as gap
    from placed
),
timed as (
    select queued.send_id, queued.was_due_at, queued.chip_id, queued.contact_id, queued.campaign_id, queued.template_row, queued.purpose,
           queued.canary, queued.day, queued.ttl_h, queued.closes_at,
           date_trunc('second', greatest(
               queued.from_at,
               least(
                   queued.closes_at - interval '1 minute',
                   max(queued.wished_at - queued.place * queued.gap) over (partition by queued.chip_id order by queued.place)
                       + queued.place * queued.gap
               )
           )) as due_at
    from queued
)
select timed.send_id, timed.chip_id, timed.contact_id, timed.campaign_id, timed.template_row, timed.purpose, timed.canary, timed.day,
       timed.due_at, least(timed.due_at + make_interval(hours => timed.ttl_h), timed.closes_at) as expires_at
from timed
where timed.send_id is null or abs(extract(epoch from timed.due_at - timed.was_due_at)) >= 60
order by timed.chip_id, timed.due_at, timed.contact_id;

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
