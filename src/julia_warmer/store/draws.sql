-- Who may be written to, by which chip. Reads only.
-- A person belongs to one audience; a well (view campaign_wells) is a campaign that a chip may draw from now.
-- `offset 0` inside `exists` asks for one index probe a person. Without it the server may join instead, and on a young database, whose
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

-- name: list_wells -> Well
-- What each of these chips may draw from.
select campaign_wells.chip_id, campaign_wells.campaign_id, campaign_wells.template_row, campaign_wells.audience, campaign_wells.purpose,
       campaign_wells.priority, campaign_wells.ttl_h, campaign_wells.repeat_after_d
from campaign_wells
where campaign_wells.chip_id = any($chip_ids::bigint[])
order by campaign_wells.chip_id, campaign_wells.priority, campaign_wells.campaign_id;

-- name: expect_values -> none
-- For this transaction, plan statements for their values (lists of one and of a hundred thousand want different joins), or not any more; and
-- do not compile them: that took longer than running them.
select from (
    select set_config('plan_cache_mode', case when $expects::boolean then 'force_custom_plan' else 'auto' end, true), set_config('jit', 'off', true)
) as settings;

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
campaigns as materialized (
    select distinct wells.campaign_id, wells.audience, wells.purpose, wells.repeat_after_d from wells
),
draws as (
    select sums.audience, sums.until, sums.most,
           array(select campaigns.campaign_id from campaigns where campaigns.audience = sums.audience order by 1) as campaign_ids,
           array(select campaigns.purpose from campaigns where campaigns.audience = sums.audience order by campaigns.campaign_id) as purposes,
           array(select campaigns.repeat_after_d from campaigns where campaigns.audience = sums.audience order by campaigns.campaign_id) as repeats
    from (
        select wells.audience, max(asked.until) as until, max(asked.most) as most
        from wells
        join asked on asked.chip_id = wells.chip_id
        group by wells.audience
    ) as sums
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
              -- nobody of a source that is held: asked of each person only while there is one
              and (not exists (select from source_holds where source_holds.released_at is null) or not exists (select from held_source(contacts.id) offset 0))
              and not exists (
                  select from sends
                  where sends.contact_id = contacts.id and sends.kind = 'campaign' and sends.state in ('planned', 'claimed', 'calling')
                  offset 0
              )
              and exists (
                  select from unnest(draws.campaign_ids, draws.purposes, draws.repeats) as menu (campaign_id, purpose, repeat_after_d)
                  where (
                      menu.purpose = 'utility' and contacts.may_utility
                      or menu.purpose = 'marketing' and contacts.may_marketing and contacts.platform_stopped_at is null and contacts.questioned_at is null
                         and (contacts.next_marketing_at is null or contacts.next_marketing_at < draws.until)
                         and (contacts.cooldown_until is null or contacts.cooldown_until < draws.until)
                  )
                  and not exists (
                      select from campaign_hits as hit
                      where hit.campaign_id = menu.campaign_id and hit.contact_id = contacts.id
                        and (menu.repeat_after_d is null or hit.at > $at::timestamptz - make_interval(days => menu.repeat_after_d))
                      offset 0
                  )
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
menus as materialized (
    -- by itself, for the server expects one person a chip, and compared each with every chip
    select asked.chip_id, asked.until, wells.campaign_id, wells.audience, wells.purpose, wells.repeat_after_d
    from asked
    join wells on wells.chip_id = asked.chip_id
),
own as (
    -- a person counts once, however many campaigns there are
    select menus.chip_id, count(distinct contacts.id) as number
    from menus
    join contacts on contacts.chip_id = menus.chip_id and contacts.audience = menus.audience
    where contacts.stopped_at is null
      and contacts.undeliverable_at is null
      -- nobody of a source that is held: asked of each person only while there is one
      and (not exists (select from source_holds where source_holds.released_at is null) or not exists (select from held_source(contacts.id) offset 0))
      and (
          menus.purpose = 'utility' and contacts.may_utility
          or menus.purpose = 'marketing' and contacts.may_marketing and contacts.platform_stopped_at is null and contacts.questioned_at is null
             and (contacts.next_marketing_at is null or contacts.next_marketing_at < menus.until)
             and (contacts.cooldown_until is null or contacts.cooldown_until < menus.until)
      )
      and not exists (
          select from sends
          where sends.contact_id = contacts.id and sends.kind = 'campaign' and sends.state in ('planned', 'claimed', 'calling')
          offset 0
      )
      and not exists (
          select from campaign_hits as hit
          where hit.campaign_id = menus.campaign_id and hit.contact_id = contacts.id
            and (menus.repeat_after_d is null or hit.at > $at::timestamptz - make_interval(days => menus.repeat_after_d))
          offset 0
      )
    group by menus.chip_id
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
campaigns as materialized (
    select distinct wells.campaign_id, wells.audience, wells.purpose, wells.repeat_after_d from wells
),
dealt as materialized (
    select distinct orders.chip_id, orders.need, orders.day, menu.audience
    from orders
    cross join lateral unnest(orders.audiences) as menu (audience)
),
draws as materialized (
    -- the audiences, each with its seats and the campaigns that somebody may draw from
    select sums.audience, sums.seats, row_number() over (order by sums.audience) as number,
           array(select campaigns.campaign_id from campaigns where campaigns.audience = sums.audience order by 1) as campaign_ids,
           array(select campaigns.purpose from campaigns where campaigns.audience = sums.audience order by campaigns.campaign_id) as purposes,
           array(select campaigns.repeat_after_d from campaigns where campaigns.audience = sums.audience order by campaigns.campaign_id) as repeats
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
               contacts.may_marketing and contacts.platform_stopped_at is null and contacts.questioned_at is null as may_marketing, contacts.may_utility,
               greatest(contacts.next_marketing_at, contacts.cooldown_until) as free_at,
               contacts.scored and contacts.last_accepted_at is not null
                   and (contacts.last_received_at is null or contacts.last_received_at < contacts.last_accepted_at) as silent
        from contacts
        where contacts.audience = draws.audience
          and contacts.chip_id is null
          and (contacts.may_marketing or contacts.may_utility)
          and contacts.stopped_at is null
          and contacts.undeliverable_at is null
          -- nobody of a source that is held: asked of each person only while there is one
          and (not exists (select from source_holds where source_holds.released_at is null) or not exists (select from held_source(contacts.id) offset 0))
          and contacts.zone = any($span_zones::text[])
          and not exists (
              select from sends
              where sends.contact_id = contacts.id and sends.kind = 'campaign' and sends.state in ('planned', 'claimed', 'calling')
              offset 0
          )
          and not exists (
              select from suppressions
              where suppressions.phone_key = contacts.phone_key and suppressions.lifted_at is null and suppressions.purpose = 'all'
              offset 0
          )
          and exists (
              select from unnest(draws.campaign_ids, draws.purposes, draws.repeats) as menu (campaign_id, purpose, repeat_after_d)
              where (
                  menu.purpose = 'utility' and contacts.may_utility
                  or menu.purpose = 'marketing' and contacts.may_marketing and contacts.platform_stopped_at is null and contacts.questioned_at is null
                     and (contacts.next_marketing_at is null or contacts.next_marketing_at < $until::timestamptz)
                     and (contacts.cooldown_until is null or contacts.cooldown_until < $until)
              )
              and not exists (
                  select from campaign_hits as hit
                  where hit.campaign_id = menu.campaign_id and hit.contact_id = contacts.id
                    and (menu.repeat_after_d is null or hit.at > $at::timestamptz - make_interval(days => menu.repeat_after_d))
                  offset 0
              )
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
               contacts.opted_in_at, contacts.may_marketing and contacts.platform_stopped_at is null and contacts.questioned_at is null as may_marketing, contacts.may_utility,
               greatest(contacts.next_marketing_at, contacts.cooldown_until) as free_at,
               contacts.scored and contacts.last_accepted_at is not null
                   and (contacts.last_received_at is null or contacts.last_received_at < contacts.last_accepted_at) as silent
        from contacts
        where contacts.chip_id = orders.chip_id
          and contacts.stopped_at is null
          and contacts.undeliverable_at is null
          -- nobody of a source that is held: asked of each person only while there is one
          and (not exists (select from source_holds where source_holds.released_at is null) or not exists (select from held_source(contacts.id) offset 0))
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
          select from campaign_hits as hit
          where hit.campaign_id = well.campaign_id and hit.contact_id = seen.id
            and (well.repeat_after_d is null or hit.at > $at::timestamptz - make_interval(days => well.repeat_after_d))
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
