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
