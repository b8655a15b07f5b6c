-- Versions of the rules, which of them is in force from when on, and the rules that chips have of their own.

-- name: find_missing -> str
-- Of these versions the ones that are not kept yet.
select given.version
from unnest($versions::text[]) as given (version)
where not exists (select from policies where policies.version = given.version);

-- name: keep_version -> none
-- A version of the rules, by which something is decided from now on. Kept once.
insert into policies (version, rules, added_at) values ($version, $rules, $at) on conflict (version) do nothing;

-- name: list_versions -> Version
-- The rules of these versions, or of all that were ever kept.
select policies.version, policies.rules
from policies
where ($versions)::text[] is null or policies.version = any($versions)
order by policies.version;

-- name: read_version_at -> str
-- The version that is in force at a moment; none before the first change.
select policy_changes.version
from policy_changes
where policy_changes.withdrawn_at is null and policy_changes.valid_from <= $at
order by policy_changes.valid_from desc
limit 1;

-- name: lock_changes -> none
-- One person at a time changes what is in force, or a chip's own rules, which must fit every policy to come. Reviews do not wait.
select pg_advisory_xact_lock(hashtext('warmer.policy_changes'));

-- name: list_changes -> PolicyChange
-- Changes of the policy in force, those to come included, the latest first.
select policy_changes.id, policy_changes.version, policy_changes.before, policy_changes.valid_from, policy_changes.made_at,
       policy_changes.made_by, policy_changes.why, policy_changes.layers, policy_changes.differs, policy_changes.effect,
       policy_changes.withdrawn_at, policy_changes.withdrawn_by, policy_changes.withdrawn_why
from policy_changes
order by policy_changes.valid_from desc, policy_changes.id desc
limit $limit;

-- name: add_change -> int
-- A change, valid from a moment to come.
insert into policy_changes (version, before, valid_from, made_at, made_by, why, layers, differs, effect)
values ($version, $before, $valid_from, $made_at, $made_by, $why, $layers, $differs, $effect)
returning id;

-- name: withdraw_change -> str
-- A change that has not become valid, taken back. The version that it would have put in force; none when it is too late, or taken back already.
update policy_changes
set withdrawn_at = $at, withdrawn_by = $by, withdrawn_why = $why
where policy_changes.id = $change_id and policy_changes.withdrawn_at is null and policy_changes.valid_from > $at
returning policy_changes.version;

-- name: list_overrides -> Override
-- The own rules that stand now, of these chips or of all.
select chip_overrides.id, chip_overrides.chip_id, chips.name as chip, chip_overrides.body, chip_overrides.since, chip_overrides.set_by,
       chip_overrides.why
from chip_overrides
join chips on chips.id = chip_overrides.chip_id
where chip_overrides.until_at is null and (($chip_ids)::bigint[] is null or chip_overrides.chip_id = any($chip_ids))
order by chip_overrides.chip_id;

-- name: add_override -> int
-- A chip's own rules, from now on.
insert into chip_overrides (chip_id, body, since, set_by, why) values ($chip_id, $body, $at, $by, $why) returning id;

-- name: end_override -> int
-- The chip's own rules stand no more.
update chip_overrides
set until_at = $at, ended_by = $by, ended_why = $why
where chip_overrides.chip_id = $chip_id and chip_overrides.until_at is null
returning id;
