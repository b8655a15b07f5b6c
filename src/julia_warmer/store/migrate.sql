-- The record of applied migrations. The runner makes schema and table before it asks.

-- name: find_schema -> bool
-- Does our schema exist?
select exists (select from pg_namespace where nspname = $schema)

-- name: find_record -> bool
-- Does the table of applied migrations exist? Asked of the catalog, which answers also where the role may not look into the schema.
select exists (
    select from pg_class
    where relname = 'migrations' and relnamespace = (select oid from pg_namespace where nspname = $schema)
)

-- name: find_role -> bool
-- Does a role of that name exist on this server?
select exists (select from pg_roles where rolname = $role)

-- name: find_self -> str
-- Who we are.
select current_user::text

-- name: find_schema_mend -> str
-- What an administrator runs so that this role may make the schema.
select format('grant create on database %I to %I', current_database(), current_user)

-- name: lock_migrations -> none
-- Wait until no other process migrates this database. Held by the session until unlocked.
select pg_advisory_lock($key::bigint)

-- name: unlock_migrations -> bool
-- Let the next one migrate.
select pg_advisory_unlock($key::bigint)

-- name: list_applied -> Applied
-- What was applied here, in order.
select number, name, sha256, applied_at from warmer.migrations order by number

-- name: add_applied -> none
-- Record one migration, in the transaction that ran it.
insert into warmer.migrations (number, name, sha256, applied_at) values ($number, $name, $sha256, $at)
