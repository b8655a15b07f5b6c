-- What people ask of whoever holds their data, each with its clock.

-- name: add_request -> int
-- A request, as it came in. Gives its id.
insert into requests (kind, contact_id, person, said, received_at, due_at, recorded_by)
values ($kind, $contact_id, $person, $said, $received_at, $due_at, $by)
returning id;

-- name: list_requests -> RequestRow
-- Requests by the end of their time; only those that are open, or all; of one person, or of everybody (null).
select id, kind, contact_id, person, said, received_at, due_at, recorded_by, closed_at, closed_by, outcome, answer
from requests
where (closed_at is null or not $open_only::boolean) and ($person::text is null or person = $person)
  and (due_at, id) > ($after_at::timestamptz, $after_id::bigint)
order by due_at, id
limit $limit;

-- name: lock_request -> RequestRow
-- One request, locked.
select id, kind, contact_id, person, said, received_at, due_at, recorded_by, closed_at, closed_by, outcome, answer
from requests
where id = $id
for no key update;

-- name: close_request -> none
-- A request that is answered.
update requests set closed_at = $at, closed_by = $by, outcome = $outcome, answer = $answer where id = $id;

-- name: list_pressing -> Pressing
-- Open requests whose time ends before a moment.
select id, kind, due_at from requests where closed_at is null and due_at <= $before order by due_at, id limit $limit;
