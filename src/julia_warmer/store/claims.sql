-- The claim, step by step: due sends of one portfolio become one worker's. Why it is as it is: docs/decisions/0006-at-most-once.md.
-- Locks, always in this order: portfolios, chips, contacts (each by id), sends. A lock and the count that relies on it are never one
-- statement: a statement sees the world as of its own start, so it would count what was there before it had to wait.

-- name: plan_once -> str
-- For this connection: plan each statement once and not anew for each call, by index whatever the values and the statistics are, for a plan
-- that was made while a table was empty is kept when it is full. Planning the claim costs as much as running it.
select set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),
       set_config('enable_bitmapscan', 'off', false), set_config('jit', 'off', false);

-- name: find_due_portfolios -> int
-- Portfolios with something to send at this moment; none while anything is held.
select portfolios.id
from portfolios
where not exists (select from holds) and not exists (select from spools where spools.clear_until <= $at) and exists (
    select from sends where sends.portfolio_id = portfolios.id and sends.state = 'planned' and sends.due_at <= $at and sends.expires_at > $at
)
order by portfolios.id;

-- name: lock_portfolio -> PortfolioLimits
-- The first lock of a claim, and what the portfolio may spend.
select portfolios.messaging_limit, portfolios.spend_day_max
from portfolios
where portfolios.id = $portfolio_id
for no key update;

-- name: try_portfolio -> PortfolioLimits
-- The same, or nothing when somebody else holds it: there are other portfolios to claim from.
select portfolios.messaging_limit, portfolios.spend_day_max
from portfolios
where portfolios.id = $portfolio_id
for no key update skip locked;

-- name: lock_due_chips -> int
-- The second lock of a claim: the portfolio's chips that have something to send. One look into the queue of each, however
-- long it is: `is true`, here and below, keeps the plan from going through all that ends after this moment.
select chips.id
from chips
cross join lateral (
    select from unnest('{campaign,reply}'::text[]) as one (kind)
    cross join lateral (
        select from sends
        where sends.chip_id = chips.id and sends.state = 'planned' and sends.kind = one.kind
          and sends.due_at <= $at and (sends.expires_at > $at) is true
        order by sends.due_at, sends.id
        limit 1
    ) as first
    limit 1
) as due
where chips.portfolio_id = $portfolio_id
order by chips.id
for no key update of chips;

-- name: count_people -> int
-- The people that a locked portfolio has used of its moving 24 hours, or more than that, never fewer. Counting reads every open slot, so the
-- last count is kept and claims add to it. It is counted anew when it is a minute old, when a slot that was over came back, and when what
-- is left could be too little; but one of more than `exact_max` that is full is believed for that minute.
with reopened as (
    delete from slots_reopened where slots_reopened.portfolio_id = $portfolio_id returning slots_reopened.portfolio_id
),
kept as (
    select portfolios.people_counted
    from portfolios
    where portfolios.id = $portfolio_id
      and portfolios.people_counted_at between $at::timestamptz - interval '1 minute' and $at
      and (portfolios.people_counted + $most::int <= $people_max::int
           or (portfolios.people_counted >= $people_max and $people_max > $exact_max::int))
      and not exists (select from reopened)
),
counted as (
    update portfolios
    set people_counted = (
            select count(distinct budget_uses.contact_id)
            from budget_uses
            where budget_uses.portfolio_id = $portfolio_id and budget_uses.until_at > $at
        ),
        people_counted_at = $at
    where portfolios.id = $portfolio_id and not exists (select from kept)
    returning portfolios.people_counted
)
select kept.people_counted from kept
union all
select counted.people_counted from counted;

-- name: survey_chips -> ChipRoom
-- Of the locked chips those that may send at all, with what is left of their day, and of the portfolio's money.
-- Only claims add to these numbers, and they hold the same locks: what is read here stays true until the claim commits.
select chips.id as chip_id,
       chips.account_id,
       ($at::timestamptz at time zone chips.zone)::date as day,
       chips.budget_day_max - (
           select count(*)
           from sends
           where sends.chip_id = chips.id and sends.kind = 'campaign' and sends.cap_day = ($at::timestamptz at time zone chips.zone)::date
       )::int as room,
       case when $with_money::boolean then (
           select coalesce(sum(prices.amount), 0)
           from chips as spending
           join sends on sends.chip_id = spending.id and sends.cap_day = ($at::timestamptz at time zone spending.zone)::date
           left join templates on templates.id = sends.template_row
           join prices on prices.category = lower(coalesce(sends.category, templates.category))
           where spending.portfolio_id = $portfolio_id
       ) else 0 end as spent,
       exists (select from throttles where throttles.scope = 'app') as probing_app,
       exists (select from throttles where throttles.scope = 'account' and throttles.target_id = chips.account_id) as probing_account,
       exists (select from throttles where throttles.scope = 'chip' and throttles.target_id = chips.id) as probing
from chips
where chips.id = any($chip_ids::bigint[])
  and not exists (select from holds)
  and not exists (select from spools where spools.clear_until <= $at)
  and chips.status in ('warming', 'ready', 'active')
  and chips.phone_status = 'CONNECTED'
  and not exists (
      select from stops
      where stops.released_at is null
        and (stops.scope = 'everything'
             or (stops.scope = 'portfolio' and stops.target_id = chips.portfolio_id)
             or (stops.scope = 'account' and stops.target_id = chips.account_id)
             or (stops.scope = 'chip' and stops.target_id = chips.id))
  )
  and not exists (
      select from throttles
      where throttles.until_at > $at
        and (throttles.scope = 'app'
             or (throttles.scope = 'account' and throttles.target_id = chips.account_id)
             or (throttles.scope = 'chip' and throttles.target_id = chips.id))
  )
order by chips.id;

-- name: lock_candidates -> Candidate
-- The third lock of a claim: the people of what could go out now, in the order of their ids.
-- Leaves out what a limit of its chip, portfolio, campaign or template holds back anyway, so that it blocks nobody behind it.
-- `share` is the most that it looks at for one chip: else a claim of fifty would read fifty of each of a hundred chips.
with due as materialized (
    select picked.id, picked.contact_id
    from unnest($chip_ids::bigint[], $rooms::int[], $reply_rooms::int[]) as able (chip_id, room, reply_room)
    cross join lateral (
        (select sends.id, sends.contact_id, sends.due_at
         from sends
         join campaigns on campaigns.id = sends.campaign_id and campaigns.status = 'active'
         join templates on templates.id = sends.template_row and templates.status = 'APPROVED' and lower(templates.category) = sends.purpose
         left join prices on prices.category = lower(templates.category)
         where sends.chip_id = able.chip_id
           and sends.state = 'planned' and sends.kind = 'campaign' and sends.due_at <= $at and (sends.expires_at > $at) is true
           and ($money_left::numeric is null or prices.amount <= $money_left)
           and ($people_left::int is null or $people_left > 0 or $people_left = 0 and exists (
               select from budget_uses
               where budget_uses.portfolio_id = sends.portfolio_id
                 and budget_uses.contact_id = sends.contact_id
                 and budget_uses.until_at > $at
           ))
           and not exists (
               select from stops
               where stops.released_at is null
                 and ((stops.scope = 'campaign' and stops.target_id = campaigns.id)
                      or (stops.scope = 'template' and stops.target_id = templates.id))
           )
         order by sends.due_at, sends.id
         limit least(able.room, $share::int))
        union all
        (select sends.id, sends.contact_id, sends.due_at
         from sends
         where sends.chip_id = able.chip_id
           and sends.state = 'planned' and sends.kind = 'reply' and sends.due_at <= $at and (sends.expires_at > $at) is true
         order by sends.due_at, sends.id
         limit least(able.reply_room, $share))
    ) as picked
    order by picked.due_at, picked.id
    limit $most
)
select due.id as send_id, contacts.zone
from due
join contacts on contacts.id = due.contact_id
order by contacts.id
for no key update of contacts;

-- name: take_sends -> Judged
-- Judges each candidate at this moment and takes what passes: a statement of its own, after every lock.
-- A guard that no time heals cancels the send; one that time heals moves it to that time; a full chip or portfolio leaves it as it is.
-- `is not distinct from`, here and in the files beside: by its id, and never through a small index over all that have this state.
with candidate as materialized (
    select sends.id, sends.kind, sends.purpose, sends.chip_id, sends.contact_id, sends.portfolio_id, sends.due_at, sends.expires_at,
           contacts.phone_key, contacts.user_id, contacts.chip_id as home_chip_id, contacts.stopped_at, contacts.platform_stopped_at,
           contacts.questioned_at, contacts.merged_into, sends.confirms_at,
           contacts.undeliverable_at, contacts.cooldown_until, conversations.window_until, conversations.last_sent_at,
           campaigns.ttl_h, prices.amount as price, hours.opens_at, contacts.name, campaigns.parameters::text like '%{name}%' as needs_name,
           sends.kind = 'campaign' and not exists (
               select from budget_uses
               where budget_uses.portfolio_id = sends.portfolio_id
                 and budget_uses.contact_id = sends.contact_id
                 and budget_uses.until_at > $at
           ) as is_new
    from unnest($send_ids::bigint[]) as found (id)
    join sends on sends.id = found.id and sends.state is not distinct from 'planned'
    join contacts on contacts.id = sends.contact_id
    join unnest($zones::text[], $opens_at::timestamptz[]) as hours (zone, opens_at) on hours.zone = contacts.zone
    left join campaigns on campaigns.id = sends.campaign_id
    left join templates on templates.id = sends.template_row
    left join prices on prices.category = lower(templates.category)
    left join conversations on conversations.chip_id = sends.chip_id and conversations.contact_id = sends.contact_id
),
judged as materialized (
    select candidate.id, candidate.kind, candidate.purpose, candidate.chip_id, candidate.contact_id, candidate.portfolio_id,
           candidate.due_at, candidate.expires_at, candidate.ttl_h, candidate.price, candidate.is_new, written.next_marketing_at,
           case
               -- a confirmation passes the stop that it confirms, and nothing else: not one before it
               when candidate.stopped_at is not null and coalesce(candidate.stopped_at < candidate.confirms_at, true) then 'asked to stop'
               when exists (
                   select from suppressions
                   where suppressions.phone_key = candidate.phone_key and suppressions.lifted_at is null
                     and suppressions.purpose in ('all', candidate.purpose)
                     and coalesce(suppressions.at < candidate.confirms_at, true)
               ) or exists (
                   select from suppressions
                   where suppressions.user_id = candidate.user_id and suppressions.lifted_at is null
                     and suppressions.purpose in ('all', candidate.purpose)
                     and coalesce(suppressions.at < candidate.confirms_at, true)
               ) then 'suppressed'
               when candidate.merged_into is not null and candidate.kind = 'campaign' then 'is one person with another contact'
               when candidate.undeliverable_at is not null then 'undeliverable'
               when candidate.kind = 'reply' then
                   case when candidate.window_until is null or candidate.window_until <= $at then 'the service window is closed' end
               when candidate.purpose = 'marketing' and candidate.platform_stopped_at is not null then 'switched marketing off'
               when candidate.purpose = 'marketing' and candidate.questioned_at is not null then 'may have asked to stop: a person is to say'
               when candidate.home_chip_id <> candidate.chip_id then 'belongs to another chip'
               when candidate.needs_name and coalesce(trim(candidate.name), '') = '' then 'has no name, and the template asks for one'
               when coalesce((
                   select consents.act
                   from consents
                   where consents.contact_id = candidate.contact_id and consents.purpose = candidate.purpose and consents.at <= $at
                   order by consents.at desc, consents.id desc
                   limit 1
               ), 'none') <> 'granted' then 'no consent for ' || candidate.purpose
           end as never,
           case
               when candidate.kind = 'reply' then null
               when candidate.opens_at > $at then 'closed hours'
               when candidate.purpose = 'marketing' and candidate.cooldown_until > $at then 'per-user marketing limit'
               when written.allowed_at > $at then 'written to lately'
           end as later,
           case when candidate.kind = 'campaign' then greatest(
               candidate.opens_at,
               case when candidate.purpose = 'marketing' then candidate.cooldown_until end,
               written.allowed_at
           ) end as later_at,
           greatest(candidate.last_sent_at, written.in_flight_at) + make_interval(secs => $pair_s) as pair_free_at
    from candidate
    cross join lateral (
        -- every message to this person that was accepted or may have been, over all chips and campaigns, latest first
        select case candidate.purpose
                   when 'marketing' then greatest(
                       (array_agg(told.at order by told.at desc) filter (where told.counts))[$marketing_7d_max] + interval '7 days',
                       (array_agg(told.at order by told.at desc) filter (where told.counts))[$marketing_30d_max] + interval '30 days',
                       case when least($marketing_7d_max, $marketing_30d_max) = 0 then 'infinity'::timestamptz end
                   )
                   else greatest(
                       (array_agg(told.at order by told.at desc) filter (where told.counts))[$utility_1d_max] + interval '1 day',
                       case when $utility_1d_max = 0 then 'infinity'::timestamptz end
                   )
               end as allowed_at,
               greatest(
                   (array_agg(told.at order by told.at desc) filter (where told.counts))[$marketing_7d_max - 1] + interval '7 days',
                   (array_agg(told.at order by told.at desc) filter (where told.counts))[$marketing_30d_max - 1] + interval '30 days',
                   case when $marketing_7d_max = 1 then $at + interval '7 days' end,
                   case when $marketing_30d_max = 1 then $at + interval '30 days' end,
                   $at
               ) as next_marketing_at,
               max(told.at) filter (where told.in_flight) as in_flight_at
        from (
            select sends.accepted_at as at, sends.kind = 'campaign' and sends.purpose = candidate.purpose as counts, false as in_flight
            from sends
            where sends.contact_id = candidate.contact_id and sends.accepted_at > $at - interval '30 days'
            union all
            select coalesce(sends.called_at, sends.claimed_at), sends.kind = 'campaign' and sends.purpose = candidate.purpose, true
            from sends
            where sends.contact_id = candidate.contact_id and sends.state in ('claimed', 'calling', 'unknown')
        ) as told
    ) as written
),
-- From here on every limit is a running count over the same rows, never a join of what was counted to what was judged: the planner
-- takes each step for one row, and would go through all of them for each of them. `told` is the whole judged row.
able as (
    select judged as told, judged.id, judged.kind, judged.chip_id, judged.contact_id, judged.due_at, judged.price, judged.is_new,
           room.day, room.campaign as room,
           judged.never is null and judged.later is null and coalesce(judged.pair_free_at <= $at, true) as may_go
    from judged
    join unnest($chip_ids::bigint[], $days::date[], $rooms::int[]) as room (chip_id, day, campaign) on room.chip_id = judged.chip_id
),
one_each as (
    select able.told, able.id, able.kind, able.chip_id, able.due_at, able.price, able.is_new, able.day, able.room,
           able.may_go and row_number() over (partition by able.contact_id, able.may_go order by able.due_at, able.id) = 1 as is_first
    from able
),
in_chip as (
    select one_each.told, one_each.id, one_each.kind, one_each.due_at, one_each.price, one_each.is_new, one_each.day,
           one_each.is_first and (
               one_each.kind = 'reply'
               or count(*) filter (where one_each.is_first)
                  over (partition by one_each.chip_id, one_each.kind order by one_each.due_at, one_each.id) <= one_each.room
           ) as fits_chip
    from one_each
),
in_portfolio as (
    select in_chip.told, in_chip.id, in_chip.kind, in_chip.due_at, in_chip.price, in_chip.day,
           in_chip.fits_chip and (
               $people_left::int is null
               or not in_chip.is_new and $people_left >= 0
               or count(*) filter (where in_chip.fits_chip and in_chip.is_new) over (order by in_chip.due_at, in_chip.id) <= $people_left
           ) as fits_portfolio
    from in_chip
),
in_purse as (
    select in_portfolio.told, in_portfolio.day,
           in_portfolio.fits_portfolio and (
               in_portfolio.kind = 'reply'
               or $money_left::numeric is null
               or sum(in_portfolio.price) filter (where in_portfolio.fits_portfolio and in_portfolio.kind = 'campaign')
                  over (order by in_portfolio.due_at, in_portfolio.id) <= $money_left
           ) as fits
    from in_portfolio
),
verdict as materialized (
    select (in_purse.told).id, (in_purse.told).contact_id, (in_purse.told).purpose, (in_purse.told).kind, (in_purse.told).ttl_h,
           (in_purse.told).portfolio_id, (in_purse.told).next_marketing_at, (in_purse.told).is_new, in_purse.day,
           case when (in_purse.told).never is not null then 'cancelled' when in_purse.fits then 'claimed' else 'planned' end as state,
           case
               when (in_purse.told).never is not null then (in_purse.told).never
               when in_purse.fits then null
               when (in_purse.told).later is not null then (in_purse.told).later
               when (in_purse.told).pair_free_at > $at then 'just written to'
           end as reason,
           case
               when (in_purse.told).never is not null or in_purse.fits then (in_purse.told).due_at
               when (in_purse.told).later is not null then least((in_purse.told).later_at, (in_purse.told).expires_at)
               when (in_purse.told).pair_free_at > $at then least((in_purse.told).pair_free_at, (in_purse.told).expires_at)
               else (in_purse.told).due_at
           end as due_at
    from in_purse
),
touched as (
    update sends
    set state = verdict.state,
        reason = verdict.reason,
        due_at = verdict.due_at,
        claimed_at = case when verdict.state = 'claimed' then $at else sends.claimed_at end,
        claimed_by = case when verdict.state = 'claimed' then $worker end,
        lease_until = case when verdict.state = 'claimed' then $lease_until::timestamptz end,
        cap_day = case when verdict.state = 'claimed' and verdict.kind = 'campaign' then verdict.day end
    from verdict
    where sends.id = verdict.id
      and sends.state is not distinct from 'planned'
      and (verdict.state <> 'planned' or verdict.due_at <> sends.due_at)
    returning sends.id, sends.chip_id, verdict.state, verdict.reason, verdict.contact_id, verdict.portfolio_id, verdict.purpose,
              verdict.kind, verdict.ttl_h, verdict.next_marketing_at, verdict.is_new, sends.due_at
),
used as (
    -- the kept count of count_people
    update portfolios
    set people_counted = portfolios.people_counted + fresh.people
    from (
        select touched.portfolio_id, count(*) as people
        from touched
        where $people_left is not null and touched.state = 'claimed' and touched.is_new
        group by touched.portfolio_id
    ) as fresh
    where portfolios.id = fresh.portfolio_id
),
slots as (
    insert into budget_uses (send_id, portfolio_id, contact_id, from_at, until_at)
    select touched.id, touched.portfolio_id, touched.contact_id, $at, $at + make_interval(hours => touched.ttl_h + 24)
    from touched
    where touched.state = 'claimed' and touched.kind = 'campaign'
    on conflict (send_id) do update set from_at = excluded.from_at, until_at = excluded.until_at
),
told as (
    update contacts
    set next_marketing_at = touched.next_marketing_at
    from touched
    where contacts.id = touched.contact_id and touched.state = 'claimed' and touched.kind = 'campaign' and touched.purpose = 'marketing'
)
select touched.id as send_id, touched.portfolio_id, touched.chip_id, touched.contact_id, touched.state, touched.reason
from touched
order by touched.due_at, touched.id;
