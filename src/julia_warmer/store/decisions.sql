-- What was decided, as it was recorded: for replays.

-- name: list_recorded -> RecordedDecision
-- Decisions of a period with their snapshots, in the order of their moments, then of the chips' ids.
select decisions.chip_id, chips.name as chip, chips.zone, decisions.at, decisions.policy, decisions.record
from decisions
join chips on chips.id = decisions.chip_id
where decisions.at >= $since and decisions.at < $until and (($chip_id)::bigint is null or decisions.chip_id = $chip_id)
order by decisions.at, decisions.chip_id, decisions.id;

-- name: list_sent_days -> SentDay
-- What was accepted on each chip's calendar days.
select chip_days.chip_id, chip_days.day, chip_days.accepted
from chip_days
where (($chip_id)::bigint is null or chip_days.chip_id = $chip_id) and chip_days.accepted > 0
order by chip_days.chip_id, chip_days.day;

-- name: list_taken_sends -> TakenSend
-- A chip's campaign messages that the provider took, in the order of acceptance.
select sends.id, sends.contact_id, sends.accepted_at, sends.was_held
from sends
where sends.chip_id = $chip_id and sends.kind = 'campaign' and sends.accepted_at is not null
order by sends.accepted_at, sends.id;

-- name: list_told_facts -> ToldFact
-- All that was told of a chip and of its account, in the order in which it was written down. It reads the months of events whole.
select events.at, events.kind, events.key, events.contact_id, events.send_id, events.code, events.value, events.body ->> 'call_id' as call_id,
       coalesce((events.body ->> 'answered')::boolean, false) as answered, events.recorded_at
from events
join chips on chips.id = $chip_id
where (events.chip_id = chips.id or events.chip_id is null and events.account_id = chips.account_id)
  and events.kind in (
      'message_delivered', 'message_read', 'message_failed', 'message_received', 'opt_out_requested', 'call_received',
      'quality_changed', 'account_restricted'
  )
order by events.recorded_at, events.at, events.key;

-- name: list_reachable_days -> ReachableDay
-- What a chip could have sent, by its calendar days.
select chip_days.day, chip_days.reachable from chip_days where chip_days.chip_id = $chip_id order by chip_days.day;
