-- The schema `warmer`. Made from the catalog of a migrated database by `make docs`; edit store/migrations instead.

create type warmer.pgqueuer_status as enum ('queued', 'picked', 'successful', 'exception', 'canceled', 'deleted', 'failed');

create table warmer.accounts (
    id bigint generated always as identity not null,
    portfolio_id bigint not null,
    waba_id text not null,
    name text not null,
    token bytea not null,
    health text default 'UNKNOWN'::text not null,
    polled_at timestamptz,
    templates_synced_at timestamptz,
    webhook_at timestamptz,
    created_at timestamptz not null,
    constraint accounts_pkey primary key (id),
    constraint accounts_waba_id_key unique (waba_id),
    constraint accounts_portfolio_id_fkey foreign key (portfolio_id) references warmer.portfolios(id)
);
create index accounts_portfolio on warmer.accounts using btree (portfolio_id);

create table warmer.alerts (
    id bigint generated always as identity not null,
    at timestamptz not null,
    chip_id bigint,
    rule text not null,
    level text not null,
    text text not null,
    open_key text,
    closed_at timestamptz,
    closed_by text,
    constraint alerts_pkey primary key (id),
    constraint alerts_level_check check ((level = any (array['info'::text, 'warning'::text, 'critical'::text]))),
    constraint alerts_chip_id_fkey foreign key (chip_id) references warmer.chips(id)
);
create index alerts_at on warmer.alerts using btree (at desc);
create unique index alerts_open on warmer.alerts using btree (open_key) where ((closed_at is null) and (open_key is not null));
create index alerts_open_chip on warmer.alerts using btree (chip_id) where (closed_at is null);

create table warmer.api_keys (
    id bigint generated always as identity not null,
    name text not null,
    digest bytea not null,
    role text not null,
    created_at timestamptz not null,
    revoked_at timestamptz,
    constraint api_keys_pkey primary key (id),
    constraint api_keys_digest_key unique (digest),
    constraint api_keys_role_check check ((role = any (array['viewer'::text, 'operator'::text, 'admin'::text])))
);

create table warmer.attempts (
    id uuid default gen_random_uuid() not null,
    send_id bigint not null,
    number integer not null,
    worker text not null,
    began_at timestamptz not null,
    ended_at timestamptz,
    outcome text,
    http integer,
    code integer,
    details text,
    constraint attempts_pkey primary key (id),
    constraint attempts_send_id_number_key unique (send_id, number),
    constraint attempts_outcome_check check ((outcome = any (array['accepted'::text, 'held'::text, 'refused'::text, 'unclear'::text]))),
    constraint attempts_send_id_fkey foreign key (send_id) references warmer.sends(id)
) with (fillfactor = 50);
create index attempts_began on warmer.attempts using brin (began_at);

create table warmer.audit_log (
    id bigint generated always as identity not null,
    at timestamptz not null,
    who text not null,
    what text not null,
    target text,
    why text,
    body jsonb default '{}'::jsonb not null,
    constraint audit_log_pkey primary key (id)
);
create trigger audit_log_append_only before delete or update or truncate on warmer.audit_log for each statement execute function warmer.refuse_change();

create table warmer.budget_uses (
    send_id bigint not null,
    portfolio_id bigint not null,
    contact_id bigint not null,
    from_at timestamptz not null,
    until_at timestamptz not null,
    constraint budget_uses_pkey primary key (send_id),
    constraint budget_uses_send_id_fkey foreign key (send_id) references warmer.sends(id)
);
create index budget_uses_open on warmer.budget_uses using btree (portfolio_id, until_at);
create index budget_uses_person on warmer.budget_uses using btree (portfolio_id, contact_id, until_at);

create table warmer.campaigns (
    id bigint generated always as identity not null,
    name text not null,
    portfolio_id bigint not null,
    chip_id bigint,
    template text not null,
    language text default 'pt_BR'::text not null,
    purpose text not null,
    audience text default 'all'::text not null,
    parameters jsonb default '[]'::jsonb not null,
    priority integer default 100 not null,
    status text default 'active'::text not null,
    ttl_h integer default 12 not null,
    repeat_after_d integer,
    created_at timestamptz not null,
    constraint campaigns_pkey primary key (id),
    constraint campaigns_name_key unique (name),
    constraint campaigns_purpose_check check ((purpose = any (array['marketing'::text, 'utility'::text]))),
    constraint campaigns_status_check check ((status = any (array['active'::text, 'paused'::text, 'ended'::text]))),
    constraint campaigns_ttl_h_check check (((ttl_h >= 1) and (ttl_h <= 720))),
    constraint campaigns_chip_id_fkey foreign key (chip_id) references warmer.chips(id),
    constraint campaigns_portfolio_id_fkey foreign key (portfolio_id) references warmer.portfolios(id)
);
create index campaigns_portfolio on warmer.campaigns using btree (portfolio_id) where (status = 'active'::text);

create table warmer.chip_counts (
    chip_id bigint not null,
    hour timestamptz not null,
    accepted integer default 0 not null,
    reached integer default 0 not null,
    delivered integer default 0 not null,
    read integer default 0 not null,
    replied integer default 0 not null,
    opted_out integer default 0 not null,
    undeliverable integer default 0 not null,
    limited integer default 0 not null,
    held integer default 0 not null,
    failed integer default 0 not null,
    unknown integer default 0 not null,
    received integer default 0 not null,
    conversations integer default 0 not null,
    media integer default 0 not null,
    spam integer default 0 not null,
    warnings integer default 0 not null,
    calls integer default 0 not null,
    constraint chip_counts_pkey primary key (chip_id, hour),
    constraint chip_counts_chip_id_fkey foreign key (chip_id) references warmer.chips(id)
);

create table warmer.chip_days (
    chip_id bigint not null,
    day date not null,
    granted integer default 0 not null,
    reachable integer default 0 not null,
    accepted integer default 0 not null,
    constraint chip_days_pkey primary key (chip_id, day),
    constraint chip_days_chip_id_fkey foreign key (chip_id) references warmer.chips(id)
);
create index chip_days_day on warmer.chip_days using brin (day);

create table warmer.chip_months (
    chip_id bigint not null,
    folded_at timestamptz not null,
    hours bytea,
    constraint chip_months_pkey primary key (chip_id),
    constraint chip_months_chip_id_fkey foreign key (chip_id) references warmer.chips(id)
);
create index chip_months_folded on warmer.chip_months using btree (folded_at);

create table warmer.chip_overrides (
    id bigint generated always as identity not null,
    chip_id bigint not null,
    body text not null,
    since timestamptz not null,
    set_by text not null,
    why text not null,
    until_at timestamptz,
    ended_by text,
    ended_why text,
    constraint chip_overrides_pkey primary key (id),
    constraint chip_overrides_chip_id_fkey foreign key (chip_id) references warmer.chips(id)
);
create unique index chip_overrides_open on warmer.chip_overrides using btree (chip_id) where (until_at is null);

create table warmer.chips (
    id bigint generated always as identity not null,
    portfolio_id bigint not null,
    account_id bigint not null,
    route_id bigint,
    name text not null,
    phone_number_id text not null,
    display_phone text not null,
    zone text default 'America/Sao_Paulo'::text not null,
    registered_at timestamptz not null,
    created_at timestamptz not null,
    started_at timestamptz,
    status text default 'pending'::text not null,
    phase text default 'setup'::text not null,
    phase_since timestamptz not null,
    paused_from text,
    pauses jsonb default '[]'::jsonb not null,
    pauses_in_row integer default 0 not null,
    speed double precision default 1.0 not null,
    slow_until timestamptz,
    risk_cap integer,
    risk_cap_since date,
    rearmed_at timestamptz,
    advanced_on date,
    demoted_on date,
    harm_at timestamptz,
    ready_at timestamptz,
    quality text default 'UNKNOWN'::text not null,
    quality_at timestamptz,
    phone_status text default 'UNKNOWN'::text not null,
    name_status text default 'NONE'::text not null,
    verified_name text,
    profile_filled boolean default false not null,
    profile_read_at timestamptz,
    pin_set boolean default false not null,
    webhook_at timestamptz,
    health integer,
    budget_day_max integer default 0 not null,
    budget_binding text default 'never reviewed'::text not null,
    policy text,
    decided_at timestamptz,
    look_again_at timestamptz,
    budget_need integer default 0 not null,
    portfolio_share integer,
    eligible_people integer default 0 not null,
    plan_again_at timestamptz,
    clamp integer,
    constraint chips_pkey primary key (id),
    constraint chips_name_key unique (name),
    constraint chips_phone_number_id_key unique (phone_number_id),
    constraint chips_check check (((status = 'paused'::text) = (paused_from is not null))),
    constraint chips_clamp_check check ((clamp >= 0)),
    constraint chips_phase_check check ((phase = any (array['setup'::text, 'first_contacts'::text, 'expansion'::text, 'pre_operation'::text, 'operation'::text]))),
    constraint chips_quality_check check ((quality = any (array['GREEN'::text, 'YELLOW'::text, 'RED'::text, 'UNKNOWN'::text]))),
    constraint chips_status_check check ((status = any (array['pending'::text, 'warming'::text, 'ready'::text, 'active'::text, 'paused'::text, 'banned'::text, 'retired'::text]))),
    constraint chips_account_id_fkey foreign key (account_id) references warmer.accounts(id),
    constraint chips_portfolio_id_fkey foreign key (portfolio_id) references warmer.portfolios(id),
    constraint chips_route_id_fkey foreign key (route_id) references warmer.routes(id)
);
create index chips_account on warmer.chips using btree (account_id);
create index chips_due on warmer.chips using btree (look_again_at, portfolio_id, id) where (look_again_at is not null);
create index chips_phone on warmer.chips using btree (display_phone);
create index chips_portfolio on warmer.chips using btree (portfolio_id);

create table warmer.consent_leaves (
    consent_id bigint not null,
    seal_id bigint not null,
    place integer not null,
    leaf bytea not null,
    constraint consent_leaves_pkey primary key (consent_id)
);
create index consent_leaves_seal on warmer.consent_leaves using btree (seal_id, place);
create trigger consent_leaves_append_only before delete or update or truncate on warmer.consent_leaves for each statement execute function warmer.refuse_change();

create table warmer.consent_seals (
    id bigint not null,
    leaves integer not null,
    root bytea not null,
    chain bytea not null,
    sealed_at timestamptz not null,
    constraint consent_seals_pkey primary key (id),
    constraint consent_seals_leaves_check check ((leaves > 0))
);
create trigger consent_seals_append_only before delete or update or truncate on warmer.consent_seals for each statement execute function warmer.refuse_change();

create table warmer.consent_texts (
    digest bytea not null,
    version text,
    body text,
    constraint consent_texts_pkey primary key (digest)
);
create trigger consent_texts_append_only before delete or update or truncate on warmer.consent_texts for each statement execute function warmer.refuse_change();

create table warmer.consents (
    id bigint generated always as identity not null,
    contact_id bigint not null,
    purpose text not null,
    act text not null,
    source text not null,
    text_digest bytea,
    refers_to bigint,
    private bytea,
    at timestamptz not null,
    zone text,
    recorded_at timestamptz not null,
    recorded_by text not null,
    constraint consents_pkey primary key (id),
    constraint consents_act_check check ((act = any (array['granted'::text, 'withdrawn'::text]))),
    constraint consents_check check (((act = 'withdrawn'::text) or (private is not null) or (refers_to is not null))),
    constraint consents_purpose_check check ((purpose = any (array['marketing'::text, 'utility'::text]))),
    constraint consents_contact_id_fkey foreign key (contact_id) references warmer.contacts(id),
    constraint consents_text_digest_fkey foreign key (text_digest) references warmer.consent_texts(digest)
);
create index consents_contact on warmer.consents using btree (contact_id, purpose, at desc, id desc);
create trigger consents_append_only before delete or update or truncate on warmer.consents for each statement execute function warmer.refuse_change();
create trigger consents_noted after insert on warmer.consents referencing new table as added for each statement execute function warmer.note_consents();

create table warmer.consents_open (
    consent_id bigint not null,
    constraint consents_open_pkey primary key (consent_id)
);

create table warmer.contacts (
    id bigint generated always as identity not null,
    phone text not null,
    phone_key text not null,
    wa_id text,
    user_id text,
    name text,
    zone text not null,
    audience text default 'all'::text not null,
    chip_id bigint,
    assigned_at timestamptz,
    opted_in_at timestamptz,
    engagement real default 0 not null,
    scored boolean default true not null,
    may_marketing boolean default false not null,
    may_utility boolean default false not null,
    stopped_at timestamptz,
    platform_stopped_at timestamptz,
    merged_into bigint,
    questioned_at timestamptz,
    undeliverable_at timestamptz,
    cooldown_until timestamptz,
    cooldowns integer default 0 not null,
    next_marketing_at timestamptz,
    last_received_at timestamptz,
    last_accepted_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    secret uuid default gen_random_uuid(),
    erased_at timestamptz,
    constraint contacts_pkey primary key (id),
    constraint contacts_phone_key_key unique (phone_key),
    constraint contacts_chip_id_fkey foreign key (chip_id) references warmer.chips(id),
    constraint contacts_merged_into_fkey foreign key (merged_into) references warmer.contacts(id)
);
create index contacts_chip on warmer.contacts using btree (chip_id, audience, engagement desc, opted_in_at desc, id) where (chip_id is not null);
create index contacts_erased on warmer.contacts using btree (id) where (erased_at is not null);
create index contacts_merged on warmer.contacts using btree (merged_into) where (merged_into is not null);
create index contacts_pool on warmer.contacts using btree (audience, engagement desc, opted_in_at desc, id) where ((chip_id is null) and (may_marketing or may_utility) and (stopped_at is null) and (undeliverable_at is null));
create unique index contacts_user_id on warmer.contacts using btree (user_id) where (user_id is not null);
create index contacts_wa_id on warmer.contacts using btree (wa_id) where (wa_id is not null);
create index contacts_zone on warmer.contacts using btree (zone);

create table warmer.conversations (
    chip_id bigint not null,
    contact_id bigint not null,
    window_until timestamptz,
    last_received_at timestamptz,
    last_sent_at timestamptz,
    counted_at timestamptz,
    waiting boolean default false not null,
    constraint conversations_pkey primary key (chip_id, contact_id),
    constraint conversations_chip_id_fkey foreign key (chip_id) references warmer.chips(id),
    constraint conversations_contact_id_fkey foreign key (contact_id) references warmer.contacts(id)
);
create index conversations_waiting on warmer.conversations using btree (chip_id, last_received_at) where waiting;

create table warmer.decisions (
    id bigint generated always as identity not null,
    chip_id bigint not null,
    at timestamptz not null,
    policy text not null,
    status text not null,
    changes text[] default '{}'::text[] not null,
    record bytea not null,
    constraint decisions_pkey primary key (id),
    constraint decisions_chip_id_fkey foreign key (chip_id) references warmer.chips(id)
);
create index decisions_at on warmer.decisions using brin (at);
create index decisions_chip on warmer.decisions using btree (chip_id, at desc);

create table warmer.events (
    at timestamptz not null,
    kind text not null,
    key text not null,
    chip_id bigint,
    account_id bigint,
    contact_id bigint,
    send_id bigint,
    code integer,
    value text,
    body jsonb default '{}'::jsonb not null,
    inbox_id bigint,
    recorded_at timestamptz not null,
    constraint events_pkey primary key (at, kind, key)
) partition by range (at);
create index events_contact on only warmer.events using btree (contact_id, at) where (contact_id is not null);
create index events_early on only warmer.events using btree (value) where ((send_id is null) and (value is not null) and (kind = any (array['message_sent'::text, 'message_delivered'::text, 'message_read'::text, 'message_failed'::text])));

create table warmer.fleet_counts (
    hour timestamptz not null,
    accepted bigint not null,
    reached bigint not null,
    delivered bigint not null,
    read bigint not null,
    replied bigint not null,
    opted_out bigint not null,
    undeliverable bigint not null,
    limited bigint not null,
    held bigint not null,
    failed bigint not null,
    unknown bigint not null,
    received bigint not null,
    constraint fleet_counts_pkey primary key (hour)
);

create table warmer.forecasts (
    id bigint generated always as identity not null,
    chip_id bigint not null,
    made_at timestamptz not null,
    policy text not null,
    phase text not null,
    day_now integer not null,
    day_low double precision,
    day_median double precision,
    day_high double precision,
    band_share double precision not null,
    horizon_d integer not null,
    ready_share double precision not null,
    risk text not null,
    lives integer not null,
    constraint forecasts_pkey primary key (id),
    constraint forecasts_chip_id_fkey foreign key (chip_id) references warmer.chips(id)
);
create index forecasts_chip on warmer.forecasts using btree (chip_id, made_at);

create table warmer.health_log (
    chip_id bigint not null,
    at timestamptz not null,
    score integer not null,
    constraint health_log_pkey primary key (chip_id, at),
    constraint health_log_chip_id_fkey foreign key (chip_id) references warmer.chips(id)
);
create index health_log_at on warmer.health_log using brin (at);

create table warmer.holds (
    kind text not null,
    holder text not null,
    reason text not null,
    at timestamptz not null,
    constraint holds_pkey primary key (kind, holder),
    constraint holds_kind_check check ((kind = 'restore'::text))
);

create table warmer.identity (
    id uuid default gen_random_uuid() not null,
    is_one boolean default true not null,
    hash_check text,
    constraint identity_pkey primary key (id),
    constraint identity_is_one_key unique (is_one),
    constraint identity_is_one_check check (is_one)
);

create table warmer.import_lanes (
    import_id bigint not null,
    lane integer not null,
    batches integer default 0 not null,
    line bigint default 0 not null,
    imported bigint default 0 not null,
    updated bigint default 0 not null,
    unchanged bigint default 0 not null,
    repeated bigint default 0 not null,
    suppressed bigint default 0 not null,
    no_consent bigint default 0 not null,
    constraint import_lanes_pkey primary key (import_id, lane),
    constraint import_lanes_import_id_fkey foreign key (import_id) references warmer.imports(id) on delete cascade
);

create table warmer.import_pieces (
    import_id bigint not null,
    nth integer not null,
    body bytea not null,
    constraint import_pieces_pkey primary key (import_id, nth),
    constraint import_pieces_import_id_fkey foreign key (import_id) references warmer.imports(id) on delete cascade
);

create table warmer.imports (
    id bigint generated always as identity not null,
    key bytea not null,
    digest bytea not null,
    name text not null,
    size bigint not null,
    lines bigint not null,
    state text not null,
    given bytea,
    reason text,
    began_at timestamptz not null,
    began_by text not null,
    ended_at timestamptz,
    read bigint,
    bad bigint,
    bad_rows bytea,
    suppressions_before bigint not null,
    constraint imports_pkey primary key (id),
    constraint imports_state_check check ((state = any (array['waiting'::text, 'running'::text, 'done'::text, 'failed'::text])))
);
create index imports_ended on warmer.imports using btree (ended_at);
create unique index imports_open on warmer.imports using btree (key) where (ended_at is null);
create index imports_waiting on warmer.imports using btree (id) where ((state = 'waiting'::text) or (state = 'running'::text));

create table warmer.inbox (
    id bigint generated always as identity not null,
    received_at timestamptz not null,
    digest bytea not null,
    body bytea not null,
    deliveries integer default 1 not null,
    applied_at timestamptz,
    constraint inbox_pkey primary key (id),
    constraint inbox_digest_key unique (digest)
);
create index inbox_received on warmer.inbox using brin (received_at);
create index inbox_waiting on warmer.inbox using btree (id) where (applied_at is null);

create table warmer.migrations (
    number integer not null,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null,
    constraint migrations_pkey primary key (number),
    constraint migrations_number_check check ((number > 0))
);

create table warmer.pgqueuer (
    id bigint default nextval('warmer.pgqueuer_id_seq'::regclass) not null,
    priority integer not null,
    queue_manager_id uuid,
    created timestamptz default now() not null,
    updated timestamptz default now() not null,
    heartbeat timestamptz default now() not null,
    execute_after timestamptz default now() not null,
    status warmer.pgqueuer_status not null,
    entrypoint text not null,
    dedupe_key text,
    payload bytea,
    headers jsonb,
    attempts integer default 0 not null,
    slot bigint,
    constraint pgqueuer_pkey primary key (id)
) with (autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 500, autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_cost_limit = 10000, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, fillfactor = 70);
create index pgqueuer_ep_ea_idx on warmer.pgqueuer using btree (entrypoint, execute_after) where (status = 'queued'::warmer.pgqueuer_status);
create index pgqueuer_ep_prio_id_idx on warmer.pgqueuer using btree (entrypoint, priority desc, id) where (status = 'queued'::warmer.pgqueuer_status);
create index pgqueuer_picked_heartbeat_idx on warmer.pgqueuer using btree (heartbeat) where (status = 'picked'::warmer.pgqueuer_status);
create unique index pgqueuer_picked_slot_idx on warmer.pgqueuer using btree (entrypoint, slot) where ((status = 'picked'::warmer.pgqueuer_status) and (slot is not null));
create index pgqueuer_priority_id_id1_idx on warmer.pgqueuer using btree (priority, id desc) include (id) where (status = 'queued'::warmer.pgqueuer_status);
create index pgqueuer_queue_manager_id_idx on warmer.pgqueuer using btree (queue_manager_id) where (queue_manager_id is not null);
create unique index pgqueuer_unique_dedupe_key on warmer.pgqueuer using btree (dedupe_key) where ((status = any (array['queued'::warmer.pgqueuer_status, 'picked'::warmer.pgqueuer_status])) and (dedupe_key is not null));
create index pgqueuer_updated_id_id1_idx on warmer.pgqueuer using btree (updated, id desc) include (id) where (status = 'picked'::warmer.pgqueuer_status);
create trigger tg_pgqueuer_changed after insert or delete or update or truncate on warmer.pgqueuer for each statement execute function warmer.fn_pgqueuer_changed();

create table warmer.pgqueuer_log (
    id bigint generated by default as identity not null,
    created timestamptz default now() not null,
    job_id bigint not null,
    status warmer.pgqueuer_status not null,
    priority integer not null,
    entrypoint text not null,
    traceback jsonb,
    aggregated boolean default false,
    constraint pgqueuer_log_pkey primary key (id)
);
create index pgqueuer_log_created on warmer.pgqueuer_log using btree (created);
create index pgqueuer_log_job_id_status on warmer.pgqueuer_log using btree (job_id, created desc);
create index pgqueuer_log_not_aggregated on warmer.pgqueuer_log using btree ((1)) where (not aggregated);
create index pgqueuer_log_status on warmer.pgqueuer_log using btree (status);

create table warmer.pgqueuer_schedules (
    id bigint default nextval('warmer.pgqueuer_schedules_id_seq'::regclass) not null,
    expression text not null,
    entrypoint text not null,
    heartbeat timestamptz default now() not null,
    created timestamptz default now() not null,
    updated timestamptz default now() not null,
    next_run timestamptz default now() not null,
    last_run timestamptz,
    status warmer.pgqueuer_status default 'queued'::warmer.pgqueuer_status,
    constraint pgqueuer_schedules_pkey primary key (id),
    constraint pgqueuer_schedules_expression_entrypoint_key unique (expression, entrypoint)
) with (autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 500, autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_cost_limit = 10000, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, fillfactor = 70);

create table warmer.pgqueuer_statistics (
    id bigint default nextval('warmer.pgqueuer_statistics_id_seq'::regclass) not null,
    created timestamptz default date_trunc('sec'::text, now()) not null,
    count bigint not null,
    priority integer not null,
    status warmer.pgqueuer_status not null,
    entrypoint text not null,
    constraint pgqueuer_statistics_pkey primary key (id)
);
create unique index pgqueuer_statistics_unique_count on warmer.pgqueuer_statistics using btree (priority, date_trunc('sec'::text, timezone('UTC'::text, created)), status, entrypoint);

create table warmer.policies (
    version text not null,
    rules text not null,
    added_at timestamptz not null,
    constraint policies_pkey primary key (version)
);

create table warmer.policy_changes (
    id bigint generated always as identity not null,
    version text not null,
    before text not null,
    valid_from timestamptz not null,
    made_at timestamptz not null,
    made_by text not null,
    why text not null,
    layers jsonb not null,
    differs jsonb not null,
    effect jsonb not null,
    withdrawn_at timestamptz,
    withdrawn_by text,
    withdrawn_why text,
    constraint policy_changes_pkey primary key (id),
    constraint policy_changes_version_fkey foreign key (version) references warmer.policies(version)
);
create unique index policy_changes_valid on warmer.policy_changes using btree (valid_from) where (withdrawn_at is null);

create table warmer.portfolios (
    id bigint generated always as identity not null,
    business_id text not null,
    name text not null,
    messaging_limit integer,
    limit_read_at timestamptz,
    spend_day_max numeric(12,2),
    people_counted integer default 0 not null,
    people_counted_at timestamptz,
    created_at timestamptz not null,
    constraint portfolios_pkey primary key (id),
    constraint portfolios_business_id_key unique (business_id),
    constraint portfolios_messaging_limit_check check (((messaging_limit is null) or (messaging_limit >= '-1'::integer)))
);

create table warmer.prices (
    category text not null,
    amount numeric(12,6) not null,
    currency text not null,
    since date not null,
    constraint prices_pkey primary key (category),
    constraint prices_amount_check check ((amount >= (0)::numeric))
);

create table warmer.quarantine (
    id bigint generated always as identity not null,
    inbox_id bigint,
    at timestamptz not null,
    kind text not null,
    path text not null,
    reason text not null,
    item bytea,
    settled_at timestamptz,
    constraint quarantine_pkey primary key (id)
);
create index quarantine_at on warmer.quarantine using brin (at);
create index quarantine_open on warmer.quarantine using btree (id) where (settled_at is null);

create table warmer.questions (
    id bigint generated always as identity not null,
    contact_id bigint,
    user_id text,
    chip_id bigint,
    message_id text not null,
    source text not null,
    purpose text not null,
    rule text not null,
    at timestamptz not null,
    opened_at timestamptz not null,
    answer text,
    answered_at timestamptz,
    answered_by text,
    answered_why text,
    constraint questions_pkey primary key (id),
    constraint questions_message_id_contact_id_key unique nulls not distinct (message_id, contact_id),
    constraint questions_answer_check check ((answer = any (array['stop'::text, 'go on'::text]))),
    constraint questions_check check (((answer is null) = (answered_at is null))),
    constraint questions_purpose_check check ((purpose = any (array['marketing'::text, 'all'::text]))),
    constraint questions_chip_id_fkey foreign key (chip_id) references warmer.chips(id),
    constraint questions_contact_id_fkey foreign key (contact_id) references warmer.contacts(id)
);
create index questions_contact on warmer.questions using btree (contact_id) where (contact_id is not null);
create index questions_open on warmer.questions using btree (id) where (answered_at is null);

create table warmer.received (
    message_id text not null,
    chip_id bigint not null,
    contact_id bigint,
    at timestamptz not null,
    type text not null,
    text bytea,
    details bytea,
    routed_at timestamptz,
    route_tries integer default 0 not null,
    route_next_at timestamptz,
    route_error text,
    constraint received_pkey primary key (message_id),
    constraint received_chip_id_fkey foreign key (chip_id) references warmer.chips(id),
    constraint received_contact_id_fkey foreign key (contact_id) references warmer.contacts(id)
);
create index received_at on warmer.received using brin (at);
create index received_contact on warmer.received using btree (contact_id, at desc);
create index received_unrouted on warmer.received using btree (route_next_at) where (routed_at is null);

create table warmer.requests (
    id bigint generated always as identity not null,
    kind text not null,
    contact_id bigint,
    person text not null,
    said bytea,
    received_at timestamptz not null,
    due_at timestamptz not null,
    recorded_by text not null,
    closed_at timestamptz,
    closed_by text,
    outcome text,
    answer bytea,
    constraint requests_pkey primary key (id),
    constraint requests_check check (((closed_at is null) = (outcome is null))),
    constraint requests_kind_check check ((kind = any (array['access'::text, 'export'::text, 'erasure'::text, 'objection'::text]))),
    constraint requests_outcome_check check ((outcome = any (array['done'::text, 'refused'::text]))),
    constraint requests_contact_id_fkey foreign key (contact_id) references warmer.contacts(id)
);
create index requests_open on warmer.requests using btree (due_at) where (closed_at is null);
create index requests_person on warmer.requests using btree (person);

create table warmer.routes (
    id bigint generated always as identity not null,
    name text not null,
    kind text not null,
    url text,
    secret bytea,
    created_at timestamptz not null,
    constraint routes_pkey primary key (id),
    constraint routes_name_key unique (name),
    constraint routes_check check (((kind = 'page'::text) or (url is not null))),
    constraint routes_kind_check check ((kind = any (array['page'::text, 'webhook'::text])))
);

create table warmer.sends (
    id bigint generated always as identity not null,
    chip_id bigint not null,
    portfolio_id bigint not null,
    contact_id bigint not null,
    campaign_id bigint,
    template_row bigint,
    kind text not null,
    purpose text not null,
    body jsonb default '{}'::jsonb not null,
    canary boolean default false not null,
    state text default 'planned'::text not null,
    reason text,
    plan_day date not null,
    cap_day date,
    planned_at timestamptz not null,
    due_at timestamptz not null,
    expires_at timestamptz not null,
    claimed_at timestamptz,
    claimed_by text,
    lease_until timestamptz,
    attempts integer default 0 not null,
    called_at timestamptz,
    accepted_at timestamptz,
    message_id text,
    first_in_week boolean default true not null,
    was_held boolean default false not null,
    sent_at timestamptz,
    delivered_at timestamptz,
    read_at timestamptz,
    failed_at timestamptz,
    unknown_at timestamptz,
    code integer,
    replied_at timestamptz,
    opted_out_at timestamptz,
    confirms_at timestamptz,
    category text,
    pricing_type text,
    constraint sends_pkey primary key (id),
    constraint sends_kind_check check ((kind = any (array['campaign'::text, 'reply'::text]))),
    constraint sends_purpose_check check ((purpose = any (array['marketing'::text, 'utility'::text]))),
    constraint sends_state_check check ((state = any (array['planned'::text, 'claimed'::text, 'calling'::text, 'accepted'::text, 'held'::text, 'sent'::text, 'delivered'::text, 'read'::text, 'failed'::text, 'unknown'::text, 'cancelled'::text, 'expired'::text]))),
    constraint sends_campaign_id_fkey foreign key (campaign_id) references warmer.campaigns(id),
    constraint sends_chip_id_fkey foreign key (chip_id) references warmer.chips(id),
    constraint sends_contact_id_fkey foreign key (contact_id) references warmer.contacts(id),
    constraint sends_portfolio_id_fkey foreign key (portfolio_id) references warmer.portfolios(id),
    constraint sends_template_row_fkey foreign key (template_row) references warmer.templates(id)
);
create index sends_campaign_contact on warmer.sends using btree (campaign_id, contact_id) where (campaign_id is not null);
create index sends_cap on warmer.sends using btree (chip_id, cap_day) where (cap_day is not null);
create unique index sends_confirms on warmer.sends using btree (contact_id, confirms_at) where (confirms_at is not null);
create index sends_contact on warmer.sends using btree (contact_id, accepted_at desc) where (accepted_at is not null);
create index sends_due on warmer.sends using btree (portfolio_id, due_at) where (state = 'planned'::text);
create index sends_due_chip on warmer.sends using btree (chip_id, kind, due_at, id) where (state = 'planned'::text);
create index sends_ending on warmer.sends using btree (expires_at) where (state = 'planned'::text);
create index sends_in_flight on warmer.sends using btree (contact_id) where (state = any (array['claimed'::text, 'calling'::text, 'unknown'::text]));
create index sends_leased on warmer.sends using btree (lease_until) where (state = any (array['claimed'::text, 'calling'::text]));
create unique index sends_message_id on warmer.sends using btree (message_id) where (message_id is not null);
create unique index sends_one_open on warmer.sends using btree (contact_id) where ((kind = 'campaign'::text) and (state = any (array['planned'::text, 'claimed'::text, 'calling'::text])));
create index sends_open_reply on warmer.sends using btree (contact_id) where ((kind = 'reply'::text) and (state = any (array['planned'::text, 'claimed'::text, 'calling'::text])));
create index sends_said on warmer.sends using btree (due_at) where ((kind = 'reply'::text) and (body <> '{}'::jsonb));
create index sends_unknown on warmer.sends using btree (unknown_at) where (state = 'unknown'::text);

create table warmer.shadow_chips (
    chip_id bigint not null,
    policy text not null,
    own jsonb not null,
    lived jsonb not null,
    constraint shadow_chips_pkey primary key (chip_id),
    constraint shadow_chips_chip_id_fkey foreign key (chip_id) references warmer.chips(id)
);

create table warmer.shadow_decisions (
    chip_id bigint not null,
    at timestamptz not null,
    policy text not null,
    budget integer not null,
    binding text not null,
    phase text not null,
    status text not null,
    changes text[] default '{}'::text[] not null,
    live_policy text not null,
    live_budget integer not null,
    live_phase text not null,
    live_status text not null,
    live_changes text[] default '{}'::text[] not null,
    constraint shadow_decisions_chip_id_fkey foreign key (chip_id) references warmer.chips(id)
);
create index shadow_decisions_at on warmer.shadow_decisions using brin (at);
create index shadow_decisions_chip on warmer.shadow_decisions using btree (chip_id, at desc);

create table warmer.signups (
    id bigint generated always as identity not null,
    signup_id text not null,
    account_id bigint not null,
    version integer not null,
    message text,
    confirmation text,
    privacy_url text,
    website_url text,
    promo_code text,
    name text,
    text_digest bytea not null,
    since timestamptz not null,
    disabled_at timestamptz,
    constraint signups_pkey primary key (id),
    constraint signups_signup_id_version_key unique (signup_id, version),
    constraint signups_account_id_fkey foreign key (account_id) references warmer.accounts(id),
    constraint signups_text_digest_fkey foreign key (text_digest) references warmer.consent_texts(digest)
);

create table warmer.slots_reopened (
    portfolio_id bigint not null
);

create table warmer.source_days (
    day date not null,
    source text not null,
    age text not null,
    accepted integer not null,
    reached integer not null,
    read integer not null,
    replied integer not null,
    opted_out integer not null,
    undeliverable integer not null,
    limited integer not null,
    counted_at timestamptz not null,
    constraint source_days_pkey primary key (day, source, age)
);

create table warmer.source_holds (
    id bigint generated always as identity not null,
    source text not null,
    reason text not null,
    at timestamptz not null,
    by text not null,
    released_at timestamptz,
    released_by text,
    released_why text,
    constraint source_holds_pkey primary key (id)
);
create unique index source_holds_open on warmer.source_holds using btree (source) where (released_at is null);

create table warmer.spools (
    id text not null,
    holder text not null,
    clear_until timestamptz not null,
    waiting integer default 0 not null,
    constraint spools_pkey primary key (id)
);

create table warmer.stops (
    id bigint generated always as identity not null,
    scope text not null,
    target_id bigint,
    reason text not null,
    by text not null,
    at timestamptz not null,
    released_at timestamptz,
    released_by text,
    released_why text,
    constraint stops_pkey primary key (id),
    constraint stops_check check (((scope = 'everything'::text) = (target_id is null))),
    constraint stops_scope_check check ((scope = any (array['everything'::text, 'portfolio'::text, 'account'::text, 'chip'::text, 'campaign'::text, 'template'::text])))
);
create unique index stops_open on warmer.stops using btree (scope, coalesce(target_id, (0)::bigint)) where (released_at is null);

create table warmer.suppressions (
    id bigint generated always as identity not null,
    phone_key text,
    user_id text,
    purpose text not null,
    source text not null,
    at timestamptz not null,
    lifted_at timestamptz,
    lifted_by text,
    lifted_why text,
    constraint suppressions_pkey primary key (id),
    constraint suppressions_check check (((phone_key is not null) or (user_id is not null))),
    constraint suppressions_purpose_check check ((purpose = any (array['marketing'::text, 'all'::text])))
);
create index suppressions_phone on warmer.suppressions using btree (phone_key) where ((phone_key is not null) and (lifted_at is null));
create index suppressions_user on warmer.suppressions using btree (user_id) where ((user_id is not null) and (lifted_at is null));

create table warmer.templates (
    id bigint generated always as identity not null,
    account_id bigint not null,
    template_id text not null,
    name text not null,
    language text not null,
    category text not null,
    status text not null,
    quality text default 'UNKNOWN'::text not null,
    parameter_format text default 'POSITIONAL'::text not null,
    components jsonb default '[]'::jsonb not null,
    paused_at timestamptz,
    status_at timestamptz,
    quality_at timestamptz,
    synced_at timestamptz not null,
    constraint templates_pkey primary key (id),
    constraint templates_account_id_name_language_key unique (account_id, name, language),
    constraint templates_account_id_fkey foreign key (account_id) references warmer.accounts(id)
);
create index templates_meta_id on warmer.templates using btree (template_id);

create table warmer.throttles (
    scope text not null,
    target_id bigint not null,
    until_at timestamptz not null,
    tries integer default 1 not null,
    code integer not null,
    since timestamptz not null,
    constraint throttles_pkey primary key (scope, target_id),
    constraint throttles_scope_check check ((scope = any (array['app'::text, 'account'::text, 'chip'::text])))
);

create table warmer.workers (
    name text not null,
    began_at timestamptz not null,
    seen_at timestamptz not null,
    constraint workers_pkey primary key (name)
);

create or replace function warmer.consent_line(said warmer.consents)
 returns text
 language sql
 immutable
 set search_path to 'pg_catalog'
as $function$
    select concat_ws(
        '|', 'consent 1', (said).id, (said).contact_id, (said).purpose, (said).act, to_json((said).source),
        coalesce(encode((said).text_digest, 'hex'), ''), coalesce((said).refers_to::text, ''),
        coalesce(encode(sha256((said).private), 'hex'), ''),
        to_char((said).at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), to_json(coalesce((said).zone, '')),
        to_char((said).recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), to_json((said).recorded_by)
    )
$function$;

create or replace function warmer.drop_months(before timestamptz)
 returns integer
 language plpgsql
 security definer
 set search_path to 'pg_catalog'
 set lock_timeout to '2s'
as $function$
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
$function$;

create or replace function warmer.ensure_month(at timestamptz)
 returns text
 language plpgsql
 security definer
 set search_path to 'pg_catalog'
as $function$
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
$function$;

create or replace function warmer.fn_pgqueuer_changed()
 returns trigger
 language plpgsql
as $function$
DECLARE
    to_emit BOOLEAN := false;  -- Flag to decide whether to emit a notification
BEGIN
    -- Check operation type and set the emit flag accordingly
    IF TG_OP = 'UPDATE' AND OLD IS DISTINCT FROM NEW THEN
        to_emit := true;
    ELSIF TG_OP = 'DELETE' THEN
        to_emit := true;
    ELSIF TG_OP = 'INSERT' THEN
        to_emit := true;
    ELSIF TG_OP = 'TRUNCATE' THEN
        to_emit := true;
    END IF;

    -- Perform notification if the emit flag is set
    IF to_emit THEN
        PERFORM pg_notify(
            'warmer_jobs',
            json_build_object(
                'channel', 'warmer_jobs',
                'operation', lower(TG_OP),
                'sent_at', NOW(),
                'table', TG_TABLE_NAME,
                'type', 'table_changed_event'
            )::text
        );
    END IF;

    -- Return appropriate value based on the operation
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        RETURN OLD;
    ELSE
        RETURN NULL; -- For TRUNCATE and other non-row-specific contexts
    END IF;

END;
$function$;

create or replace function warmer.held_source(person bigint)
 returns table(source text, reason text)
 language sql
 stable parallel safe
as $function$
    select source_holds.source, source_holds.reason
    from warmer.source_holds
    where source_holds.released_at is null and source_holds.source = (
        select consents.source
        from warmer.consents
        where consents.contact_id = person and consents.act = 'granted'
        order by consents.at desc, consents.id desc
        limit 1
    )
$function$;

create or replace function warmer.note_consents()
 returns trigger
 language plpgsql
 security definer
 set search_path to 'warmer', 'pg_catalog'
as $function$
begin
    insert into consents_open (consent_id) select added.id from added;
    return null;
end
$function$;

create or replace function warmer.refuse_change()
 returns trigger
 language plpgsql
as $function$
begin
    raise exception '% is append-only: % is refused', tg_table_name, tg_op using errcode = 'insufficient_privilege';
end
$function$;

grant usage on schema warmer to warmer_app;
grant delete, insert, select, update on warmer.accounts to warmer_app;
grant delete, insert, select, update on warmer.alerts to warmer_app;
grant delete, insert, select, update on warmer.api_keys to warmer_app;
grant delete, insert, select, update on warmer.attempts to warmer_app;
grant insert, select on warmer.audit_log to warmer_app;
grant delete, insert, select, update on warmer.budget_uses to warmer_app;
grant delete, insert, select, update on warmer.campaign_hits to warmer_app;
grant delete, insert, select, update on warmer.campaign_wells to warmer_app;
grant delete, insert, select, update on warmer.campaigns to warmer_app;
grant delete, insert, select, update on warmer.chip_counts to warmer_app;
grant delete, insert, select, update on warmer.chip_days to warmer_app;
grant delete, insert, select, update on warmer.chip_months to warmer_app;
grant delete, insert, select, update on warmer.chip_overrides to warmer_app;
grant delete, insert, select, update on warmer.chips to warmer_app;
grant insert, select on warmer.consent_leaves to warmer_app;
grant insert, select on warmer.consent_seals to warmer_app;
grant insert, select on warmer.consent_texts to warmer_app;
grant insert, select on warmer.consents to warmer_app;
grant delete, select on warmer.consents_open to warmer_app;
grant delete, insert, select, update on warmer.contacts to warmer_app;
grant delete, insert, select, update on warmer.conversations to warmer_app;
grant delete, insert, select, update on warmer.decisions to warmer_app;
grant delete, insert, select, update on warmer.events to warmer_app;
grant delete, insert, select, update on warmer.fleet_counts to warmer_app;
grant delete, insert, select, update on warmer.forecasts to warmer_app;
grant delete, insert, select, update on warmer.health_log to warmer_app;
grant delete, insert, select, update on warmer.holds to warmer_app;
grant delete, insert, select, update on warmer.identity to warmer_app;
grant delete, insert, select, update on warmer.import_lanes to warmer_app;
grant delete, insert, select, update on warmer.import_pieces to warmer_app;
grant delete, insert, select, update on warmer.imports to warmer_app;
grant delete, insert, select, update on warmer.inbox to warmer_app;
grant select on warmer.migrations to warmer_app;
grant delete, insert, select, update on warmer.pgqueuer to warmer_app;
grant delete, insert, select, update on warmer.pgqueuer_log to warmer_app;
grant delete, insert, select, update on warmer.pgqueuer_schedules to warmer_app;
grant delete, insert, select, update on warmer.pgqueuer_statistics to warmer_app;
grant insert, select on warmer.policies to warmer_app;
grant delete, insert, select, update on warmer.policy_changes to warmer_app;
grant delete, insert, select, update on warmer.portfolios to warmer_app;
grant delete, insert, select, update on warmer.prices to warmer_app;
grant delete, insert, select, update on warmer.quarantine to warmer_app;
grant delete, insert, select, update on warmer.questions to warmer_app;
grant delete, insert, select, update on warmer.received to warmer_app;
grant delete, insert, select, update on warmer.requests to warmer_app;
grant delete, insert, select, update on warmer.routes to warmer_app;
grant delete, insert, select, update on warmer.sends to warmer_app;
grant delete, insert, select, update on warmer.shadow_chips to warmer_app;
grant delete, insert, select, update on warmer.shadow_decisions to warmer_app;
grant delete, insert, select, update on warmer.signups to warmer_app;
grant delete, insert, select, update on warmer.slots_reopened to warmer_app;
grant delete, insert, select, update on warmer.source_days to warmer_app;
grant delete, insert, select, update on warmer.source_holds to warmer_app;
grant delete, insert, select, update on warmer.spools to warmer_app;
grant delete, insert, select, update on warmer.stops to warmer_app;
grant delete, insert, select, update on warmer.suppressions to warmer_app;
grant delete, insert, select, update on warmer.templates to warmer_app;
grant delete, insert, select, update on warmer.throttles to warmer_app;
grant delete, insert, select, update on warmer.workers to warmer_app;
grant usage on sequence warmer.accounts_id_seq to warmer_app;
grant usage on sequence warmer.alerts_id_seq to warmer_app;
grant usage on sequence warmer.api_keys_id_seq to warmer_app;
grant usage on sequence warmer.audit_log_id_seq to warmer_app;
grant usage on sequence warmer.campaigns_id_seq to warmer_app;
grant usage on sequence warmer.chip_overrides_id_seq to warmer_app;
grant usage on sequence warmer.chips_id_seq to warmer_app;
grant usage on sequence warmer.consents_id_seq to warmer_app;
grant usage on sequence warmer.contacts_id_seq to warmer_app;
grant usage on sequence warmer.decisions_id_seq to warmer_app;
grant usage on sequence warmer.forecasts_id_seq to warmer_app;
grant usage on sequence warmer.imports_id_seq to warmer_app;
grant usage on sequence warmer.inbox_id_seq to warmer_app;
grant usage on sequence warmer.pgqueuer_id_seq to warmer_app;
grant usage on sequence warmer.pgqueuer_log_id_seq to warmer_app;
grant usage on sequence warmer.pgqueuer_schedules_id_seq to warmer_app;
grant usage on sequence warmer.pgqueuer_statistics_id_seq to warmer_app;
grant usage on sequence warmer.policy_changes_id_seq to warmer_app;
grant usage on sequence warmer.portfolios_id_seq to warmer_app;
grant usage on sequence warmer.quarantine_id_seq to warmer_app;
grant usage on sequence warmer.questions_id_seq to warmer_app;
grant usage on sequence warmer.requests_id_seq to warmer_app;
grant usage on sequence warmer.routes_id_seq to warmer_app;
grant usage on sequence warmer.sends_id_seq to warmer_app;
grant usage on sequence warmer.signups_id_seq to warmer_app;
grant usage on sequence warmer.source_holds_id_seq to warmer_app;
grant usage on sequence warmer.stops_id_seq to warmer_app;
grant usage on sequence warmer.suppressions_id_seq to warmer_app;
grant usage on sequence warmer.templates_id_seq to warmer_app;
grant execute on function warmer.consent_line(said warmer.consents) to warmer_app;
grant execute on function warmer.drop_months(before timestamptz) to warmer_app;
grant execute on function warmer.ensure_month(at timestamptz) to warmer_app;
grant execute on function warmer.held_source(person bigint) to warmer_app;
