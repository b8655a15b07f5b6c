-- Who did what. The table only grows.

-- name: record_act -> none
-- One act of a person, or of the platform, on a target written like `chip:12`.
insert into audit_log (at, who, what, target, why, body) values ($at, $who, $what, $target, $why, $body);

-- name: list_acts -> Act
-- The latest acts, newest first; of one target, or of all.
select id, at, who, what, target, why, body
from audit_log
where ($target::text is null or target = $target) and ($before::bigint is null or id < $before)
order by id desc
limit $limit;
