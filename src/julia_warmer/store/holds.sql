-- Holds: while one stands nobody claims and no request begins. And the workers that are at work, whose rows a restored backup brings back.

-- name: list_holds -> Hold
-- The holds that stand, oldest first.
select holds.kind, holds.holder, holds.reason, holds.at
from holds
order by holds.at, holds.kind, holds.holder;

-- name: lock_portfolios -> none
-- Before a hold is put: no claim and no call begins until the transaction ends, and then they see the hold.
select from portfolios order by portfolios.id for no key update;

-- name: put_hold -> bool
-- Puts a hold; true when it is new. A later reason of the same holder replaces the first one.
insert into holds (kind, holder, reason, at)
values ($kind, $holder, $reason, $at)
on conflict (kind, holder) do update set reason = excluded.reason
returning xmax = 0;

-- name: end_holds -> str
-- Ends the holds of a kind, or of one holder. Gives their reasons.
delete from holds
where holds.kind = $kind and ($holder::text is null or holds.holder = $holder)
returning holds.reason;

-- name: see_worker -> none
-- A worker says that it is at work.
insert into workers (name, began_at, seen_at)
values ($name, $at, $at)
on conflict (name) do update set seen_at = excluded.seen_at;

-- name: end_worker -> none
-- A worker ended cleanly: it has no request out.
delete from workers where workers.name = $name;

-- name: forget_workers -> none
-- Workers that gave no sign for long while others did.
delete from workers where workers.seen_at < $before;

-- name: read_workers -> Crew
-- How many workers the database believes to be at work, and the last sign of one.
select count(*)::int as workers, max(workers.seen_at) as seen_at from workers;
