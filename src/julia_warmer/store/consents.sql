-- The consent ledger: its texts, its seals and the proof of a row. Rows are added where people act (`contacts`, `people`); nothing changes one.

-- name: add_texts -> none
-- Texts that people read, each once.
insert into consent_texts (digest, version, body)
select given.digest, given.version, given.body
from unnest($digests::bytea[], $versions::text[], $bodies::text[]) as given (digest, version, body)
order by given.digest
on conflict (digest) do nothing;

-- name: take_open -> OpenRow
-- The oldest rows that no seal covers, taken off the list; each with its line. Rows of a transaction that still runs come with the next seal.
with taken as (
    delete from consents_open
    where consent_id in (select open.consent_id from consents_open as open order by open.consent_id limit $most)
    returning consent_id
)
select consents.id, consent_line(consents) as line
from taken
join consents on consents.id = taken.consent_id
order by consents.id;

-- name: lock_seals -> none
-- One sealer at a time.
select pg_advisory_xact_lock($lock);

-- name: read_last_seal -> SealRow
-- The newest seal.
select id, leaves, root, chain, sealed_at from consent_seals order by id desc limit 1;

-- name: add_seal -> none
-- The next seal.
insert into consent_seals (id, leaves, root, chain, sealed_at) values ($id, $leaves, $root, $chain, $sealed_at);

-- name: add_leaves -> none
-- The leaves of a seal, in their order.
insert into consent_leaves (consent_id, seal_id, place, leaf)
select given.consent_id, $seal_id, given.nth - 1, given.leaf
from unnest($ids::bigint[], $leaves::bytea[]) with ordinality as given (consent_id, leaf, nth);

-- name: count_open -> int
-- How many rows no seal covers yet.
select count(*) from consents_open;

-- name: list_seals -> SealRow
-- The seals after one of them, in order.
select id, leaves, root, chain, sealed_at from consent_seals where id > $after order by id limit $limit;

-- name: list_leaves -> LeafRow
-- The leaves of a seal, each with the line of its row as it is now (null: the row is gone).
select consent_leaves.consent_id, consent_leaves.leaf, case when consents.id is not null then consent_line(consents) end as line
from consent_leaves
left join consents on consents.id = consent_leaves.consent_id
where consent_leaves.seal_id = $seal_id
order by consent_leaves.place;

-- name: list_unsealed_lines -> OpenRow
-- Rows that no seal covers though they are on no list either: put in behind the ledger's back, or taken off it.
select consents.id, consent_line(consents) as line
from consents
where consents.id > $after
  and not exists (select from consent_leaves where consent_leaves.consent_id = consents.id)
  and not exists (select from consents_open where consents_open.consent_id = consents.id)
order by consents.id
limit $limit;

-- name: list_proofs -> ProofRow
-- Every row of a person, oldest first, with its line, where it is sealed, and what its sealed fields open by.
select consents.id, consents.purpose, consents.act, consents.source, consents.at, consents.zone, consents.recorded_at, consents.recorded_by,
       consent_texts.version as text_version, consent_texts.body as text_shown, consents.text_digest, consents.refers_to, consents.private,
       contacts.secret, consent_line(consents) as line, consent_leaves.seal_id, consent_leaves.place, consent_leaves.leaf
from consents
join contacts on contacts.id = consents.contact_id
left join consent_texts on consent_texts.digest = consents.text_digest
left join consent_leaves on consent_leaves.consent_id = consents.id
where consents.contact_id = $contact_id
order by consents.at, consents.id;

-- name: read_seal -> SealRow
-- One seal.
select id, leaves, root, chain, sealed_at from consent_seals where id = $id;
