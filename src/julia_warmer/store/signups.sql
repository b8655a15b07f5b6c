-- In-App Signup links: what people read on the page that WhatsApp hosts for us. Each wording stays, for somebody agreed to it.

-- name: put_signups -> int
-- Links as the platform has them. A wording that is new becomes a new version; the one before it stays. Gives those that changed.
insert into signups (signup_id, account_id, version, message, confirmation, privacy_url, website_url, promo_code, name, text_digest, since, disabled_at)
select given.signup_id, $account_id, coalesce(latest.version, 0) + 1, given.message, given.confirmation, given.privacy_url, given.website_url,
       given.promo_code, given.name, given.text_digest, $at, latest.disabled_at
from unnest(
    $signup_ids::text[], $messages::text[], $confirmations::text[], $privacy_urls::text[], $website_urls::text[], $promo_codes::text[],
    $names::text[], $text_digests::bytea[]
) as given (signup_id, message, confirmation, privacy_url, website_url, promo_code, name, text_digest)
left join lateral (
    select signups.version, signups.text_digest, signups.disabled_at
    from signups
    where signups.signup_id = given.signup_id
    order by signups.version desc
    limit 1
) as latest on true
where latest.text_digest is distinct from given.text_digest
order by given.signup_id
on conflict do nothing
returning id;

-- name: find_texts -> TextOf
-- What stood on these links at these moments: the version of then, or the first that is known.
select given.nth::int as nth, shown.text_digest, shown.version
from unnest($signup_ids::text[], $ats::timestamptz[]) with ordinality as given (signup_id, at, nth)
join lateral (
    select signups.text_digest, signups.version
    from signups
    where signups.signup_id = given.signup_id
    order by signups.since <= given.at desc, case when signups.since <= given.at then signups.version else -signups.version end desc
    limit 1
) as shown on true
order by given.nth;

-- name: list_signups -> Signup
-- The newest wording of each link, with how many people signed up by it.
select distinct on (signups.signup_id) signups.id, signups.signup_id, signups.account_id, accounts.name as account, signups.version,
       signups.message, signups.confirmation, signups.privacy_url, signups.website_url, signups.promo_code, signups.name, signups.since,
       signups.disabled_at,
       (select count(*) from events where events.kind = 'signup_received' and events.value = signups.signup_id)::int as people
from signups
join accounts on accounts.id = signups.account_id
where ($account_id::bigint is null or signups.account_id = $account_id) and ($signup_id::text is null or signups.signup_id = $signup_id)
order by signups.signup_id, signups.version desc
limit $limit;

-- name: disable_signup -> none
-- Nobody signs up by this link any more; what it said stays, for people agreed to it.
update signups set disabled_at = $at where signups.signup_id = $signup_id and signups.disabled_at is null;
