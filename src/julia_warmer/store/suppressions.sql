-- Whom not to write to: the list that a person looks at, adds to and, with a reason, takes from. The claim reads the table itself.

-- name: list_suppressions -> Suppression
-- Suppressions, newest first; only those that are open, or all; of these names, or of everybody (null).
select id, phone_key, user_id, purpose, source, at, lifted_at, lifted_by, lifted_why
from suppressions
where (lifted_at is null or not $open_only::boolean)
  and ($phone_keys::text[] is null or phone_key = any($phone_keys) or user_id = any($user_ids::text[]))
  and id < $before
order by id desc
limit $limit;

-- name: lock_open -> Suppression
-- The open suppressions of these names, locked.
select id, phone_key, user_id, purpose, source, at, lifted_at, lifted_by, lifted_why
from suppressions
where lifted_at is null and (phone_key = any($phone_keys::text[]) or user_id = any($user_ids::text[]))
order by id
for no key update;

-- name: lift_suppressions -> none
-- Lifted by a person, with the reason.
update suppressions set lifted_at = $at, lifted_by = $by, lifted_why = $why where id = any($ids::bigint[]) and lifted_at is null;

-- name: end_stops -> none
-- A person's own stop ends where no suppression of everything is left. Nothing is allowed by it: the ledger holds the withdrawal.
update contacts
set stopped_at = null, updated_at = $at
where contacts.id = any($ids::bigint[])
  and contacts.erased_at is null
  and not exists (
      select from suppressions
      where suppressions.lifted_at is null and suppressions.purpose = 'all'
        and (suppressions.phone_key = contacts.phone_key or suppressions.user_id = contacts.user_id)
  );
