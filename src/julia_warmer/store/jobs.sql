-- The little that we ask of PgQueuer's tables ourselves; everything else is its own.

-- name: find_queued -> bool
-- Whether a job of this step waits to be taken. A key is given back when its job is taken, so only waiting jobs have one.
select exists (
    select from pgqueuer where pgqueuer.dedupe_key = $key and pgqueuer.status = any (array['queued', 'picked']::pgqueuer_status[])
);

-- name: free_key -> none
-- From now on, whoever wakes this step makes a new job: what came after this one began to look is looked for again.
update pgqueuer set dedupe_key = null where pgqueuer.id = $job_id;
