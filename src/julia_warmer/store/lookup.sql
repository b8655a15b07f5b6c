-- What a person at the command line looks up: how many people there are, and their numbers. Read only.

-- name: count_people -> People
-- Contacts by audience: how many there are, may be written to for marketing, for utility, and belong to no chip yet.
select audience, count(*) as people,
       count(*) filter (where may_marketing and stopped_at is null and platform_stopped_at is null and undeliverable_at is null) as marketing,
       count(*) filter (where may_utility and stopped_at is null and undeliverable_at is null) as utility,
       count(*) filter (where chip_id is null) as free
from contacts
group by audience
order by audience
limit $limit;

-- name: list_phones -> Phone
-- The numbers of these contacts.
select id, phone from contacts where id = any($ids::bigint[]);
