-- What a run asks of its server.

-- name: read_written -> Written
-- Bytes written since the server began: the log, and pages of tables and indexes by whoever wrote them.
select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint as wal,
       coalesce(sum(pg_stat_io.write_bytes) filter (where pg_stat_io.object = 'relation'), 0)::bigint as pages
from pg_stat_io;

-- name: hurry_up -> str
-- Seeding only: rows are known to fit, and a crash would begin the run anew.
select set_config('session_replication_role', 'replica', false) || set_config('synchronous_commit', 'off', false)
    || set_config('maintenance_work_mem', '512MB', false) || set_config('work_mem', '64MB', false);
