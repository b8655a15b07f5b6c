-- Hours that grew old move from chip_counts into one packed row a chip (core/month.py). Writers of counts need not know: what comes late begins
-- a row of differences again.

-- name: add_months -> none
-- A row for each chip that has none yet, to be folded.
insert into chip_months (chip_id, folded_at)
select chips.id, '-infinity' from chips where not exists (select from chip_months where chip_months.chip_id = chips.id);

-- name: lock_months -> ChipMonth
-- Chips that were last folded before a moment, the longest ago first; those that another worker folds now are passed over.
select chip_months.chip_id, chip_months.hours
from chip_months
where chip_months.folded_at <= $before
order by chip_months.folded_at, chip_months.chip_id
limit $limit
for update skip locked;

-- name: take_hours -> TakenHours
-- Takes the hours of these chips before a moment, and counts them in the fleet's; one that is being written to stays for another time. Each
-- chip is asked for by itself, and what is locked goes by its place: as a join, the server read the hours of the whole fleet for 200 chips.
with locked as materialized (
    select old.place
    from unnest($chip_ids::bigint[]) as given (chip_id)
    cross join lateral (
        select chip_counts.ctid as place
        from chip_counts
        where chip_counts.chip_id = given.chip_id and chip_counts.hour < $before
        order by chip_counts.hour
        for update skip locked
    ) as old
),
taken as (
    delete from chip_counts as counts
    where counts.ctid = any(array(select locked.place from locked))
    returning counts.chip_id, counts.hour, counts.accepted, counts.reached, counts.delivered, counts.read, counts.replied, counts.opted_out,
              counts.undeliverable, counts.limited, counts.held, counts.failed, counts.unknown, counts.received, counts.conversations,
              counts.spam, counts.warnings, counts.calls, counts.media
),
summed as (
    insert into fleet_counts (hour, accepted, reached, delivered, read, replied, opted_out, undeliverable, limited, held, failed, unknown, received)
    select taken.hour, sum(taken.accepted), sum(taken.reached), sum(taken.delivered), sum(taken.read), sum(taken.replied), sum(taken.opted_out),
           sum(taken.undeliverable), sum(taken.limited), sum(taken.held), sum(taken.failed), sum(taken.unknown), sum(taken.received)
    from taken
    group by taken.hour
    order by taken.hour
    on conflict (hour) do update
    set accepted = fleet_counts.accepted + excluded.accepted,
        reached = fleet_counts.reached + excluded.reached,
        delivered = fleet_counts.delivered + excluded.delivered,
        read = fleet_counts.read + excluded.read,
        replied = fleet_counts.replied + excluded.replied,
        opted_out = fleet_counts.opted_out + excluded.opted_out,
        undeliverable = fleet_counts.undeliverable + excluded.undeliverable,
        limited = fleet_counts.limited + excluded.limited,
        held = fleet_counts.held + excluded.held,
        failed = fleet_counts.failed + excluded.failed,
        unknown = fleet_counts.unknown + excluded.unknown,
        received = fleet_counts.received + excluded.received
)
select taken.chip_id,
       array_agg(array[
           (date_part('epoch', taken.hour) / 3600)::integer, taken.accepted, taken.reached, taken.delivered, taken.read, taken.replied,
           taken.opted_out, taken.undeliverable, taken.limited, taken.held, taken.failed, taken.unknown, taken.received, taken.conversations,
           taken.spam, taken.warnings, taken.calls, taken.media
       ]) as hours
from taken
group by taken.chip_id;

-- name: put_months -> none
-- These chips' packed hours. A chip without any keeps none.
update chip_months
set hours = given.hours, folded_at = $at
from unnest($chip_ids::bigint[], $hours::bytea[]) as given (chip_id, hours)
where chip_months.chip_id = given.chip_id;
