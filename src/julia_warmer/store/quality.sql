-- How people take messages by the source of their consent and by its age, and the sources that are held.

-- name: count_sources -> DayCounts
-- Campaign messages of a span by day (UTC), source and age of the grant that stood when they were accepted, and what came of them. What a
-- person's release has answered for does not count again. `cap_day`, of the chip's own zone, finds them: an hour early, for who was claimed before
-- midnight. `offset 0` keeps the plan from reading all messages in place of a span's.
select (sent.accepted_at at time zone 'UTC')::date as day, grants.source, bands.name as age, count(*)::int as accepted,
       count(*) filter (where sent.delivered_at is not null or sent.read_at is not null)::int as reached,
       count(*) filter (where sent.read_at is not null)::int as read,
       count(*) filter (where sent.replied_at is not null)::int as replied,
       count(*) filter (where sent.opted_out_at is not null)::int as opted_out,
       count(*) filter (where sent.state = 'failed' and sent.code = any($undeliverable::integer[]))::int as undeliverable,
       count(*) filter (where sent.state = 'failed' and sent.code = any($limited::integer[]))::int as limited
from chips
cross join lateral (
    select sends.contact_id, sends.purpose, sends.state, sends.code, sends.accepted_at, sends.delivered_at, sends.read_at, sends.replied_at,
           sends.opted_out_at
    from sends
    where sends.chip_id = chips.id and sends.kind = 'campaign'
      and sends.cap_day between (($since::timestamptz - interval '1 hour') at time zone chips.zone)::date
          and ($until::timestamptz at time zone chips.zone)::date
      and sends.accepted_at > $since and sends.accepted_at <= $until
    offset 0
) as sent
cross join lateral (
    select consents.source, consents.at
    from consents
    where consents.contact_id = sent.contact_id and consents.purpose = sent.purpose and consents.act = 'granted'
      and consents.at <= sent.accepted_at
    order by consents.at desc, consents.id desc
    limit 1
) as grants
join unnest($names::text[], $from_ds::float8[], $to_ds::float8[]) as bands (name, from_d, to_d)
    on extract(epoch from sent.accepted_at - grants.at) / 86400 >= bands.from_d
    and extract(epoch from sent.accepted_at - grants.at) / 86400 < bands.to_d
where not exists (
    select from source_holds where source_holds.source = grants.source and source_holds.released_at >= sent.accepted_at
)
group by 1, 2, 3
order by 1, 2, 3;

-- name: list_counted -> Counted
-- Days that were counted, since one, and when. A day without messages leaves no trace.
select source_days.day, min(source_days.counted_at) as counted_at
from source_days
where source_days.day >= $since::date
group by source_days.day
order by source_days.day;

-- name: drop_days -> none
-- These days are to be counted again.
delete from source_days where source_days.day = any($days::date[]);

-- name: put_days -> none
-- What days came to, as it stands.
insert into source_days (day, source, age, accepted, reached, read, replied, opted_out, undeliverable, limited, counted_at)
select given.day, given.source, given.age, given.accepted, given.reached, given.read, given.replied, given.opted_out, given.undeliverable,
       given.limited, $at
from unnest(
    $days::date[], $sources::text[], $ages::text[], $accepted::integer[], $reached::integer[], $read::integer[], $replied::integer[],
    $opted_out::integer[], $undeliverable::integer[], $limited::integer[]
) as given (day, source, age, accepted, reached, read, replied, opted_out, undeliverable, limited)
on conflict do nothing;

-- name: forget_days -> none
-- Days that nobody asks for any more.
delete from source_days where source_days.day < $before::date;

-- name: list_days -> SourceCounts
-- Counted days by source and age. What a person's release has answered for does not count again.
select source_days.source, source_days.age, sum(source_days.accepted)::int as accepted, sum(source_days.reached)::int as reached,
       sum(source_days.read)::int as read, sum(source_days.replied)::int as replied, sum(source_days.opted_out)::int as opted_out,
       sum(source_days.undeliverable)::int as undeliverable, sum(source_days.limited)::int as limited
from source_days
where source_days.day >= $since::date
  and not exists (
      select from source_holds
      where source_holds.source = source_days.source and source_holds.released_at >= (source_days.day + 1)::timestamp at time zone 'UTC'
  )
group by source_days.source, source_days.age
order by source_days.source, source_days.age;

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
