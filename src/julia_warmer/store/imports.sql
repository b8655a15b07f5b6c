-- Imports: people of a file, staged by COPY and merged as a set, a short transaction for each batch. Suppressions and withdrawals always win.
-- Locks, in the order of all: new people come first (in the order of their keys), then those that are known (in the order of their ids).
-- Known people of whom nothing changes are not locked, and not written.

-- name: make_staging -> none
-- Where one batch is laid down, for this connection alone and until the end of its transaction. One row for each consent, or one without.
create temp table if not exists import_rows (
    place         integer not null,              -- of the consent among the batch's: its evidence lies beside
    phone_key     text not null,
    is_first      boolean not null,              -- of the person: only this row says who they are
    phone         text,
    name          text,
    audience      text,
    zone          text,
    zone_given    boolean,
    secret        uuid,                          -- of a person who is new: their evidence is sealed under it
    rows          integer,                       -- of the file, that say this
    is_late       boolean,                       -- had brought no consent in this file so far
    may_marketing boolean,
    may_utility   boolean,
    granted_at    timestamptz,
    purpose       text,
    source        text,
    text_digest   bytea,
    private       bytea,
    at            timestamptz,
    contact_id    bigint,                        -- worked out: known by now
    user_id       text,
    differs       boolean,                       -- the file says something else of them than is known
    is_stopped    boolean,                       -- by their own word, or erased
    is_switched   boolean,                       -- off, by the switch of WhatsApp
    left_at       timestamptz,                   -- when they left this number: the contact is the one that they are now
    stop          text                           -- what they must not be written to for: all, or marketing
) on commit delete rows;

-- name: plan_by_index -> str
-- For this transaction: no statement reads all of a large table. What the server knows of tables that are being filled is old: it would take
-- everybody for erased, and read a million contacts to list nobody.
select set_config('enable_seqscan', 'off', true);

-- name: clear_staging -> none
-- Nothing is laid down: a transaction may merge several batches.
delete from import_rows;

-- name: find_known -> none
-- Who of the batch is known already, and how they stand: those not found yet, or those of these contacts again, now that they are locked.
update import_rows
set contact_id = coalesce(contacts.merged_into, contacts.id),
    left_at = case when contacts.merged_into is not null then coalesce(contacts.undeliverable_at, '-infinity') end,
    user_id = contacts.user_id,
    differs = import_rows.is_first
        and (coalesce(import_rows.name, contacts.name), coalesce(import_rows.audience, contacts.audience),
             case when import_rows.zone_given then import_rows.zone else contacts.zone end)
            is distinct from (contacts.name, contacts.audience, contacts.zone),
    is_stopped = contacts.stopped_at is not null or contacts.secret is null,
    is_switched = contacts.platform_stopped_at is not null
from contacts
where contacts.phone_key = import_rows.phone_key
  and case when $ids::bigint[] is null then import_rows.contact_id is null else import_rows.contact_id = any($ids) end;

-- name: has_left -> bool
-- Whether anybody of the batch is named by a number that they left.
select exists (select from import_rows where import_rows.left_at is not null);

-- name: follow_left -> none
-- Who is named by a number that they left is who they are now, with every stop of either. What such a row says of them only fills gaps: a
-- file may name both numbers, and the one in use is right. A grant counts when it was given before: a number that was left may be another's.
update import_rows
set (user_id, name, differs, is_stopped, is_switched) = (
        select stays.user_id,
               case when stays.name is null then import_rows.name end,
               import_rows.is_first and stays.name is null and import_rows.name is not null,
               import_rows.is_stopped or stays.stopped_at is not null or stays.secret is null or exists (
                   select from suppressions
                   where suppressions.phone_key = stays.phone_key and suppressions.lifted_at is null and suppressions.purpose = 'all'
               ),
               import_rows.is_switched or stays.platform_stopped_at is not null or exists (
                   select from suppressions where suppressions.phone_key = stays.phone_key and suppressions.lifted_at is null
               )
        from contacts as stays
        where stays.id = import_rows.contact_id
    ),
    audience = null,
    zone_given = false,
    purpose = case when import_rows.at <= import_rows.left_at then import_rows.purpose end
where import_rows.left_at is not null;

-- name: mark_stops -> none
-- Who of the batch must not be written to, for all or for marketing: by the list of suppressions, which knows people by phone and by user id; by
-- their own stop; by the platform's switch; and who is erased. A stop ends by the person, or by a person's hand on the list: by no file.
with stops as (
    select given.phone_key, bool_or(stop.purpose = 'all') as everything
    from import_rows as given
    cross join lateral (
        select suppressions.purpose
        from suppressions
        where suppressions.phone_key = given.phone_key and suppressions.lifted_at is null
        union all
        select suppressions.purpose
        from suppressions
        where suppressions.user_id = given.user_id and suppressions.lifted_at is null
        union all
        select case when given.is_stopped then 'all' else 'marketing' end
        where given.is_stopped or given.is_switched
    ) as stop
    where given.is_first and ($ids::bigint[] is null or given.contact_id = any($ids))
    group by given.phone_key
)
update import_rows
set stop = case when stops.everything then 'all' else 'marketing' end
from stops
where stops.phone_key = import_rows.phone_key;

-- name: list_strange -> str
-- Keys of the batch that fit no contact.
select import_rows.phone_key from import_rows where import_rows.is_first and import_rows.contact_id is null;

-- name: stop_keys -> none
-- These people must not be written to at all.
update import_rows set stop = 'all' where import_rows.phone_key = any($phone_keys::text[]);

-- name: void_stopped -> none
-- The consents that a stop forbids are taken off the batch.
update import_rows
set purpose = case when import_rows.stop not in ('all', import_rows.purpose) then import_rows.purpose end,
    may_marketing = false,
    may_utility = import_rows.may_utility and import_rows.stop = 'marketing'
where import_rows.stop is not null;

-- name: drop_stopped -> int
-- People whom a stop leaves no consent are taken off the batch: they stay as they are. Gives how many rows of the file that is.
with dropped as (
    delete from import_rows
    where import_rows.stop is not null
      and not exists (
          select from import_rows as other where other.phone_key = import_rows.phone_key and other.purpose is not null
      )
    returning case when import_rows.is_first then import_rows.rows else 0 end as rows
)
select coalesce(sum(dropped.rows), 0) from dropped;

-- name: add_new -> int
-- People who are new, with their consents; gives how many. In the order of their keys, so that two writers meet in one order.
with added as (
    insert into contacts
        (phone, phone_key, name, zone, audience, opted_in_at, may_marketing, may_utility, created_at, updated_at, secret)
    select given.phone, given.phone_key, given.name, given.zone, coalesce(given.audience, $audience),
           case when given.may_marketing or given.may_utility then given.granted_at end, given.may_marketing, given.may_utility,
           $at, $at, given.secret
    from import_rows as given
    where given.is_first and given.contact_id is null
    order by given.phone_key
    on conflict (phone_key) do nothing
    returning contacts.id, contacts.phone_key, contacts.zone
),
granted as (
    insert into consents (contact_id, purpose, act, source, text_digest, private, at, zone, recorded_at, recorded_by)
    select added.id, given.purpose, 'granted', given.source, given.text_digest, given.private, given.at, added.zone, $at, $by
    from added
    join import_rows as given on given.phone_key = added.phone_key and given.purpose is not null
    order by added.id
)
select count(*) from added;

-- name: list_changing -> int
-- The known people of the batch of whom something changes, or who gave a consent that the ledger does not hold. One look into the ledger
-- for each consent: `limit` keeps the plan from reading all of it.
select distinct given.contact_id as id
from import_rows as given
left join lateral (
    select true as is_there
    from consents
    where consents.contact_id = given.contact_id
      and consents.purpose = given.purpose
      and consents.act = 'granted'
      and consents.at = given.at
      and consents.source = given.source
      and consents.text_digest is not distinct from given.text_digest
    limit 1
) as held on given.purpose is not null
where given.contact_id is not null and (given.differs or given.purpose is not null and held.is_there is null)
order by 1;

-- name: lock_known -> none
-- These people, locked in the order of their ids, as every writer does.
select from contacts where contacts.id = any($ids::bigint[]) order by contacts.id for no key update;

-- name: change_known -> int
-- Name, audience and zone where the file says another one; a cell left empty changes nothing. Gives the ids that changed.
update contacts
set name = coalesce(given.name, contacts.name),
    audience = coalesce(given.audience, contacts.audience),
    zone = case when given.zone_given then given.zone else contacts.zone end,
    updated_at = $at
from import_rows as given
where given.differs and contacts.id = given.contact_id and contacts.id = any($ids::bigint[])
returning contacts.id;

-- name: list_missing -> Missing
-- Consents of locked people that the ledger does not hold, each once though both their numbers bring it, with what their evidence is to be
-- sealed under.
select distinct on (given.contact_id, given.purpose, given.at, given.source, given.text_digest) given.place, contacts.secret
from contacts
join import_rows as given on given.contact_id = contacts.id and given.purpose is not null
left join lateral (
    select true as is_there
    from consents
    where consents.contact_id = given.contact_id
      and consents.purpose = given.purpose
      and consents.act = 'granted'
      and consents.at = given.at
      and consents.source = given.source
      and consents.text_digest is not distinct from given.text_digest
    limit 1
) as held on true
where contacts.id = any($ids::bigint[]) and contacts.secret is not null and held.is_there is null
order by given.contact_id, given.purpose, given.at, given.source, given.text_digest, given.place;

-- name: add_missing -> int
-- Appends these consents of known people, their evidence sealed anew; gives the ids of the people.
insert into consents (contact_id, purpose, act, source, text_digest, private, at, zone, recorded_at, recorded_by)
select given.contact_id, given.purpose, 'granted', given.source, given.text_digest, sealed.private, given.at, contacts.zone, $at, $by
from unnest($places::integer[], $privates::bytea[]) as sealed (place, private)
join import_rows as given on given.place = sealed.place
join contacts on contacts.id = given.contact_id
order by given.contact_id
returning contact_id;

-- name: count_left -> Left
-- What is left of the batch: its people, those without any consent in it, and those who had none in the file so far and bring one now.
select count(*) as people,
       count(*) filter (where not person.consents) as without,
       count(*) filter (where person.consents and person.is_late) as late
from (
    select bool_or(given.purpose is not null) as consents, bool_or(given.is_first and given.is_late) as is_late
    from import_rows as given
    group by given.phone_key
) as person;

-- name: count_new -> int
-- How many people of the batch are new.
select count(*) from import_rows where import_rows.is_first and import_rows.contact_id is null;

-- name: settle_stops -> none
-- Opt-outs that came while an import was at it, from numbers that were being added at that very moment. Every claim asks the list of
-- suppressions itself; this keeps what stands of the consents true as well. Of imports that are under way or ended since.
update contacts
set may_marketing = false,
    may_utility = contacts.may_utility and suppressions.purpose <> 'all',
    stopped_at = case when suppressions.purpose = 'all' then coalesce(contacts.stopped_at, suppressions.at) else contacts.stopped_at end,
    updated_at = $at
from imports
join suppressions on suppressions.id > imports.suppressions_before and suppressions.lifted_at is null
where (imports.ended_at is null or imports.ended_at >= $since)
  and contacts.phone_key = suppressions.phone_key
  and contacts.created_at >= imports.began_at
  and (contacts.may_marketing or contacts.may_utility and suppressions.purpose = 'all');

-- ------------------------------------------------------------------ imports

-- name: find_open -> Import
-- The import of this file, as it was brought, that has not ended.
select id, digest, name, size, lines, state, reason, began_at, began_by, ended_at, read, bad
from imports
where key = $key and ended_at is null;

-- name: add_import -> int
-- A new import. Ids of suppressions are given a little before they can be seen, hence the distance.
insert into imports (key, digest, name, size, lines, state, given, began_at, began_by, suppressions_before)
select $key, $digest, $name, $size, $lines, 'waiting', $given, $at, $by, coalesce(max(suppressions.id), 0) - 1000
from suppressions
returning id;

-- name: try_import -> bool
-- Whether this connection may carry out the import: no other one does. For as long as the connection lives.
select pg_try_advisory_lock($lock::int, $id::int);

-- name: leave_import -> bool
-- Somebody else may go on with it.
select pg_advisory_unlock($lock::int, $id::int);

-- name: set_running -> none
-- The import is under way.
update imports set state = 'running' where id = $id;

-- name: list_lanes -> Lane
-- How far each lane of an import is.
select lane, batches, line, imported, updated, unchanged, repeated, suppressed, no_consent
from import_lanes
where import_id = $id
order by lane;

-- name: add_lanes -> none
-- The lanes of an import, at its beginning.
insert into import_lanes (import_id, lane)
select $id, lanes.lane from generate_series(0, $number::int - 1) as lanes (lane)
on conflict do nothing;

-- name: advance_lane -> none
-- A batch of a lane is done: once, whoever does it.
update import_lanes
set batches = $batches::int + 1, line = $line, imported = imported + $imported, updated = updated + $updated,
    unchanged = unchanged + $unchanged, repeated = repeated + $repeated, suppressed = suppressed + $suppressed,
    no_consent = no_consent + $no_consent
where import_id = $id and lane = $lane and batches = $batches;

-- name: end_import -> none
-- The import is over; what was kept of an upload goes.
update imports
set state = $state, reason = $reason, ended_at = $at, read = $read, bad = $bad, bad_rows = $bad_rows, given = null
where id = $id;

-- name: forget_pieces -> none
-- The bytes of an upload.
delete from import_pieces where import_id = $id;

-- name: add_piece -> none
-- The next bytes of an upload.
insert into import_pieces (import_id, nth, body) values ($id, $nth, $body);

-- name: read_piece -> bytes
-- Bytes of an upload.
select body from import_pieces where import_id = $id and nth = $nth;

-- name: list_waiting -> int
-- Uploads to be carried out, oldest first.
select id from imports where (state = 'waiting' or state = 'running') and given is not null order by id limit $limit;

-- name: read_given -> bytes
-- What was said about an upload, sealed.
select given from imports where id = $id;

-- name: read_bad_rows -> bytes
-- The first bad rows of an upload, sealed.
select bad_rows from imports where id = $id;

-- name: read_import -> Import
-- One import.
select id, digest, name, size, lines, state, reason, began_at, began_by, ended_at, read, bad from imports where id = $id;

-- name: list_imports -> Import
-- Imports, newest first.
select id, digest, name, size, lines, state, reason, began_at, began_by, ended_at, read, bad
from imports
where id < $before
order by id desc
limit $limit;
