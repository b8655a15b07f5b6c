-- Webhook bodies as they came, and what could not be used of them.

-- name: keep_bodies -> Stored
-- Stores deliveries once, all in one statement; the same bytes again only count, and wait for the first to be committed.
-- Ids follow the order of arrival; rows are written in the order of their digests, so that groups which share some never wait in a ring.
with given as materialized (
    select nextval('inbox_id_seq') as id, arrived.received_at, arrived.digest, arrived.body, arrived.times
    from unnest($received_ats::timestamptz[], $digests::bytea[], $bodies::bytea[], $times::integer[])
        as arrived (received_at, digest, body, times)
)
insert into inbox (id, received_at, digest, body, deliveries) overriding system value
select given.id, given.received_at, given.digest, given.body, given.times
from given
order by given.digest
on conflict (digest) do update set deliveries = inbox.deliveries + excluded.deliveries
returning inbox.id, inbox.digest, inbox.deliveries;

-- name: lock_waiting -> Waiting
-- The oldest bodies that nobody applies at this moment, with their sealed size in bytes. Several workers take different ones.
select id, received_at, octet_length(body) as bytes
from inbox
where applied_at is null
order by id
limit $limit
for update skip locked;

-- name: read_bodies -> Body
-- These bodies, sealed, in the order of their arrival.
select id, received_at, body from inbox where id = any($ids::bigint[]) order by id;

-- name: mark_applied -> none
-- These bodies are done: what they said is in the tables or in the quarantine.
update inbox set applied_at = $at where id = any($ids::bigint[]);

-- name: empty_bodies -> none
-- Bodies without what they said. Their digests stay, so that the same delivery does nothing again.
update inbox set body = $nothing where id = any($ids::bigint[]);

-- name: add_quarantined -> none
-- Keeps what could not be used, with where it stood and why.
insert into quarantine (inbox_id, at, kind, path, reason, item)
select given.inbox_id, $at, given.kind, given.path, given.reason, given.item
from unnest($inbox_ids::bigint[], $kinds::text[], $paths::text[], $reasons::text[], $items::bytea[])
    as given (inbox_id, kind, path, reason, item);
