-- The whole of what is stored. Every moment comes in as an argument: no default reads the clock.

create schema if not exists warmer;

-- ---------------------------------------------------------------- numbers and who owns them

create table warmer.portfolios (
    id              bigint generated always as identity primary key,
    business_id     text not null unique,
    name            text not null,
    messaging_limit integer,                     -- unique people per moving 24 h; -1 unlimited; null = never read: plan with 250
    limit_read_at   timestamptz,
    spend_day_max   numeric(12, 2),              -- null = no spend limit
    people_counted  integer not null default 0,  -- unique people of the moving 24 h when they were counted last, and those claimed since
    people_counted_at timestamptz,
    created_at      timestamptz not null,
    check (messaging_limit is null or messaging_limit >= -1)
);

create table warmer.routes (
    id         bigint generated always as identity primary key,
    name       text not null unique,
    kind       text not null check (kind in ('page', 'webhook')),
    url        text,
    secret     bytea,                            -- encrypted; signs what is sent to the url
    created_at timestamptz not null,
    check (kind = 'page' or url is not null)
);

create table warmer.accounts (
    id                  bigint generated always as identity primary key,
    portfolio_id        bigint not null references warmer.portfolios,
    waba_id             text not null unique,
    name                text not null,
    token               bytea not null,          -- encrypted
    health              text not null default 'UNKNOWN',   -- AVAILABLE, LIMITED, BLOCKED, UNKNOWN
    polled_at           timestamptz,
    templates_synced_at timestamptz,
    webhook_at          timestamptz,
    created_at          timestamptz not null
);
create index accounts_portfolio on warmer.accounts (portfolio_id);

create table warmer.chips (
    id               bigint generated always as identity primary key,
    portfolio_id     bigint not null references warmer.portfolios,
    account_id       bigint not null references warmer.accounts,
    route_id         bigint references warmer.routes,
    name             text not null unique,
    phone_number_id  text not null unique,
    display_phone    text not null,              -- digits
    zone             text not null default 'America/Sao_Paulo',
    registered_at    timestamptz not null,
    created_at       timestamptz not null,
    started_at       timestamptz,

    -- the state: core.model.ChipState, field by field
    status           text not null default 'pending'
                     check (status in ('pending', 'warming', 'ready', 'active', 'paused', 'banned', 'retired')),
    phase            text not null default 'setup'
                     check (phase in ('setup', 'first_contacts', 'expansion', 'pre_operation', 'operation')),
    phase_since      timestamptz not null,
    paused_from      text,
    pauses           jsonb not null default '[]',
    pauses_in_row    integer not null default 0,
    speed            double precision not null default 1.0,
    slow_until       timestamptz,
    risk_cap         integer,
    risk_cap_since   date,
    rearmed_at       timestamptz,
    advanced_on      date,
    demoted_on       date,
    harm_at          timestamptz,
    ready_at         timestamptz,

    -- what the platform says
    quality          text not null default 'UNKNOWN' check (quality in ('GREEN', 'YELLOW', 'RED', 'UNKNOWN')),
    quality_at       timestamptz,
    phone_status     text not null default 'UNKNOWN',
    name_status      text not null default 'NONE',
    verified_name    text,
    profile_filled   boolean not null default false,
    profile_read_at  timestamptz,
    pin_set          boolean not null default false,
    webhook_at       timestamptz,

    -- what the last decision and the last plan said
    health           integer,
    budget_day_max   integer not null default 0,
    budget_binding   text not null default 'never reviewed',
    policy           text,
    decided_at       timestamptz,
    look_again_at    timestamptz,                -- null = not under review
    budget_need      integer not null default 0, -- what it could use if the portfolio's limit were endless: the split asks for it
    portfolio_share  integer,
    eligible_people  integer not null default 0,
    plan_again_at    timestamptz,                -- null = at once
    clamp            integer check (clamp >= 0),
    check ((status = 'paused') = (paused_from is not null))
);
create index chips_portfolio on warmer.chips (portfolio_id);
create index chips_account on warmer.chips (account_id);
create index chips_phone on warmer.chips (display_phone);   -- account webhooks name a chip by its number
create index chips_due on warmer.chips (look_again_at, portfolio_id, id) where look_again_at is not null;

-- ---------------------------------------------------------------- people

create table warmer.contacts (
    id                bigint generated always as identity primary key,
    phone             text not null,             -- E.164 with the ninth digit
    phone_key         text not null unique,      -- canonical, with its kind: see core/phone.py
    wa_id             text,                      -- as Meta returned it
    user_id           text,                      -- BSUID
    name              text,
    zone              text not null,
    audience          text not null default 'all',
    chip_id           bigint references warmer.chips,   -- set by the first accepted message
    assigned_at       timestamptz,
    opted_in_at       timestamptz,               -- latest grant: most recent first
    engagement        real not null default 0,   -- 0..1, higher = more engaged; orders the plan
    scored            boolean not null default true,   -- false: the person objected; planned like somebody of whom nothing is known
    -- what stands of the consents, kept by the same transaction that writes them; the claim asks the ledger itself
    may_marketing     boolean not null default false,
    may_utility       boolean not null default false,
    stopped_at        timestamptz,               -- a person's own STOP; only a new grant ends it
    platform_stopped_at timestamptz,             -- WhatsApp's marketing switch
    merged_into       bigint references warmer.contacts,   -- the same person is this contact now: nothing is sent here, see store/merges.sql
    questioned_at     timestamptz,               -- may have asked to stop: no marketing until a person answers (`questions`)
    undeliverable_at  timestamptz,
    cooldown_until    timestamptz,               -- 131049: no marketing before
    cooldowns         integer not null default 0,
    next_marketing_at timestamptz,               -- earliest moment that the per-person caps allow
    last_received_at  timestamptz,
    last_accepted_at  timestamptz,
    created_at        timestamptz not null,
    updated_at        timestamptz not null,
    -- with the data key, which lies apart, the key of what the ledger holds about this person; null: erased, and the ledger's rows cannot be read
    secret            uuid default gen_random_uuid(),
    -- erased: every name above is a keyed hash or gone (engine/erasure.py); the row stays for what was sent and proved
    erased_at         timestamptz
);
create index contacts_erased on warmer.contacts (id) where erased_at is not null;
create unique index contacts_user_id on warmer.contacts (user_id) where user_id is not null;
create index contacts_wa_id on warmer.contacts (wa_id) where wa_id is not null;
create index contacts_pool on warmer.contacts (audience, engagement desc, opted_in_at desc, id)
    where chip_id is null and (may_marketing or may_utility) and stopped_at is null and undeliverable_at is null;
create index contacts_merged on warmer.contacts (merged_into) where merged_into is not null;
create index contacts_zone on warmer.contacts (zone);   -- which zones there are, without reading everybody
create index contacts_chip on warmer.contacts (chip_id, audience, engagement desc, opted_in_at desc, id) where chip_id is not null;

-- What must never be written to again, also when the contact is gone. Asked by every claim and every import.
-- Of an erased person both names are keyed hashes, `h:` and 64 hex digits, here as in contacts: the same comparison finds them.
create table warmer.suppressions (
    id          bigint generated always as identity primary key,
    phone_key   text,
    user_id     text,
    purpose     text not null check (purpose in ('marketing', 'all')),
    source      text not null,
    at          timestamptz not null,
    lifted_at   timestamptz,
    lifted_by   text,
    lifted_why  text,
    check (phone_key is not null or user_id is not null)
);
create index suppressions_phone on warmer.suppressions (phone_key) where phone_key is not null and lifted_at is null;
create index suppressions_user on warmer.suppressions (user_id) where user_id is not null and lifted_at is null;

-- What people ask of whoever holds their data, and by when it must be answered.
create table warmer.requests (
    id          bigint generated always as identity primary key,
    kind        text not null check (kind in ('access', 'export', 'erasure', 'objection')),
    contact_id  bigint references warmer.contacts,   -- null: of a number that is no contact
    person      text not null,                   -- the keyed hash of the canonical phone key: finds a person's requests, names nobody
    said        bytea,                           -- sealed JSON: the number, what was asked, by which way; null once the person is erased
    received_at timestamptz not null,
    due_at      timestamptz not null,
    recorded_by text not null,
    closed_at   timestamptz,
    closed_by   text,
    outcome     text check (outcome in ('done', 'refused')),
    answer      bytea,                           -- sealed: what was answered, and why
    check ((closed_at is null) = (outcome is null))
);
create index requests_open on warmer.requests (due_at) where closed_at is null;
create index requests_person on warmer.requests (person);

-- What people read when they agreed: each text once, word for word, by its digest.
create table warmer.consent_texts (
    digest   bytea primary key,                  -- store/consents.py: digest_of
    version  text,
    body     text
);

-- In-App Signup links: each wording that people may have agreed to, by the link's id and its version.
create table warmer.signups (
    id            bigint generated always as identity primary key,
    signup_id     text not null,                 -- Meta's
    account_id    bigint not null references warmer.accounts,
    version       integer not null,              -- 1, 2, 3 … a change of the wording
    message       text,
    confirmation  text,
    privacy_url   text,
    website_url   text,
    promo_code    text,
    name          text,
    text_digest   bytea not null references warmer.consent_texts,
    since         timestamptz not null,          -- when we learnt of this wording
    disabled_at   timestamptz,                   -- of the link, on all its wordings: nobody signs up by it any more
    unique (signup_id, version)
);

-- Append-only: what was granted or withdrawn. A row names nobody: what could is sealed under the person's own key, which erasure destroys.
create table warmer.consents (
    id           bigint generated always as identity primary key,
    contact_id   bigint not null references warmer.contacts,
    purpose      text not null check (purpose in ('marketing', 'utility')),
    act          text not null check (act in ('granted', 'withdrawn')),
    source       text not null,                  -- form, sign-up link, in person, import, whatsapp, signup, word, button, platform …
    text_digest  bytea references warmer.consent_texts,
    refers_to    bigint,                         -- the grant that stands again by this one
    private      bytea,                          -- sealed JSON: the evidence (address, file, message, sign-up, IP)
    at           timestamptz not null,           -- when the person did it
    zone         text,                           -- the time zone it was said in: the person's
    recorded_at  timestamptz not null,
    recorded_by  text not null,
    check (act = 'withdrawn' or private is not null or refers_to is not null)
);
create index consents_contact on warmer.consents (contact_id, purpose, at desc, id desc);

-- Rows of the ledger that no seal covers yet. Kept by a trigger, so that no way of writing forgets it.
create table warmer.consents_open (
    consent_id bigint primary key
);

-- A seal covers the rows of its leaves: the Merkle root over them, chained to the seal before it. Whoever holds one `chain` value
-- (an anchor, kept elsewhere) can tell that nothing before it was changed since. See core/merkle.py.
create table warmer.consent_seals (
    id        bigint primary key,                -- 1, 2, 3 …
    leaves    integer not null check (leaves > 0),
    root      bytea not null,
    chain     bytea not null,                    -- sha256 over the chain before, the number of leaves, the root and the moment
    sealed_at timestamptz not null
);
create table warmer.consent_leaves (
    consent_id bigint primary key,
    seal_id    bigint not null,                  -- no reference: a million rows are sealed at a time
    place      integer not null,                 -- from 0, in the order of consent_id
    leaf       bytea not null                    -- the row's commitment, as it was when it was sealed
);
create index consent_leaves_seal on warmer.consent_leaves (seal_id, place);

-- A file of people that was brought, or is being. A second start of the same file goes on where the first one ended.
create table warmer.imports (
    id         bigint generated always as identity primary key,
    key        bytea not null,                   -- sha256 over the file and all that was said about it
    digest     bytea not null,                   -- sha256 of the file
    name       text not null,                    -- the file's
    size       bigint not null,                  -- bytes
    lines      bigint not null,                  -- about how many rows it has
    state      text not null check (state in ('waiting', 'running', 'done', 'failed')),
    given      bytea,                            -- sealed: what was said about an upload, until it is over
    reason     text,                             -- why it failed
    began_at   timestamptz not null,             -- a consent of later than this lies in the future
    began_by   text not null,
    ended_at   timestamptz,
    read       bigint,                           -- rows, once it is over
    bad        bigint,
    bad_rows   bytea,                            -- sealed: the first bad rows with their reasons
    suppressions_before bigint not null          -- ids up to this one are older than the import
);
create unique index imports_open on warmer.imports (key) where ended_at is null;
create index imports_waiting on warmer.imports (id) where state = 'waiting' or state = 'running';
create index imports_ended on warmer.imports (ended_at);

-- How far an import is: people are shared out over lanes by their key, and each batch adds to its lane's row in the transaction that stores it.
create table warmer.import_lanes (
    import_id  bigint not null references warmer.imports on delete cascade,
    lane       integer not null,
    batches    integer not null default 0,       -- of the file, from its beginning
    line       bigint not null default 0,        -- of the file, up to which this lane is done
    imported   bigint not null default 0,
    updated    bigint not null default 0,
    unchanged  bigint not null default 0,
    repeated   bigint not null default 0,
    suppressed bigint not null default 0,
    no_consent bigint not null default 0,
    primary key (import_id, lane)
);

-- The bytes of an upload, sealed, until it is over: whichever worker carries it out has them.
create table warmer.import_pieces (
    import_id bigint not null references warmer.imports on delete cascade,
    nth       integer not null,
    body      bytea not null,
    primary key (import_id, nth)
);
alter table warmer.import_pieces alter column body set storage external;

-- ---------------------------------------------------------------- what is sent

create table warmer.templates (
    id          bigint generated always as identity primary key,
    account_id  bigint not null references warmer.accounts,
    template_id text not null,                   -- Meta's
    name        text not null,
    language    text not null,
    category    text not null,
    status      text not null,
    quality     text not null default 'UNKNOWN',
    parameter_format text not null default 'POSITIONAL',
    components  jsonb not null default '[]',
    paused_at   timestamptz,
    status_at   timestamptz,                     -- when the platform said the status; an older word does not replace it
    quality_at  timestamptz,
    synced_at   timestamptz not null,
    unique (account_id, name, language)
);
create index templates_meta_id on warmer.templates (template_id);

create table warmer.campaigns (
    id            bigint generated always as identity primary key,
    name          text not null unique,
    portfolio_id  bigint not null references warmer.portfolios,
    chip_id       bigint references warmer.chips, -- null = every chip of the portfolio
    template      text not null,
    language      text not null default 'pt_BR',
    purpose       text not null check (purpose in ('marketing', 'utility')),
    audience      text not null default 'all',
    parameters    jsonb not null default '[]',   -- template body parameters; "{name}" stands for the contact's name
    priority      integer not null default 100,  -- lower first
    status        text not null default 'active' check (status in ('active', 'paused', 'ended')),
    ttl_h         integer not null default 12 check (ttl_h between 1 and 720),
    repeat_after_d integer,                      -- null: each person once
    created_at    timestamptz not null
);
create index campaigns_portfolio on warmer.campaigns (portfolio_id) where status = 'active';

create table warmer.sends (
    id           bigint generated always as identity primary key,
    chip_id      bigint not null references warmer.chips,
    portfolio_id bigint not null references warmer.portfolios,
    contact_id   bigint not null references warmer.contacts,
    campaign_id  bigint references warmer.campaigns,   -- null: a reply inside the service window
    template_row bigint references warmer.templates,
    kind         text not null check (kind in ('campaign', 'reply')),
    purpose      text not null check (purpose in ('marketing', 'utility')),
    body         jsonb not null default '{}',    -- what the message says: template parameters, or a reply's content
    canary       boolean not null default false,
    state        text not null default 'planned'
                 check (state in ('planned', 'claimed', 'calling', 'accepted', 'held', 'sent', 'delivered', 'read', 'failed', 'unknown', 'cancelled', 'expired')),
    reason       text,                           -- why cancelled, expired or failed
    plan_day     date not null,                  -- the chip's calendar day it was planned for
    cap_day      date,                           -- the chip's calendar day it counts against: set by the claim, cleared when surely not accepted
    planned_at   timestamptz not null,
    due_at       timestamptz not null,
    expires_at   timestamptz not null,
    claimed_at   timestamptz,
    claimed_by   text,
    lease_until  timestamptz,
    attempts     integer not null default 0,
    called_at    timestamptz,
    accepted_at  timestamptz,                    -- the provider took it: its cohort hour
    message_id   text,                           -- wamid
    first_in_week boolean not null default true, -- no accepted message of this chip to this person in the 7 days before
    was_held     boolean not null default false,
    sent_at      timestamptz,
    delivered_at timestamptz,
    read_at      timestamptz,
    failed_at    timestamptz,
    unknown_at   timestamptz,
    code         integer,
    replied_at   timestamptz,
    opted_out_at timestamptz,
    confirms_at  timestamptz,                    -- the moment of the opt-out that this reply confirms: the one message after it
    category     text,                           -- what Meta priced it as
    pricing_type text
);
create unique index sends_message_id on warmer.sends (message_id) where message_id is not null;
-- One campaign message at a time to a person, over all chips and campaigns.
create unique index sends_one_open on warmer.sends (contact_id) where kind = 'campaign' and state in ('planned', 'claimed', 'calling');
create index sends_open_reply on warmer.sends (contact_id) where kind = 'reply' and state in ('planned', 'claimed', 'calling');
create unique index sends_confirms on warmer.sends (contact_id, confirms_at) where confirms_at is not null;
create index sends_due on warmer.sends (portfolio_id, due_at) where state = 'planned';
create index sends_due_chip on warmer.sends (chip_id, kind, due_at, id) where state = 'planned';
create index sends_ending on warmer.sends (expires_at) where state = 'planned';
create index sends_leased on warmer.sends (lease_until) where state in ('claimed', 'calling');
create index sends_unknown on warmer.sends (unknown_at) where state = 'unknown';
create index sends_cap on warmer.sends (chip_id, cap_day) where cap_day is not null;
create index sends_contact on warmer.sends (contact_id, accepted_at desc) where accepted_at is not null;
create index sends_in_flight on warmer.sends (contact_id) where state in ('claimed', 'calling', 'unknown');
create index sends_said on warmer.sends (due_at) where kind = 'reply' and body <> '{}';   -- what old replies said is forgotten
create index sends_campaign_contact on warmer.sends (campaign_id, contact_id) where campaign_id is not null;

-- Written ahead: committed with its id before the request begins. `id` travels in biz_opaque_callback_data.
create table warmer.attempts (
    id        uuid primary key default gen_random_uuid(),
    send_id   bigint not null references warmer.sends,
    number    integer not null,
    worker    text not null,
    began_at  timestamptz not null,
    ended_at  timestamptz,
    outcome   text check (outcome in ('accepted', 'held', 'refused', 'unclear')),
    http      integer,
    code      integer,
    details   text,
    unique (send_id, number)
) with (fillfactor = 50);                        -- each row is written once more, when its call ends: on the same page, in no index
create index attempts_began on warmer.attempts using brin (began_at);

-- A slot of the portfolio's moving 24 h: one person, from the claim to 24 h after delivery at the latest.
create table warmer.budget_uses (
    send_id      bigint primary key references warmer.sends,
    portfolio_id bigint not null,                -- both copied from the send, which holds the references
    contact_id   bigint not null,
    from_at      timestamptz not null,
    until_at     timestamptz not null
);
create index budget_uses_open on warmer.budget_uses (portfolio_id, until_at);
create index budget_uses_person on warmer.budget_uses (portfolio_id, contact_id, until_at);

-- Slots that were over and hold again, because a message turned out to be delivered: their portfolio's kept count of people is too low.
-- Only inserted by whoever learns of it, for he may not lock the portfolio; the next claim takes them away and counts anew.
create table warmer.slots_reopened (
    portfolio_id bigint not null
);

-- Where the platform asked us to wait, or could not be reached: no request of that scope begins before `until_at`.
create table warmer.throttles (
    scope     text not null check (scope in ('app', 'account', 'chip')),
    target_id bigint not null,                   -- the row's id; 0 for the app
    until_at  timestamptz not null,
    tries     integer not null default 1,        -- in a row; the next wait is longer, the next request after it a single probe
    code      integer not null,
    since     timestamptz not null,
    primary key (scope, target_id)
);

create table warmer.prices (
    category text primary key,
    amount   numeric(12, 6) not null check (amount >= 0),
    currency text not null,
    since    date not null
);

-- ---------------------------------------------------------------- what comes in

create table warmer.inbox (
    id           bigint generated always as identity primary key,
    received_at  timestamptz not null,
    digest       bytea not null unique,          -- sha256 of the body: one delivery, one row
    body         bytea not null,                 -- encrypted
    deliveries   integer not null default 1,
    applied_at   timestamptz
);
create index inbox_received on warmer.inbox using brin (received_at);
create index inbox_waiting on warmer.inbox (id) where applied_at is null;

create table warmer.events (
    at           timestamptz not null,
    kind         text not null,
    key          text not null,                  -- natural key: cloud/keys.py
    chip_id      bigint,
    account_id   bigint,
    contact_id   bigint,
    send_id      bigint,
    code         integer,
    value        text,
    body         jsonb not null default '{}',
    inbox_id     bigint,
    recorded_at  timestamptz not null,
    primary key (at, kind, key)
) partition by range (at);
create index events_contact on warmer.events (contact_id, at) where contact_id is not null;
-- Statuses that came before the answer to their request: `value` names the message until its send is known.
create index events_early on warmer.events (value)
    where send_id is null and value is not null and kind in ('message_sent', 'message_delivered', 'message_read', 'message_failed');

create table warmer.quarantine (
    id          bigint generated always as identity primary key,
    inbox_id    bigint,
    at          timestamptz not null,
    kind        text not null,
    path        text not null,
    reason      text not null,
    item        bytea,                           -- encrypted
    settled_at  timestamptz
);
create index quarantine_at on warmer.quarantine using brin (at);   -- old ones are forgotten
create index quarantine_open on warmer.quarantine (id) where settled_at is null;

create table warmer.received (
    message_id   text primary key,
    chip_id      bigint not null references warmer.chips,
    contact_id   bigint references warmer.contacts,
    at           timestamptz not null,
    type         text not null,
    text         bytea,                          -- encrypted
    details      bytea,                          -- encrypted JSON: payload, reply_to, profile name, user name; null = none of them
    routed_at    timestamptz,
    route_tries  integer not null default 0,
    route_next_at timestamptz,
    route_error  text
);
create index received_unrouted on warmer.received (route_next_at) where routed_at is null;
create index received_at on warmer.received using brin (at);   -- old words are forgotten
create index received_contact on warmer.received (contact_id, at desc);

create table warmer.conversations (
    chip_id          bigint not null references warmer.chips,
    contact_id       bigint not null references warmer.contacts,
    window_until     timestamptz,                -- the service window: 24 h after the last message or call of the person
    last_received_at timestamptz,
    last_sent_at     timestamptz,
    counted_at       timestamptz,                -- when it last counted as a two-way conversation (once in 7 days)
    waiting          boolean not null default false,   -- a person has written and nobody answered
    primary key (chip_id, contact_id)
);
create index conversations_waiting on warmer.conversations (chip_id, last_received_at) where waiting;

-- ---------------------------------------------------------------- what SQL added up

-- Cohort columns belong to the hour in which the send was accepted; the others to their own hour.
create table warmer.chip_counts (
    chip_id       bigint not null references warmer.chips,
    hour          timestamptz not null,
    accepted      integer not null default 0,
    reached       integer not null default 0,
    delivered     integer not null default 0,
    read          integer not null default 0,
    replied       integer not null default 0,
    opted_out     integer not null default 0,
    undeliverable integer not null default 0,
    limited       integer not null default 0,
    held          integer not null default 0,
    failed        integer not null default 0,
    unknown       integer not null default 0,
    received      integer not null default 0,
    conversations integer not null default 0,
    media         integer not null default 0,
    spam          integer not null default 0,
    warnings      integer not null default 0,
    calls         integer not null default 0,
    primary key (chip_id, hour)
);

-- A chip's older hours, packed (core/month.py), out of chip_counts. What is told late of one of them is counted in chip_counts as a difference,
-- until it is folded in turn. So the hours of a chip are both together.
create table warmer.chip_months (
    chip_id   bigint primary key references warmer.chips,
    folded_at timestamptz not null,              -- '-infinity': never yet
    hours     bytea
);
alter table warmer.chip_months alter column hours set storage external;   -- read at every review, and small as it is
create index chip_months_folded on warmer.chip_months (folded_at);

-- What was folded, of all chips together.
create table warmer.fleet_counts (
    hour          timestamptz primary key,
    accepted      bigint not null,
    reached       bigint not null,
    delivered     bigint not null,
    read          bigint not null,
    replied       bigint not null,
    opted_out     bigint not null,
    undeliverable bigint not null,
    limited       bigint not null,
    held          bigint not null,
    failed        bigint not null,
    unknown       bigint not null,
    received      bigint not null
);

create table warmer.chip_days (
    chip_id   bigint not null references warmer.chips,
    day       date not null,
    granted   integer not null default 0,        -- the largest budget of that day
    reachable integer not null default 0,        -- the least of granted, eligible people, open hours
    accepted  integer not null default 0,
    primary key (chip_id, day)
);
create index chip_days_day on warmer.chip_days using brin (day);   -- old ones are forgotten

create table warmer.health_log (
    chip_id bigint not null references warmer.chips,
    at      timestamptz not null,
    score   integer not null,                    -- its terms are in the decision of that moment
    primary key (chip_id, at)
);
create index health_log_at on warmer.health_log using brin (at);

create table warmer.decisions (
    id       bigint generated always as identity primary key,
    chip_id  bigint not null references warmer.chips,
    at       timestamptz not null,
    policy   text not null,
    status   text not null,                      -- the chip's, as decided
    changes  text[] not null default '{}',
    record   bytea not null                      -- the snapshot and the decision on it, deflated: store/records.py
);
alter table warmer.decisions alter column record set storage external;
create index decisions_at on warmer.decisions using brin (at);   -- small: rows come in the order of time; retention asks for it
create index decisions_chip on warmer.decisions (chip_id, at desc);

-- A second policy that decides beside the one in force, and only reports: where each chip stands under it, and how the first one left it.
create table warmer.shadow_chips (
    chip_id bigint primary key references warmer.chips,
    policy  text not null,                       -- another version begins anew, with the chip as it stands
    own     jsonb not null,
    lived   jsonb not null
);
create table warmer.shadow_decisions (
    chip_id      bigint not null references warmer.chips,
    at           timestamptz not null,
    policy       text not null,
    budget       integer not null,
    binding      text not null,
    phase        text not null,
    status       text not null,
    changes      text[] not null default '{}',
    live_policy  text not null,
    live_budget  integer not null,
    live_phase   text not null,
    live_status  text not null,
    live_changes text[] not null default '{}'
);
create index shadow_decisions_at on warmer.shadow_decisions using brin (at);
create index shadow_decisions_chip on warmer.shadow_decisions (chip_id, at desc);

-- When a chip will be ready, as it was forecast: days since its registration, the first being 1; null: later than the horizon, or never.
create table warmer.forecasts (
    id          bigint generated always as identity primary key,
    chip_id     bigint not null references warmer.chips,
    made_at     timestamptz not null,
    policy      text not null,
    phase       text not null,                   -- the chip's, at that moment
    day_now     integer not null,
    day_low     double precision,                -- the narrowest band that holds 80 % of the simulated lives
    day_median  double precision,
    day_high    double precision,
    band_share  double precision not null,       -- of the lives that it holds: days are whole, so mostly more than 80 %
    horizon_d   integer not null,                -- days that were simulated, from the registration on
    ready_share double precision not null,       -- of the lives, within the horizon
    risk        text not null,
    lives       integer not null
);
create index forecasts_chip on warmer.forecasts (chip_id, made_at);

create table warmer.alerts (
    id         bigint generated always as identity primary key,
    at         timestamptz not null,
    chip_id    bigint references warmer.chips,
    rule       text not null,
    level      text not null check (level in ('info', 'warning', 'critical')),
    text       text not null,
    open_key   text,                             -- one open alert per key
    closed_at  timestamptz,
    closed_by  text
);
create unique index alerts_open on warmer.alerts (open_key) where closed_at is null and open_key is not null;
create index alerts_at on warmer.alerts (at desc);
create index alerts_open_chip on warmer.alerts (chip_id) where closed_at is null;

-- Messages of which nobody can tell whether they ask to stop ("cancelar?"). While one is open its writer gets no marketing.
create table warmer.questions (
    id          bigint generated always as identity primary key,
    contact_id  bigint references warmer.contacts,   -- null: of somebody whom we know by a user id at most
    user_id     text,
    chip_id     bigint references warmer.chips,
    message_id  text not null,
    source      text not null,                   -- word, button, list
    purpose     text not null check (purpose in ('marketing', 'all')),   -- what it would stop
    rule        text not null,                   -- the sentence of core/opt_out_rules.py that it fits
    at          timestamptz not null,            -- when it was written
    opened_at   timestamptz not null,
    answer      text check (answer in ('stop', 'go on')),
    answered_at timestamptz,
    answered_by text,
    answered_why text,
    check ((answer is null) = (answered_at is null)),
    unique nulls not distinct (message_id, contact_id)
);
create index questions_open on warmer.questions (id) where answered_at is null;
create index questions_contact on warmer.questions (contact_id) where contact_id is not null;

-- Sources of consent of which nobody is planned for: their people complain too often. A person releases.
create table warmer.source_holds (
    id           bigint generated always as identity primary key,
    source       text not null,
    reason       text not null,
    at           timestamptz not null,
    by           text not null,                  -- a person, or 'policy'
    released_at  timestamptz,
    released_by  text,
    released_why text
);
create unique index source_holds_open on warmer.source_holds (source) where released_at is null;

-- What came of a day's campaign messages by the source and the age of the grant. A day that is over is counted, and counted again a few times
-- while opt-outs may still come in: nobody reads all messages to know it.
create table warmer.source_days (
    day           date not null,                 -- of acceptance, UTC
    source        text not null,
    age           text not null,                 -- of the grant, the name of a band
    accepted      integer not null,
    reached       integer not null,
    read          integer not null,
    replied       integer not null,
    opted_out     integer not null,
    undeliverable integer not null,
    limited       integer not null,
    counted_at    timestamptz not null,
    primary key (day, source, age)
);

-- ---------------------------------------------------------------- the owner's hand

create table warmer.stops (
    id          bigint generated always as identity primary key,
    scope       text not null check (scope in ('everything', 'portfolio', 'account', 'chip', 'campaign', 'template')),
    target_id   bigint,                          -- the row's id; null for everything
    reason      text not null,
    by          text not null,                   -- a person, or 'platform'
    at          timestamptz not null,
    released_at timestamptz,
    released_by text,
    released_why text,
    check ((scope = 'everything') = (target_id is null))
);
create unique index stops_open on warmer.stops (scope, coalesce(target_id, 0)) where released_at is null;

-- While any row stands here nobody claims and no request begins, campaign or reply. Not a person's stop: something is not known yet.
-- `restore`: the database forgot what was sent; a person releases it.
create table warmer.holds (
    kind   text not null check (kind in ('restore')),
    holder text not null,                        -- which evidence put it, one row each
    reason text not null,
    at     timestamptz not null,
    primary key (kind, holder)
);

-- A folder in which webhooks wait while the database is away, one for each process of the API. Its process renews `clear_until` while it is
-- empty. While one has run out nobody claims and no request begins: a request to stop may wait in it. None ever seen: nothing is held.
create table warmer.spools (
    id          text primary key,                -- kept in the folder: the same after a restart
    holder      text not null,                   -- the process, for a person to find it
    clear_until timestamptz not null,
    waiting     integer not null default 0       -- webhooks in it, as last told
);

-- The workers that are at work: a row each, gone when it ends cleanly. A backup that was taken while they worked has their rows, and old ones.
create table warmer.workers (
    name     text primary key,
    began_at timestamptz not null,
    seen_at  timestamptz not null
);

-- Which database this is: the journal outside it is kept by this id, and a restored backup brings it back.
create table warmer.identity (
    id         uuid primary key default gen_random_uuid(),
    is_one     boolean not null unique default true check (is_one),
    hash_check text                              -- tells the key that makes the keyed hashes, once there is one
);
insert into warmer.identity default values;

-- Every version of the rules by which anything was ever decided, chips' own rules included: so each decision can be made again.
create table warmer.policies (
    version  text primary key,                   -- name@first 12 hex digits of the sha256 of `rules`
    rules    text not null,                      -- canonical JSON
    added_at timestamptz not null
);

-- Which policy is in force from which moment on; before the first of them it is the one that the settings name.
create table warmer.policy_changes (
    id            bigint generated always as identity primary key,
    version       text not null references warmer.policies,
    before        text not null,                 -- the version until then
    valid_from    timestamptz not null,
    made_at       timestamptz not null,
    made_by       text not null,
    why           text not null,
    layers        jsonb not null,                -- [[file, TOML], …] as the owner wrote them, bottom first
    differs       jsonb not null,                -- [{key, before, now}, …]
    effect        jsonb not null,                -- what the simulator says that it leads to; empty: not asked
    withdrawn_at  timestamptz,                   -- before it became valid
    withdrawn_by  text,
    withdrawn_why text
);
create unique index policy_changes_valid on warmer.policy_changes (valid_from) where withdrawn_at is null;

-- Rules that a chip has of its own, laid over the policy in force (core/overrides.py).
create table warmer.chip_overrides (
    id        bigint generated always as identity primary key,
    chip_id   bigint not null references warmer.chips,
    body      text not null,                     -- TOML
    since     timestamptz not null,
    set_by    text not null,
    why       text not null,
    until_at  timestamptz,
    ended_by  text,
    ended_why text
);
create unique index chip_overrides_open on warmer.chip_overrides (chip_id) where until_at is null;

create table warmer.api_keys (
    id         bigint generated always as identity primary key,
    name       text not null,
    digest     bytea not null unique,
    role       text not null check (role in ('viewer', 'operator', 'admin')),
    created_at timestamptz not null,
    revoked_at timestamptz
);

create table warmer.audit_log (
    id     bigint generated always as identity primary key,
    at     timestamptz not null,
    who    text not null,
    what   text not null,
    target text,
    why    text,
    body   jsonb not null default '{}'
);

-- A campaign that a chip may draw from now: active, its template approved for its purpose on the chip's account, neither of them stopped.
create view warmer.campaign_wells as
select chips.id as chip_id, campaigns.id as campaign_id, templates.id as template_row, campaigns.audience, campaigns.purpose,
       campaigns.priority, campaigns.ttl_h, campaigns.repeat_after_d
from warmer.chips
join warmer.campaigns on campaigns.portfolio_id = chips.portfolio_id and campaigns.status = 'active'
    and (campaigns.chip_id is null or campaigns.chip_id = chips.id)
join warmer.templates on templates.account_id = chips.account_id and templates.name = campaigns.template
    and templates.language = campaigns.language and templates.status = 'APPROVED' and lower(templates.category) = campaigns.purpose
where not exists (
    select from warmer.stops
    where stops.released_at is null
      and (stops.scope = 'campaign' and stops.target_id = campaigns.id or stops.scope = 'template' and stops.target_id = templates.id)
);

-- Whom a campaign has reached, or may have: it does not write to them again, or not before its pause is over (`at` infinity: not settled yet).
-- A person spared by the per-user marketing limit (131049) was not reached, and may be tried again when the limit lets us.
create view warmer.campaign_hits as
select sends.campaign_id, sends.contact_id,
       case when sends.state = 'unknown' then 'infinity'::timestamptz else coalesce(sends.accepted_at, sends.failed_at) end as at
from warmer.sends
where sends.campaign_id is not null
  and (
      sends.state in ('accepted', 'held', 'sent', 'delivered', 'read', 'unknown')
      or sends.state = 'failed' and sends.code is distinct from 131049
  );

-- The hold of the source of which a person's newest grant is: nobody of it is planned for. PostgreSQL puts its query in the place of the call,
-- as long as it is one `select`, stable, and without settings of its own.
create function warmer.held_source(person bigint) returns table (source text, reason text) language sql stable parallel safe as $$
    select source_holds.source, source_holds.reason
    from warmer.source_holds
    where source_holds.released_at is null and source_holds.source = (
        select consents.source
        from warmer.consents
        where consents.contact_id = person and consents.act = 'granted'
        order by consents.at desc, consents.id desc
        limit 1
    )
$$;

-- ---------------------------------------------------------------- what only grows

create function warmer.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'insufficient_privilege';
end
$$;
create trigger consents_append_only before update or delete or truncate on warmer.consents
    for each statement execute function warmer.refuse_change();
create trigger consent_texts_append_only before update or delete or truncate on warmer.consent_texts
    for each statement execute function warmer.refuse_change();
create trigger consent_seals_append_only before update or delete or truncate on warmer.consent_seals
    for each statement execute function warmer.refuse_change();
create trigger consent_leaves_append_only before update or delete or truncate on warmer.consent_leaves
    for each statement execute function warmer.refuse_change();

create function warmer.note_consents() returns trigger language plpgsql security definer set search_path = warmer, pg_catalog as $$
begin
    insert into consents_open (consent_id) select added.id from added;
    return null;
end
$$;
create trigger consents_noted after insert on warmer.consents
    referencing new table as added for each statement execute function warmer.note_consents();

-- A row's commitment: every field of it, in one line of text that cannot be read in two ways; what is sealed goes in by its digest.
-- `prove` shows the line, so that anybody can hash it again.
create function warmer.consent_line(said warmer.consents) returns text language sql immutable set search_path = pg_catalog as $$
    select concat_ws(
        '|', 'consent 1', (said).id, (said).contact_id, (said).purpose, (said).act, to_json((said).source),
        coalesce(encode((said).text_digest, 'hex'), ''), coalesce((said).refers_to::text, ''),
        coalesce(encode(sha256((said).private), 'hex'), ''),
        to_char((said).at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), to_json(coalesce((said).zone, '')),
        to_char((said).recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), to_json((said).recorded_by)
    )
$$;
create trigger audit_log_append_only before update or delete or truncate on warmer.audit_log
    for each statement execute function warmer.refuse_change();

-- Partitions of `events` are made by the app's role, which owns no table: this function runs as its owner.
create function warmer.ensure_month(at timestamptz) returns text language plpgsql security definer set search_path = pg_catalog as $$
declare
    first date := date_trunc('month', at at time zone 'UTC')::date;
    name text := 'events_' || to_char(first, 'YYYYMM');
begin
    if to_regclass('warmer.' || name) is null then
        perform pg_advisory_xact_lock(hashtext('warmer.events'));   -- of two that need the same month, one makes it
    end if;
    if not exists (select from pg_class where relname = name and relnamespace = 'warmer'::regnamespace) then   -- as committed by now
        execute format('create table warmer.%I partition of warmer.events for values from (%L) to (%L)',
                       name, first::text || ' 00:00+00', (first + interval '1 month')::date::text || ' 00:00+00');
    end if;
    return name;
end
$$;

-- Months of `events` that ended before a moment, dropped whole by the app's role. Whoever reads events is not waited for long: it is tried again.
create function warmer.drop_months(before timestamptz) returns integer language plpgsql security definer
    set search_path = pg_catalog set lock_timeout = '2s' as $$
declare
    month record;
    dropped integer := 0;
begin
    for month in
        select child.relname as name
        from pg_inherits
        join pg_class as child on child.oid = pg_inherits.inhrelid
        where pg_inherits.inhparent = 'warmer.events'::regclass and child.relname ~ '^events_[0-9]{6}$'
          and (to_date(substr(child.relname, 8), 'YYYYMM') + interval '1 month') at time zone 'UTC' <= before
        order by child.relname
    loop
        execute format('drop table warmer.%I', month.name);
        dropped := dropped + 1;
    end loop;
    return dropped;
end
$$;

-- ---------------------------------------------------------------- rights

revoke all on schema warmer from public;
revoke all on all tables in schema warmer from public;
revoke execute on all functions in schema warmer from public;
do $$
declare
    role text;
begin
    -- Supabase opens new objects to these; this schema is not for them.
    foreach role in array array['anon', 'authenticated'] loop
        if exists (select from pg_roles where rolname = role) then
            execute format('revoke all on schema warmer from %I', role);
            execute format('revoke all on all tables in schema warmer from %I', role);
        end if;
    end loop;
end
$$;
grant usage on schema warmer to :app_role;
grant select, insert, update, delete on all tables in schema warmer to :app_role;
grant usage on all sequences in schema warmer to :app_role;
grant execute on function warmer.ensure_month(timestamptz) to :app_role;
grant execute on function warmer.drop_months(timestamptz) to :app_role;
grant execute on function warmer.held_source(bigint) to :app_role;
revoke update, delete, truncate on warmer.consents, warmer.consent_texts, warmer.consent_seals, warmer.consent_leaves, warmer.audit_log,
    warmer.policies
    from :app_role;
revoke insert, update, truncate on warmer.consents_open from :app_role;
grant execute on function warmer.consent_line(warmer.consents) to :app_role;
