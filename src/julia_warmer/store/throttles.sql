-- Scopes that have to wait: the app, an account, a chip.

-- name: read_throttle_tries -> ThrottleTries
-- How often in a row each of these scopes had to wait, and whether it still does.
select throttles.scope, throttles.target_id, throttles.tries, throttles.until_at > $at as waits
from throttles
join unnest($scopes::text[], $target_ids::bigint[]) as given (scope, target_id)
    on given.scope = throttles.scope and given.target_id = throttles.target_id;

-- name: set_throttle -> none
-- No request of this scope begins before `until_at`. A wait never gets shorter.
insert into throttles (scope, target_id, until_at, tries, code, since)
values ($scope, $target_id, $until_at, $tries, $code, $at)
on conflict (scope, target_id) do update
set until_at = greatest(throttles.until_at, excluded.until_at), tries = excluded.tries, code = excluded.code;

-- name: close_recovered -> none
-- Alerts of what was sick, and has no wait any more: a message was taken.
update alerts
set closed_at = $at, closed_by = 'dispatch'
where alerts.rule = 'sick' and alerts.closed_at is null and alerts.open_key is not null
  and not exists (select from throttles where alerts.open_key = 'sick:' || throttles.scope || ':' || throttles.target_id);
