-- How people take messages by the source of their consent and by its age, and the sources that are held.

-- name: list_quality -> SourceCounts
-- Campaign messages of a span by the source and the age of the grant that stood when they were accepted: how many people, and what came of it.
-- What a person's release has answered for does not count again. Reads all sends: it is asked for by hand, and once an hour.
with sent as materialized (
    select sends.contact_id, grants.source, extract(epoch from sends.accepted_at - grants.at) / 86400 as age_d,
           sends.delivered_at is not null or sends.read_at is not null as reached, sends.read_at is not null as read,
           sends.replied_at is not null as replied, sends.opted_out_at is not null as opted_out,
           sends.state = 'failed' and sends.code = any($undeliverable::integer[]) as undeliverable,
           sends.state = 'failed' and sends.code = any($limited::integer[]) as limited
    from sends
    cross join lateral (
        select consents.source, consents.at
        from consents
        where consents.contact_id = sends.contact_id and consents.purpose = sends.purpose and consents.act = 'granted'
          and consents.at <= sends.accepted_at
        order by consents.at desc, consents.id desc
        limit 1
    ) as grants
    where sends.kind = 'campaign' and sends.accepted_at > $since::timestamptz and sends.accepted_at <= $until::timestamptz
      and not exists (
          select from source_holds
          where source_holds.source = grants.source and source_holds.released_at >= sends.accepted_at
      )
)
select sent.source, bands.name as age, count(*)::int as accepted, count(distinct sent.contact_id)::int as people,
       count(*) filter (where sent.reached)::int as reached, count(*) filter (where sent.read)::int as read,
       count(*) filter (where sent.replied)::int as replied, count(*) filter (where sent.opted_out)::int as opted_out,
       count(*) filter (where sent.undeliverable)::int as undeliverable, count(*) filter (where sent.limited)::int as limited
from sent
join unnest($names::text[], $from_ds::float8[], $to_ds::float8[]) as bands (name, from_d, to_d)
    on sent.age_d >= bands.from_d and sent.age_d < bands.to_d
group by sent.source, bands.name, bands.from_d
order by sent.source, bands.from_d;

-- name: hold_source -> int
-- Nobody of this source is planned for from now on. Gives the row, or nothing when it is held already.
insert into source_holds (source, reason, at, by)
values ($source, $reason, $at, $by)
on conflict (source) where released_at is null do nothing
returning id;

-- name: release_source -> int
-- A person answers for it. Gives the row, or nothing when it was not held.
update source_holds
set released_at = $at, released_by = $by, released_why = $why
where source_holds.source = $source and source_holds.released_at is null
returning id;

-- name: list_holds -> HeldSource
-- Sources that are held, or all that ever were, newest first.
select id, source, reason, at, by, released_at, released_by, released_why
from source_holds
where released_at is null or not $open_only::boolean
order by id desc
limit $limit;

-- name: count_people -> int
-- How many people's newest grant is of this source.
select count(*)
from contacts
cross join lateral (
    select consents.source
    from consents
    where consents.contact_id = contacts.id and consents.act = 'granted'
    order by consents.at desc, consents.id desc
    limit 1
) as grants
where (contacts.may_marketing or contacts.may_utility) and grants.source = $source;
