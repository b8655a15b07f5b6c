-- What goes out, at most once. Why it is as it is: docs/decisions/0006-at-most-once.md.
-- Locks, always in this order: portfolios, chips, contacts (each by id), sends. A lock and the count that relies on it are never one
-- statement: a statement sees the world as of its own start, so it would count what was there before it had to wait.

-- name: plan_once -> str
-- For this connection: plan each statement once and not anew for each call. All of them go by index whatever their values are, and planning
-- the claim costs as much as running it.
select set_config('plan_cache_mode', 'force_generic_plan', false);

-- name: find_due_portfolios -> int
-- Portfolios with something to send at this moment.
select portfolios.id
from portfolios
where exists (
    select from sends where sends.portfolio_id = portfolios.id and sends.state = 'planned' and sends.due_at <= $at and sends.expires_at > $at
)
order by portfolios.id;

-- ---------------------------------------------------------------- the claim, step by step

-- name: lock_portfolio -> PortfolioLimits
-- The first lock of a claim, and what the portfolio may spend.
select portfolios.messaging_limit, portfolios.spend_day_max
from portfolios
where portfolios.id = $portfolio_id
for no key update;

-- name: lock_due_chips -> int
-- The second lock of a claim: the portfolio's chips that have something to send.
select chips.id
from chips
where chips.id in (
    select sends.chip_id
    from sends
    where sends.portfolio_id = $portfolio_id and sends.state = 'planned' and sends.due_at <= $at and sends.expires_at > $at
)
order by chips.id
for no key update;

-- name: survey_chips -> ChipRoom
-- Of the locked chips those that may send at all, with what is left of their day, and of the portfolio's people and money.
-- Only claims add to these numbers, and they hold the same locks: what is read here stays true until the claim commits.
select chips.id as chip_id,
       ($at::timestamptz at time zone chips.zone)::date as day,
       chips.budget_day_max - (
           select count(*)
           from sends
           where sends.chip_id = chips.id and sends.kind = 'campaign' and sends.cap_day = ($at::timestamptz at time zone chips.zone)::date
       )::int as room,
       case when $with_people::boolean then (
           select count(distinct budget_uses.contact_id)
           from budget_uses
           where budget_uses.portfolio_id = $portfolio_id and budget_uses.until_at > $at
       )::int else 0 end as people_used,
       case when $with_money::boolean then (
           select coalesce(sum(prices.amount), 0)
           from chips as spending
           join sends on sends.chip_id = spending.id and sends.cap_day = ($at::timestamptz at time zone spending.zone)::date
           left join templates on templates.id = sends.template_row
           join prices on prices.category = lower(coalesce(sends.category, templates.category))
           where spending.portfolio_id = $portfolio_id
       ) else 0 end as spent,
       exists (select from throttles where throttles.scope = 'app') as probing_app,
       exists (
           select from throttles
           where (throttles.scope = 'account' and throttles.target_id = chips.account_id)
              or (throttles.scope = 'chip' and throttles.target_id = chips.id)
       ) as probing
from chips
where chips.id = any($chip_ids::bigint[])
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
           and sends.state = 'planned' and sends.kind = 'campaign' and sends.due_at <= $at and sends.expires_at > $at
           and ($money_left::numeric is null or prices.amount <= $money_left)
           and ($people_left::int is null or $people_left > 0 or exists (
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
         limit able.room)
        union all
        (select sends.id, sends.contact_id, sends.due_at
         from sends
         where sends.chip_id = able.chip_id
           and sends.state = 'planned' and sends.kind = 'reply' and sends.due_at <= $at and sends.expires_at > $at
         order by sends.due_at, sends.id
         limit able.reply_room)
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
with candidate as materialized (
    select sends.id, sends.kind, sends.purpose, sends.chip_id, sends.contact_id, sends.portfolio_id, sends.due_at, sends.expires_at,
           contacts.phone_key, contacts.user_id, contacts.chip_id as home_chip_id, contacts.stopped_at, contacts.platform_stopped_at,
           contacts.undeliverable_at, contacts.cooldown_until, conversations.window_until, conversations.last_sent_at,
           campaigns.ttl_h, prices.amount as price, hours.opens_at, contacts.name, campaigns.parameters::text like '%{name}%' as needs_name,
           sends.kind = 'campaign' and not exists (
               select from budget_uses
               where budget_uses.portfolio_id = sends.portfolio_id
                 and budget_uses.contact_id = sends.contact_id
                 and budget_uses.until_at > $at
           ) as is_new
    from sends
    join contacts on contacts.id = sends.contact_id
    join unnest($zones::text[], $opens_at::timestamptz[]) as hours (zone, opens_at) on hours.zone = contacts.zone
    left join campaigns on campaigns.id = sends.campaign_id
    left join templates on templates.id = sends.template_row
    left join prices on prices.category = lower(templates.category)
    left join conversations on conversations.chip_id = sends.chip_id and conversations.contact_id = sends.contact_id
    where sends.id = any($send_ids::bigint[]) and sends.state = 'planned'
),
judged as materialized (
    select candidate.id, candidate.kind, candidate.purpose, candidate.chip_id, candidate.contact_id, candidate.portfolio_id,
           candidate.due_at, candidate.expires_at, candidate.ttl_h, candidate.price, candidate.is_new, written.next_marketing_at,
           case
               when candidate.stopped_at is not null then 'asked to stop'
               when exists (
                   select from suppressions
                   where suppressions.phone_key = candidate.phone_key and suppressions.lifted_at is null
                     and suppressions.purpose in ('all', candidate.purpose)
               ) or exists (
                   select from suppressions
                   where suppressions.user_id = candidate.user_id and suppressions.lifted_at is null
                     and suppressions.purpose in ('all', candidate.purpose)
               ) then 'suppressed'
               when candidate.undeliverable_at is not null then 'undeliverable'
               when candidate.kind = 'reply' then
                   case when candidate.window_until is null or candidate.window_until <= $at then 'the service window is closed' end
               when candidate.purpose = 'marketing' and candidate.platform_stopped_at is not null then 'switched marketing off'
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
one_each as (
    select distinct on (judged.contact_id) judged.id, judged.kind, judged.chip_id, judged.due_at, judged.price, judged.is_new
    from judged
    where judged.never is null and judged.later is null and coalesce(judged.pair_free_at <= $at, true)
    order by judged.contact_id, judged.due_at, judged.id
),
in_chip as (
    select one_each.id, one_each.kind, one_each.chip_id, one_each.due_at, one_each.price, one_each.is_new,
           row_number() over (partition by one_each.chip_id, one_each.kind order by one_each.due_at, one_each.id) as nth
    from one_each
),
in_portfolio as (
    select in_chip.id, in_chip.due_at, in_chip.kind, in_chip.price, in_chip.is_new,
           count(*) filter (where in_chip.is_new) over (order by in_chip.due_at, in_chip.id) as new_people
    from in_chip
    join unnest($chip_ids::bigint[], $rooms::int[]) as able (chip_id, room) on able.chip_id = in_chip.chip_id
    where in_chip.kind = 'reply' or in_chip.nth <= able.room
),
in_purse as (
    select in_portfolio.id, in_portfolio.kind,
           sum(in_portfolio.price) filter (where in_portfolio.kind = 'campaign') over (order by in_portfolio.due_at, in_portfolio.id) as cost
    from in_portfolio
    where $people_left::int is null or not in_portfolio.is_new or in_portfolio.new_people <= $people_left
),
verdict as materialized (
    select judged.id, judged.contact_id, judged.purpose, judged.kind, judged.ttl_h, judged.portfolio_id, judged.next_marketing_at,
           case when judged.never is not null then 'cancelled' when in_purse.id is not null then 'claimed' else 'planned' end as state,
           case
               when judged.never is not null then judged.never
               when in_purse.id is not null then null
               when judged.later is not null then judged.later
               when judged.pair_free_at > $at then 'just written to'
           end as reason,
           case
               when judged.never is not null or in_purse.id is not null then judged.due_at
               when judged.later is not null then least(judged.later_at, judged.expires_at)
               when judged.pair_free_at > $at then least(judged.pair_free_at, judged.expires_at)
               else judged.due_at
           end as due_at,
           able.day
    from judged
    join unnest($chip_ids::bigint[], $days::date[]) as able (chip_id, day) on able.chip_id = judged.chip_id
    left join in_purse on in_purse.id = judged.id
        and (in_purse.kind = 'reply' or $money_left::numeric is null or in_purse.cost <= $money_left)
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
      and sends.state = 'planned'
      and (verdict.state <> 'planned' or verdict.due_at <> sends.due_at)
    returning sends.id, sends.chip_id, verdict.state, verdict.reason, verdict.contact_id, verdict.portfolio_id, verdict.purpose,
              verdict.kind, verdict.ttl_h, verdict.next_marketing_at, sends.due_at
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

-- ---------------------------------------------------------------- the call

-- name: lock_callers -> none
-- Before calls begin: nobody may stop these portfolios or chips in between. Shared, for calls do not hinder each other.
select from portfolios where portfolios.id = any($portfolio_ids::bigint[]) order by portfolios.id for share;

-- name: lock_calling_chips -> none
-- The same for the chips.
select from chips where chips.id = any($chip_ids::bigint[]) order by chips.id for share;

-- name: lock_called_people -> none
-- The same for the people: an opt-out that holds its person comes first, and is seen; one that comes later waits.
select from contacts where contacts.id = any($contact_ids::bigint[]) order by contacts.id for share;

-- name: begin_calls -> Call
-- The last look before the requests: what still may go out becomes `calling`, with the attempt that its request will carry.
-- What may not goes back to be judged again. What somebody else took over or cancelled is left alone.
with mine as materialized (
    select sends.id,
           sends.lease_until > $at
           and chips.status in ('warming', 'ready', 'active')
           and chips.phone_status = 'CONNECTED'
           and contacts.stopped_at is null
           and contacts.undeliverable_at is null
           and (sends.kind = 'reply'
                or ((sends.purpose <> 'marketing' or contacts.platform_stopped_at is null)
                    and campaigns.status = 'active'
                    and templates.status = 'APPROVED'))
           and not exists (
               select from stops
               where stops.released_at is null
                 and (stops.scope = 'everything'
                      or (stops.scope = 'portfolio' and stops.target_id = sends.portfolio_id)
                      or (stops.scope = 'account' and stops.target_id = chips.account_id)
                      or (stops.scope = 'chip' and stops.target_id = chips.id)
                      or (stops.scope = 'campaign' and stops.target_id = sends.campaign_id)
                      or (stops.scope = 'template' and stops.target_id = sends.template_row))
           )
           and not exists (
               select from throttles
               where throttles.until_at > $at
                 and (throttles.scope = 'app'
                      or (throttles.scope = 'account' and throttles.target_id = chips.account_id)
                      or (throttles.scope = 'chip' and throttles.target_id = chips.id))
           ) as able
    from sends
    join chips on chips.id = sends.chip_id
    join contacts on contacts.id = sends.contact_id
    left join campaigns on campaigns.id = sends.campaign_id
    left join templates on templates.id = sends.template_row
    where sends.id = any($send_ids::bigint[]) and sends.state = 'claimed' and sends.claimed_by = $worker
),
begun as (
    update sends
    set state = case when mine.able then 'calling' else 'planned' end,
        called_at = case when mine.able then $at::timestamptz end,
        attempts = sends.attempts + mine.able::int,
        cap_day = case when mine.able then sends.cap_day end,
        claimed_by = case when mine.able then sends.claimed_by end,
        lease_until = case when mine.able then $lease_until::timestamptz end
    from mine
    where sends.id = mine.id and sends.state = 'claimed' and sends.claimed_by = $worker
    returning sends.id, sends.attempts, sends.chip_id, sends.contact_id, sends.campaign_id, sends.template_row, sends.kind, sends.body,
              sends.due_at, mine.able
),
freed as (
    update budget_uses set until_at = $at from begun where budget_uses.send_id = begun.id and not begun.able
),
written as (
    insert into attempts (send_id, number, worker, began_at)
    select begun.id, begun.attempts, $worker, $at
    from begun
    where begun.able
    order by begun.id
    returning id, send_id
)
select written.id as attempt_id, begun.id as send_id, begun.attempts, chips.portfolio_id, chips.account_id, chips.id as chip_id,
       begun.contact_id, chips.phone_number_id, accounts.waba_id, accounts.token, contacts.phone, contacts.name as contact_name,
       begun.kind, begun.body, campaigns.parameters, templates.id as template_row, templates.template_id, templates.name as template,
       templates.language, case when templates.parameter_format = 'NAMED' then templates.components end as named_components
from written
join begun on begun.id = written.send_id
join chips on chips.id = begun.chip_id
join accounts on accounts.id = chips.account_id
join contacts on contacts.id = begun.contact_id
left join campaigns on campaigns.id = begun.campaign_id
left join templates on templates.id = begun.template_row
order by begun.due_at, begun.id;

-- ---------------------------------------------------------------- what came of it

-- name: lock_people_of -> none
-- The people of these sends, in the order of their ids: before anything about them is written.
select
from contacts
where contacts.id in (select sends.contact_id from sends where sends.id = any($send_ids::bigint[]))
order by contacts.id
for no key update;

-- name: settle_sends -> SettledSend
-- The provider took these: from `calling`, or from `unknown` when a status told us so. Of `lost` nobody knows: they hold their slot for a
-- day and are never sent again by themselves. One statement, so that the counts of several chips are written in one order, once.
with answer as (
    select given.send_id, given.message_id, given.held, given.wa_id, given.media
    from unnest($send_ids::bigint[], $message_ids::text[], $held::boolean[], $wa_ids::text[], $media::int[])
        as given (send_id, message_id, held, wa_id, media)
),
before as materialized (
    select sends.id, sends.state = 'unknown' as was_unknown, sends.called_at, campaigns.ttl_h,
           not exists (
               select from sends as earlier
               where earlier.contact_id = sends.contact_id
                 and earlier.accepted_at > $at::timestamptz - interval '7 days'
                 and earlier.chip_id = sends.chip_id
                 and earlier.kind = 'campaign'
                 and earlier.id <> sends.id
           ) as first_in_week
    from sends
    left join campaigns on campaigns.id = sends.campaign_id
    where sends.id = any($send_ids::bigint[]) and sends.state in ('calling', 'unknown')
    order by sends.id
    for no key update of sends
),
accepted as (
    update sends
    set state = case when answer.held then 'held' else 'accepted' end,
        accepted_at = $at,
        message_id = answer.message_id,
        was_held = answer.held,
        first_in_week = before.first_in_week,
        lease_until = null,
        reason = null,
        code = null
    from before
    join answer on answer.send_id = before.id
    where sends.id = before.id and sends.state in ('calling', 'unknown')
    returning sends.id, sends.chip_id, sends.contact_id, sends.kind, sends.kind = 'campaign' as counts, sends.was_held, before.was_unknown,
              before.called_at, before.ttl_h, answer.wa_id, answer.media
),
lost as (
    update sends
    set state = 'unknown', unknown_at = $at, lease_until = null, reason = 'no clear answer'
    where sends.id = any($lost_ids::bigint[]) and sends.state = 'calling'
    returning sends.id, sends.chip_id, sends.kind = 'campaign' as counts, sends.called_at, sends.claimed_at
),
change as (
    select accepted.chip_id, date_trunc('hour', $at::timestamptz, 'UTC') as hour, accepted.counts::int as accepted,
           (accepted.counts and accepted.was_held)::int as held, 0 as unknown, accepted.media
    from accepted
    union all
    select accepted.chip_id, date_trunc('hour', accepted.called_at, 'UTC'), 0, 0, -1, 0
    from accepted
    where accepted.counts and accepted.was_unknown
    union all
    select lost.chip_id, date_trunc('hour', lost.called_at, 'UTC'), 0, 0, 1, 0
    from lost
    where lost.counts
),
counted as (
    insert into chip_counts (chip_id, hour, accepted, held, unknown, media)
    select change.chip_id, change.hour, sum(change.accepted), sum(change.held), sum(change.unknown), bit_or(change.media)
    from change
    group by change.chip_id, change.hour
    order by change.chip_id, change.hour
    on conflict (chip_id, hour) do update
    set accepted = chip_counts.accepted + excluded.accepted,
        held = chip_counts.held + excluded.held,
        unknown = chip_counts.unknown + excluded.unknown,
        media = chip_counts.media | excluded.media
),
counted_day as (
    insert into chip_days (chip_id, day, accepted)
    select accepted.chip_id, ($at::timestamptz at time zone chips.zone)::date, count(*)
    from accepted
    join chips on chips.id = accepted.chip_id
    where accepted.counts
    group by accepted.chip_id, chips.zone
    order by accepted.chip_id
    on conflict (chip_id, day) do update set accepted = chip_days.accepted + excluded.accepted
),
told as (
    update contacts
    set chip_id = coalesce(contacts.chip_id, latest.chip_id),
        assigned_at = coalesce(contacts.assigned_at, $at),
        wa_id = coalesce(latest.wa_id, contacts.wa_id),
        last_accepted_at = greatest(contacts.last_accepted_at, $at),
        updated_at = $at
    from (
        select distinct on (accepted.contact_id) accepted.contact_id, accepted.chip_id, accepted.wa_id
        from accepted
        order by accepted.contact_id, accepted.id
    ) as latest
    where contacts.id = latest.contact_id
),
talked as (
    insert into conversations (chip_id, contact_id, last_sent_at)
    select accepted.chip_id, accepted.contact_id, $at
    from accepted
    group by accepted.chip_id, accepted.contact_id
    order by accepted.chip_id, accepted.contact_id
    on conflict (chip_id, contact_id) do update
    set last_sent_at = excluded.last_sent_at,
        waiting = conversations.waiting and not exists (
            select from accepted
            where accepted.chip_id = excluded.chip_id and accepted.contact_id = excluded.contact_id and accepted.kind = 'reply'
        )
),
held_on as (
    -- an unknown one gave its slot back after a day; once it is known to be taken, it may be delivered until its time is over
    update budget_uses
    set until_at = case
        when slot.lost then slot.claimed_at + interval '24 hours'
        else greatest(budget_uses.until_at, budget_uses.from_at + make_interval(hours => slot.ttl_h + 24))
    end
    from (
        select accepted.id, false as lost, accepted.ttl_h, null::timestamptz as claimed_at from accepted where accepted.was_unknown
        union all
        select lost.id, true, null, lost.claimed_at from lost
    ) as slot
    where budget_uses.send_id = slot.id
),
eased as (
    delete from throttles
    using accepted
    join chips on chips.id = accepted.chip_id
    where throttles.until_at <= $at
      and (throttles.scope = 'app'
           or (throttles.scope = 'account' and throttles.target_id = chips.account_id)
           or (throttles.scope = 'chip' and throttles.target_id = chips.id))
)
select accepted.id, 'accepted' as became from accepted
union all
select lost.id, 'unknown' from lost
order by id;

-- name: mark_held -> none
-- Our answer said "held" after the first status had already told us that it was taken.
with late as (
    update sends
    set was_held = true
    where sends.id = any($send_ids::bigint[]) and not sends.was_held and sends.accepted_at is not null
    returning sends.chip_id, sends.accepted_at, sends.kind
)
insert into chip_counts (chip_id, hour, held)
select late.chip_id, date_trunc('hour', late.accepted_at, 'UTC') as hour, count(*)
from late
where late.kind = 'campaign'
group by 1, 2
order by 1, 2
on conflict (chip_id, hour) do update set held = chip_counts.held + excluded.held;

-- name: refuse_sends -> int
-- The provider refused these. `again`: surely not taken, so planned anew for later; else failed. `free`: the slot and the day's place
-- come back. One that was given up as unknown meanwhile is never planned anew. Gives the ids that changed.
with answer as (
    select given.send_id, given.again, given.free, given.due_at, given.code, given.reason
    from unnest(
        $send_ids::bigint[], $again::boolean[], $free::boolean[], $due_at::timestamptz[], $codes::int[], $reasons::text[]
    ) as given (send_id, again, free, due_at, code, reason)
),
before as materialized (
    select sends.id, sends.state = 'unknown' as was_unknown, sends.called_at
    from sends
    where sends.id = any($send_ids::bigint[]) and sends.state in ('calling', 'unknown')
    order by sends.id
    for no key update
),
refused as (
    update sends
    set state = case when answer.again and not before.was_unknown then 'planned' else 'failed' end,
        due_at = case when answer.again and not before.was_unknown then answer.due_at else sends.due_at end,
        failed_at = case when answer.again and not before.was_unknown then null else $at::timestamptz end,
        cap_day = case when answer.free then null else sends.cap_day end,
        claimed_by = null,
        lease_until = null,
        code = answer.code,
        reason = answer.reason
    from before
    join answer on answer.send_id = before.id
    where sends.id = before.id and sends.state in ('calling', 'unknown')
    returning sends.id, sends.chip_id, sends.contact_id, sends.kind, sends.purpose, before.was_unknown, before.called_at, answer.free
),
freed as (
    update budget_uses set until_at = $at from refused where budget_uses.send_id = refused.id and refused.free
),
told as (
    -- nobody else has written to this person since the claim: what was allowed then is allowed now
    update contacts set next_marketing_at = $at
    from refused
    where contacts.id = refused.contact_id and refused.free and refused.kind = 'campaign' and refused.purpose = 'marketing'
),
counted as (
    insert into chip_counts (chip_id, hour, unknown)
    select refused.chip_id, date_trunc('hour', refused.called_at, 'UTC') as hour, -count(*)
    from refused
    where refused.was_unknown and refused.kind = 'campaign'
    group by 1, 2
    order by 1, 2
    on conflict (chip_id, hour) do update set unknown = chip_counts.unknown + excluded.unknown
)
select refused.id from refused order by refused.id;

-- name: end_attempts -> none
-- What each call came to.
update attempts
set ended_at = $at, outcome = given.outcome, http = given.http, code = given.code, details = given.details
from unnest($attempt_ids::uuid[], $outcomes::text[], $https::int[], $codes::int[], $details::text[])
    as given (attempt_id, outcome, http, code, details)
where attempts.id = given.attempt_id;

-- name: note_people -> none
-- What a refusal said about people: they cannot be reached, or want no more marketing for a while (longer with each time).
update contacts
set undeliverable_at = case when contacts.id = any($undeliverable::bigint[]) then coalesce(contacts.undeliverable_at, $at) else contacts.undeliverable_at end,
    cooldowns = contacts.cooldowns + (contacts.id = any($limited::bigint[]))::int,
    cooldown_until = case
        when contacts.id = any($limited) then $at + least($limited_wait_h::float8 * 2 ^ contacts.cooldowns, $limited_wait_h_max::float8) * interval '1 hour'
        else contacts.cooldown_until
    end,
    updated_at = $at
where contacts.id = any($undeliverable) or contacts.id = any($limited);

-- name: read_throttle_tries -> ThrottleTries
-- How often in a row each of these scopes had to wait.
select throttles.scope, throttles.target_id, throttles.tries
from throttles
join unnest($scopes::text[], $target_ids::bigint[]) as given (scope, target_id)
    on given.scope = throttles.scope and given.target_id = throttles.target_id;

-- name: set_throttle -> none
-- No request of this scope begins before `until_at`. A wait never gets shorter.
insert into throttles (scope, target_id, until_at, tries, code, since)
values ($scope, $target_id, $until_at, $tries, $code, $at)
on conflict (scope, target_id) do update
set until_at = greatest(throttles.until_at, excluded.until_at), tries = excluded.tries, code = excluded.code;

-- ---------------------------------------------------------------- what was left behind

-- name: sweep_sends -> Swept
-- Leases that ran out: a claimed send is planned again, a calling one becomes unknown. Planned sends whose time is over expire.
with stale as (
    select sends.id, sends.state, sends.claimed_at
    from sends
    where (sends.state = 'claimed' and sends.lease_until <= $at)
       or (sends.state = 'calling' and sends.lease_until <= $lost_before)
    order by sends.lease_until, sends.id
    limit $most
    for no key update skip locked
),
over as (
    select sends.id
    from sends
    where sends.state = 'planned' and sends.expires_at <= $at
    order by sends.expires_at, sends.id
    limit $most
    for no key update skip locked
),
swept as (
    update sends
    set state = case when stale.state = 'claimed' then 'planned' else 'unknown' end,
        unknown_at = case when stale.state = 'calling' then $at::timestamptz end,
        reason = case when stale.state = 'calling' then 'the worker was lost during the call' end,
        cap_day = case when stale.state = 'calling' then sends.cap_day end,
        claimed_by = case when stale.state = 'calling' then sends.claimed_by end,
        lease_until = null
    from stale
    where sends.id = stale.id
    returning sends.id, sends.state, sends.chip_id, sends.kind, sends.called_at, sends.claimed_at
),
kept as (
    update budget_uses
    set until_at = case when swept.state = 'planned' then $at else swept.claimed_at + interval '24 hours' end
    from swept
    where budget_uses.send_id = swept.id
),
counted as (
    insert into chip_counts (chip_id, hour, unknown)
    select swept.chip_id, date_trunc('hour', swept.called_at, 'UTC') as hour, count(*)
    from swept
    where swept.state = 'unknown' and swept.kind = 'campaign'
    group by 1, 2
    order by 1, 2
    on conflict (chip_id, hour) do update set unknown = chip_counts.unknown + excluded.unknown
),
expired as (
    update sends
    set state = 'expired', reason = coalesce(sends.reason, 'not sent in time')
    from over
    where sends.id = over.id
    returning sends.id
)
select (select count(*) from swept where swept.state = 'planned')::int as released,
       (select count(*) from swept where swept.state = 'unknown')::int as lost,
       (select count(*) from expired)::int as expired;

-- name: find_unknown -> UnknownSend
-- One send, if nobody knows what became of it; locked.
select sends.id, sends.contact_id, sends.message_id
from sends
where sends.id = $send_id and sends.state = 'unknown'
for no key update;

-- name: cancel_unknown -> int
-- A person says that it was not sent: it holds nothing any more and is in no rate.
with cancelled as (
    update sends set state = 'cancelled', reason = $reason, cap_day = null
    where sends.id = $send_id and sends.state = 'unknown'
    returning sends.id, sends.chip_id, sends.called_at, sends.kind
),
freed as (
    update budget_uses set until_at = least(budget_uses.until_at, $at) from cancelled where budget_uses.send_id = cancelled.id
),
counted as (
    insert into chip_counts (chip_id, hour, unknown)
    select cancelled.chip_id, date_trunc('hour', cancelled.called_at, 'UTC'), -1
    from cancelled
    where cancelled.kind = 'campaign'
    on conflict (chip_id, hour) do update set unknown = chip_counts.unknown + excluded.unknown
)
select cancelled.id from cancelled;

-- name: count_calls -> int
-- Calls that may still begin or have no answer yet: of these people, or under a scope.
select count(*)::int
from sends
join chips on chips.id = sends.chip_id
where sends.state = 'calling'
  and ($contact_ids::bigint[] is null or sends.contact_id = any($contact_ids))
  and case $scope::text
          when 'portfolio' then sends.portfolio_id = $target_id
          when 'account' then chips.account_id = $target_id
          when 'chip' then chips.id = $target_id
          when 'campaign' then sends.campaign_id = $target_id
          when 'template' then sends.template_row = $target_id
          else true
      end;
