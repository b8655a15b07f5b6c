-- What the plan for a portfolio's next messaging limit looks at. Reads only, each by index.

-- name: read_owner -> Owner
-- A portfolio's limits, and the dearest price of a message that it begins.
select portfolios.id as portfolio_id, portfolios.name, portfolios.messaging_limit, portfolios.spend_day_max,
       (select max(prices.amount) from prices where prices.category in ('marketing', 'utility')) as price
from portfolios
where portfolios.id = $portfolio_id;

-- name: list_standing -> Standing
-- The portfolio's chips as they are now, with the stops over them.
select chips.id as chip_id, chips.name as chip, chips.zone, chips.status, chips.quality, chips.phone_status,
       array(
           select stops.scope || ': ' || stops.reason
           from stops
           where stops.released_at is null
             and (stops.scope = 'everything'
                  or stops.scope = 'portfolio' and stops.target_id = chips.portfolio_id
                  or stops.scope = 'account' and stops.target_id = chips.account_id
                  or stops.scope = 'chip' and stops.target_id = chips.id)
           order by stops.id
       ) as stops
from chips
where chips.portfolio_id = $portfolio_id and chips.status not in ('banned', 'retired')
order by chips.id;

-- name: list_low_templates -> str
-- Templates of the portfolio that Meta rates YELLOW or RED.
select distinct templates.name
from accounts
join templates on templates.account_id = accounts.id
where accounts.portfolio_id = $portfolio_id and templates.quality in ('YELLOW', 'RED') and templates.status not in ('DELETED', 'REJECTED')
order by templates.name;

-- name: list_decided -> LastDecided
-- The last decision about each of these chips up to a moment.
select asked.chip_id, last.policy, last.record
from unnest($chip_ids::bigint[]) as asked (chip_id)
cross join lateral (
    select decisions.policy, decisions.record
    from decisions
    where decisions.chip_id = asked.chip_id and decisions.at <= $at
    order by decisions.at desc, decisions.id desc
    limit 1
) as last;

-- name: list_accepted -> AcceptedDay
-- What these chips sent on each of their calendar days.
select chip_days.chip_id, chip_days.day, chip_days.accepted
from chip_days
where chip_days.chip_id = any($chip_ids::bigint[]) and chip_days.day >= $since::date and chip_days.accepted > 0;

-- name: list_reached -> ReachedDay
-- Unique people to whom a message that we began was delivered since a moment, each on the day of the last one. `cap_day` finds them; it is
-- the chip's day of the claim, and a message may be delivered a day later.
select last.day, count(*)::integer as people
from (
    select sent.contact_id, (max(sent.at) at time zone $zone)::date as day
    from chips
    cross join lateral (
        -- chip by chip (offset 0): the server would rather read the week of the whole fleet
        select sends.contact_id, coalesce(sends.delivered_at, sends.read_at) as at
        from sends
        where sends.chip_id = chips.id and sends.cap_day >= ($since::timestamptz)::date - 2
          and sends.kind = 'campaign' and sends.state in ('delivered', 'read')
          and coalesce(sends.delivered_at, sends.read_at) > $since
        offset 0
    ) as sent
    where chips.portfolio_id = $portfolio_id
    group by sent.contact_id
) as last
group by last.day
order by last.day;

-- name: count_ahead -> Ahead
-- People with consent who may be written to, by how many days ahead of today they may first be and are not counted in the span any more:
-- those of each chip, and those of each audience whom no chip has (chip_id null), counted up to `most`. A campaign that reached a person
-- does not reach them again. Those with a message open are among them: they are about to be reached.
with wells as materialized (
    select given.chip_id, given.campaign_id, given.audience, given.purpose, given.repeat_after_d
    from unnest($well_chip_ids::bigint[], $well_campaign_ids::bigint[], $well_audiences::text[], $well_purposes::text[], $well_repeats::integer[])
        as given (chip_id, campaign_id, audience, purpose, repeat_after_d)
),
heads as materialized (
    select wells.chip_id, wells.audience, array_agg(wells.campaign_id) as campaign_ids, array_agg(wells.purpose) as purposes,
           array_agg(wells.repeat_after_d) as repeats
    from wells
    group by wells.chip_id, wells.audience
    union all
    select null, campaigns.audience, array_agg(campaigns.campaign_id), array_agg(campaigns.purpose), array_agg(campaigns.repeat_after_d)
    from (select distinct wells.campaign_id, wells.audience, wells.purpose, wells.repeat_after_d from wells) as campaigns
    group by campaigns.audience
),
found as (
    select heads.chip_id, heads.audience, ready.ahead
    from heads
    cross join lateral (
        select greatest(
                   0,
                   (nullif(menus.free_at, '-infinity') at time zone $zone)::date - $today::date,
                   (people.last_accepted_at at time zone $zone)::date + $days::integer - $today
               ) as ahead
        from (
            select contacts.id, contacts.phone_key, contacts.may_utility, contacts.next_marketing_at, contacts.cooldown_until, contacts.last_accepted_at,
                   contacts.may_marketing and contacts.platform_stopped_at is null and contacts.questioned_at is null as may_marketing
            from contacts
            where contacts.chip_id = heads.chip_id and contacts.audience = heads.audience
              and contacts.stopped_at is null and contacts.undeliverable_at is null
            union all
            select contacts.id, contacts.phone_key, contacts.may_utility, contacts.next_marketing_at, contacts.cooldown_until, contacts.last_accepted_at,
                   contacts.may_marketing and contacts.platform_stopped_at is null and contacts.questioned_at is null
            from contacts
            where heads.chip_id is null and contacts.chip_id is null and contacts.audience = heads.audience
              and (contacts.may_marketing or contacts.may_utility) and contacts.stopped_at is null and contacts.undeliverable_at is null
        ) as people
        cross join lateral (
            select min(
                       case menu.purpose
                           when 'marketing' then coalesce(greatest(people.next_marketing_at, people.cooldown_until), '-infinity')
                           else '-infinity'
                       end
                   ) as free_at
            from unnest(heads.campaign_ids, heads.purposes, heads.repeats) as menu (campaign_id, purpose, repeat_after_d)
            where (menu.purpose = 'utility' and people.may_utility or menu.purpose = 'marketing' and people.may_marketing)
              and not exists (
                  select from campaign_hits as hit
                  where hit.campaign_id = menu.campaign_id and hit.contact_id = people.id
                    and (menu.repeat_after_d is null or hit.at > $at::timestamptz - make_interval(days => menu.repeat_after_d))
                  offset 0
              )
        ) as menus
        where menus.free_at is not null
          -- nobody of a source that is held: asked of each person only while there is one
          and (not exists (select from source_holds where source_holds.released_at is null) or not exists (select from held_source(people.id) offset 0))
          and not exists (
              select from suppressions
              where suppressions.phone_key = people.phone_key and suppressions.lifted_at is null and suppressions.purpose = 'all'
              offset 0
          )
        limit $most
    ) as ready
)
select found.chip_id, found.audience, found.ahead, count(*)::integer as people
from found
where found.ahead <= $horizon::integer
group by found.chip_id, found.audience, found.ahead;
