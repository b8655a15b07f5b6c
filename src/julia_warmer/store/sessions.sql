-- Sessions of the database as the server sees them. Their times are the server's own: a session stops in real time, whatever our clock says.

-- name: end_stalled -> int
-- A process that stopped between preparing a statement and executing it is `active`, not idle, for the server: no limit of its own ends that
-- transaction. End those of our role that have let others wait for their locks so long. Gives how many.
select count(pg_terminate_backend(stalled.pid))::int
from pg_stat_activity as stalled
where stalled.datname = current_database() and stalled.usename = current_user
  and stalled.state = 'active' and stalled.wait_event = 'ClientRead' and stalled.xact_start is not null
  and stalled.state_change < (select query_start from pg_stat_activity where pid = pg_backend_pid()) - $stalled_s * interval '1 second'
  and exists (
      select from pg_stat_activity as waiting
      where waiting.datname = current_database() and waiting.wait_event_type = 'Lock'
        and stalled.pid = any(pg_blocking_pids(waiting.pid))
  );
