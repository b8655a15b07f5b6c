-- What the plan's floor copies, and the way back to an unplanned day.

-- name: take_away -> SendRow
-- Removes what is planned. Gives the columns that a plan writes.
delete from sends
where sends.state = 'planned'
returning sends.chip_id, sends.portfolio_id, sends.contact_id, sends.campaign_id, sends.template_row, sends.kind, sends.purpose, sends.canary,
          sends.state, sends.plan_day, sends.planned_at, sends.due_at, sends.expires_at;

-- name: begin_day -> none
-- Every chip's day is to be planned, and people may be written to again after a week.
with campaign as (
    update campaigns set repeat_after_d = 7
)
update chips set plan_again_at = null, decided_at = $at, look_again_at = $at::timestamptz + interval '4 hours';
