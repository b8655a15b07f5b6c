-- What the floor copies: the rows that our worker inserted.

-- name: read_events -> EventRow
-- The facts of bodies from this one on.
select events.at, events.kind, events.key, events.chip_id, events.account_id, events.contact_id, events.send_id, events.code, events.value,
       events.body, events.inbox_id, events.recorded_at
from events
where events.inbox_id >= $since
order by events.inbox_id;

-- name: read_received -> ReceivedRow
-- The messages of bodies from this one on.
select received.message_id, received.chip_id, received.contact_id, received.at, received.type, received.text, received.details,
       received.routed_at, received.route_tries, received.route_next_at, received.route_error
from received
where exists (
    select from events
    where events.inbox_id >= $since and events.kind = 'message_received' and events.key = 'message_received:' || received.message_id
);

-- name: find_first -> int
-- The first body that waits.
select min(inbox.id) from inbox where inbox.applied_at is null;
