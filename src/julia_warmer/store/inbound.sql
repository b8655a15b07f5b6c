-- What people write to us, the conversations it opens, and the road to whoever answers.

-- name: add_received -> str
-- Keeps messages, each once. A message for a chip whose answers go to a webhook waits for it; others wait on the page. Gives the new ids.
insert into received (message_id, chip_id, contact_id, at, type, text, details, route_next_at)
select given.message_id, given.chip_id, given.contact_id, given.at, given.type, given.text, given.details,
       case when routes.kind = 'webhook' then $at::timestamptz end
from unnest($message_ids::text[], $chip_ids::bigint[], $contact_ids::bigint[], $ats::timestamptz[], $types::text[], $texts::bytea[], $details::bytea[])
    as given (message_id, chip_id, contact_id, at, type, text, details)
join chips on chips.id = given.chip_id
left join routes on routes.id = chips.route_id
order by given.message_id
on conflict (message_id) do nothing
returning message_id;

-- name: open_windows -> Counted
-- Messages and calls open the service window for 24 hours. A conversation counts when a person answers a message of ours, once in seven
-- days. Gives, for each conversation that counts now, its chip and the moment.
with heard as (
    select given.chip_id, given.contact_id, max(given.at) as last_at, max(given.at) filter (where given.waits) as waits_at,
           min(given.at) filter (where given.answers and coalesce(given.at >= known.counted_at + interval '7 days', true) and exists (
               select from sends
               where sends.contact_id = given.contact_id
                 and sends.chip_id = given.chip_id
                 and sends.accepted_at < given.at + interval '1 second'
           )) as counts_at
    from unnest($chip_ids::bigint[], $contact_ids::bigint[], $ats::timestamptz[], $answers::boolean[], $waits::boolean[])
        as given (chip_id, contact_id, at, answers, waits)
    left join conversations as known on known.chip_id = given.chip_id and known.contact_id = given.contact_id
    group by given.chip_id, given.contact_id
),
opened as (
    insert into conversations (chip_id, contact_id, window_until, last_received_at, counted_at, waiting)
    select heard.chip_id, heard.contact_id, heard.last_at + interval '24 hours', heard.last_at, heard.counts_at, heard.waits_at is not null
    from heard
    order by heard.chip_id, heard.contact_id
    on conflict (chip_id, contact_id) do update
    set window_until = greatest(conversations.window_until, excluded.window_until),
        last_received_at = greatest(conversations.last_received_at, excluded.last_received_at),
        counted_at = coalesce(excluded.counted_at, conversations.counted_at),
        waiting = conversations.waiting or excluded.waiting and excluded.last_received_at >= coalesce(conversations.last_sent_at, '-infinity')
)
select heard.chip_id, heard.counts_at as at from heard where heard.counts_at is not null;

-- name: take_due_routes -> Due
-- Messages whose turn it is to go to their webhook. They are put off to the end of the lease, so that only one worker sends them.
with due as (
    select received.message_id
    from received
    where received.routed_at is null and received.route_next_at <= $at
    order by received.route_next_at, received.message_id
    limit $limit
    for no key update skip locked
),
taken as (
    update received
    set route_tries = received.route_tries + 1, route_next_at = $lease_until
    from due
    where received.message_id = due.message_id
    returning received.message_id, received.chip_id, received.contact_id, received.at, received.type, received.text, received.details,
              received.route_tries
)
select taken.message_id, taken.chip_id, taken.contact_id, taken.at, taken.type, taken.text, taken.details, taken.route_tries as tries,
       chips.name as chip, chips.phone_number_id, contacts.phone, contacts.name, contacts.user_id, conversations.window_until,
       routes.id as route_id, routes.url, routes.secret
from taken
join chips on chips.id = taken.chip_id
left join contacts on contacts.id = taken.contact_id
left join conversations on conversations.chip_id = taken.chip_id and conversations.contact_id = taken.contact_id
left join routes on routes.id = chips.route_id and routes.kind = 'webhook'
order by taken.at, taken.message_id;

-- name: settle_routes -> none
-- What became of messages that were on their way to their webhook: there, put off to the next try, or given up (neither moment).
update received
set routed_at = given.routed_at, route_next_at = given.next_at, route_error = given.error
from unnest($message_ids::text[], $routed_ats::timestamptz[], $next_ats::timestamptz[], $errors::text[])
    as given (message_id, routed_at, next_at, error)
where received.message_id = given.message_id;

-- name: find_conversation -> Conversation
-- Where a reply would go: the chip's zone and owner, and how long the person may be answered.
select chips.id as chip_id, chips.portfolio_id, chips.zone, contacts.id as contact_id, contacts.stopped_at, conversations.window_until
from chips
cross join contacts
left join conversations on conversations.chip_id = chips.id and conversations.contact_id = contacts.id
where chips.id = $chip_id and contacts.id = $contact_id;

-- name: add_reply -> int
-- Plans an answer for this moment; the claim lets it through while the service window is open. Gives its id.
insert into sends (chip_id, portfolio_id, contact_id, kind, purpose, body, state, plan_day, planned_at, due_at, expires_at)
values ($chip_id, $portfolio_id, $contact_id, 'reply', 'utility', $body, 'planned', $day, $at, $at, $expires_at)
returning id;

-- name: add_confirmations -> int
-- Plans the one answer that confirms an opt-out, for this moment and no later than `within_s` after it. None for who had asked to stop before,
-- and one a day at the most. Gives the ids.
insert into sends (
    chip_id, portfolio_id, contact_id, kind, purpose, body, state, plan_day, planned_at, due_at, expires_at, confirms_at
)
select chips.id, chips.portfolio_id, given.contact_id, 'reply', 'utility', $body::jsonb, 'planned', ($at::timestamptz at time zone chips.zone)::date,
       $at, $at, given.confirms_at + make_interval(secs => $within_s::float8), given.confirms_at
from unnest($chip_ids::bigint[], $contact_ids::bigint[], $confirms_ats::timestamptz[]) as given (chip_id, contact_id, confirms_at)
join chips on chips.id = given.chip_id
join contacts on contacts.id = given.contact_id
where not exists (
    select from suppressions
    where suppressions.lifted_at is null and suppressions.at < given.confirms_at
      and (suppressions.phone_key = contacts.phone_key or suppressions.user_id = contacts.user_id)
)
and not exists (
    select from sends
    where sends.contact_id = given.contact_id and sends.confirms_at > given.confirms_at - interval '1 day'
)
order by given.contact_id
on conflict do nothing
returning id;
