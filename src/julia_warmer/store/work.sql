-- What is due: so that whoever drives the steps can pass over a moment at which nothing is.

-- name: find_work -> Work
-- Whether a chip is due for review or for planning, and whether a send is due. Each is one look into a small index.
select
    exists (select from chips where chips.look_again_at <= $at) as reviews,
    exists (
        select from chips
        where chips.status in ('warming', 'ready', 'active') and chips.look_again_at is not null
          and (chips.plan_again_at is null or chips.plan_again_at <= $at)
    ) as plans,
    exists (select from sends where sends.state = 'planned' and sends.due_at <= $at) as sends;
