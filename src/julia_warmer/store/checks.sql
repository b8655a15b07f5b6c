-- What a start and `warmer doctor` ask of the server itself. Read only, and of no table of ours but the catalog's word on them.

-- name: read_session -> int
-- The process of the server that serves this transaction.
select pg_backend_pid();

-- name: read_server -> Server
-- The server as this connection meets it: release, clock, process, room for connections, and what our role owns.
select current_setting('server_version_num')::integer as version,
       (select query_start from pg_stat_activity where pid = pg_backend_pid()) as at,
       pg_backend_pid() as pid,
       current_user::text as role,
       current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
           - coalesce(current_setting('reserved_connections', true)::integer, 0) as connections_max,
       (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections_used,
       (select rolconnlimit from pg_roles where rolname = current_user) as role_max,
       (select count(*) from pg_stat_activity where usename = current_user) as role_used,
       (select datconnlimit from pg_database where datname = current_database()) as database_max,
       (select count(*) from pg_stat_activity where datname = current_database()) as database_used,
       (
           select count(*) from pg_class
           join pg_namespace on pg_namespace.oid = pg_class.relnamespace
           where pg_namespace.nspname = $schema::text and pg_class.relkind in ('r', 'p')
             and pg_class.relowner = (select oid from pg_roles where rolname = current_user)
       ) as tables_owned;
