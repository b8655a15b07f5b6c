-- What is kept only for so long. Each statement forgets some rows at most, so that none holds locks for long; each is found by its moment's index.

-- name: forget_decisions -> none
-- Decisions that changed nothing. Those that changed a chip are its history, and the last one is how it stands.
delete from decisions
where decisions.ctid = any(array(
    select old.ctid
    from decisions as old
    where old.at < $before and old.changes = '{}'
      and exists (select from decisions as newer where newer.chip_id = old.chip_id and newer.at > old.at)
    limit $limit
));

-- name: forget_shadows -> none
-- What a shadow policy decided.
delete from shadow_decisions
where shadow_decisions.ctid = any(array(select old.ctid from shadow_decisions as old where old.at < $before limit $limit));

-- name: forget_forecasts -> none
-- Forecasts: there is one a day and chip at most, as a rule.
delete from forecasts
where forecasts.ctid = any(array(select old.ctid from forecasts as old where old.made_at < $before limit $limit));

-- name: forget_scores -> none
-- Scores of the past.
delete from health_log
where health_log.ctid = any(array(select old.ctid from health_log as old where old.at < $before limit $limit));

-- name: forget_deliveries -> none
-- Webhook bodies whose facts were applied.
delete from inbox
where inbox.ctid = any(array(
    select old.ctid from inbox as old where old.received_at < $before and old.applied_at is not null limit $limit
));

-- name: forget_quarantined -> none
-- What could not be used of a webhook, as long as the body that it came in.
delete from quarantine
where quarantine.ctid = any(array(select old.ctid from quarantine as old where old.at < $before limit $limit));

-- name: forget_received -> none
-- What people wrote, but for what is still on its way to its webhook. That they wrote stays while their facts do.
delete from received
where received.ctid = any(array(
    select old.ctid from received as old where old.at < $before and old.route_next_at is null limit $limit
));

-- name: forget_said -> none
-- What replies said.
update sends
set body = '{}'
where sends.ctid = any(array(
    select old.ctid from sends as old where old.due_at < $before and old.kind = 'reply' and old.body <> '{}' and old.state <> 'planned' limit $limit
));

-- name: forget_requests -> none
-- People's requests that were answered.
delete from requests
where requests.ctid = any(array(select old.ctid from requests as old where old.closed_at < $before limit $limit));

-- name: forget_alerts -> none
-- Alerts that were closed.
delete from alerts
where alerts.ctid = any(array(select old.ctid from alerts as old where old.closed_at < $before limit $limit));

-- name: forget_imports -> none
-- Imports that are over, and uploads that nobody carried out: with their lanes and their bytes.
delete from imports
where imports.id = any(array(
    select old.id from imports as old where old.ended_at < $before or old.ended_at is null and old.began_at < $before limit $limit
));

-- name: forget_attempts -> none
-- Requests whose outcome is known.
delete from attempts
where attempts.ctid = any(array(
    select old.ctid from attempts as old where old.began_at < $before and old.outcome is not null limit $limit
));

-- name: forget_slots -> none
-- Slots of the moving 24 hours that ended.
delete from budget_uses
where budget_uses.ctid = any(array(select old.ctid from budget_uses as old where old.until_at < $before limit $limit));

-- name: forget_days -> none
-- Past days of chips. A review looks back 31 of them.
delete from chip_days
where chip_days.ctid = any(array(
    select old.ctid from chip_days as old where old.day < ($before::timestamptz at time zone 'UTC')::date limit $limit
));

-- name: forget_hours -> none
-- Past hours of the whole fleet.
delete from fleet_counts
where fleet_counts.hour = any(array(select old.hour from fleet_counts as old where old.hour < $before order by old.hour limit $limit));

-- name: drop_months -> int
-- Months of events that ended before a moment, whole: how many.
select drop_months($before);
