-- What became of messages by list, template and source of the consent: for the question who is to blame.

-- name: find_neighbours -> int
-- The chips of a chip's portfolio that wrote to most people lately, the chip itself first: what it is compared with.
select chips.id
from chips
join chips as mine on mine.id = $chip_id and mine.portfolio_id = chips.portfolio_id
left join lateral (
    select sum(chip_days.accepted) as accepted from chip_days where chip_days.chip_id = chips.id and chip_days.day >= $day::date
) as lately on true
where chips.id = $chip_id or lately.accepted > 0
order by chips.id = $chip_id desc, lately.accepted desc nulls last, chips.id
limit $limit;

-- name: list_cells -> HourCell
-- Campaign messages of these chips that the platform took since an hour, by hour of acceptance, list, template and source of the latest consent.
-- Counted as in core/fold.py: a person reached again within seven days counts once. `cap_day` finds them, a day early for every zone.
select (date_part('epoch', date_trunc('hour', sends.accepted_at, 'UTC')) / 3600)::integer as hour, sends.chip_id, chips.name as chip,
       contacts.audience, coalesce(templates.name, '') as template, coalesce(consented.source, '') as source,
       count(*)::integer as accepted,
       (count(*) filter (where arrived.is_so and sends.first_in_week))::integer as reached,
       (count(*) filter (where arrived.is_so))::integer as delivered,
       (count(*) filter (where sends.state = 'read'))::integer as read,
       (count(*) filter (where arrived.is_so and sends.first_in_week and sends.replied_at is not null))::integer as replied,
       (count(*) filter (where sends.opted_out_at is not null))::integer as opted_out,
       (count(*) filter (where sends.state = 'failed' and sends.code = 131026))::integer as undeliverable,
       (count(*) filter (where sends.state = 'failed' and sends.code = 131049))::integer as limited,
       (count(*) filter (where sends.was_held))::integer as held
from sends
cross join lateral (select sends.state in ('delivered', 'read') as is_so) as arrived
join chips on chips.id = sends.chip_id
join contacts on contacts.id = sends.contact_id
left join templates on templates.id = sends.template_row
left join lateral (
    select consents.source
    from consents
    where consents.contact_id = sends.contact_id and consents.purpose = sends.purpose and consents.act = 'granted' and consents.at <= sends.accepted_at
    order by consents.at desc, consents.id desc
    limit 1
) as consented on true
where sends.chip_id = any($chip_ids::bigint[]) and sends.kind = 'campaign' and sends.cap_day >= $since::date - 1 and sends.accepted_at >= $since::timestamptz
group by 1, 2, 3, 4, 5, 6
order by 1, 2, 4, 5, 6;
