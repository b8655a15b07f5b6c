-- Messages of which nobody can tell whether they ask to stop, until a person answers. Contacts are locked by whoever changes them here.

-- name: add_questions -> Asked
-- Opens questions, each message once for a person; not about somebody who has stopped everything already. Gives the new ones.
insert into questions (contact_id, user_id, chip_id, message_id, source, purpose, rule, at, opened_at)
select given.contact_id, given.user_id, chips.id, given.message_id, given.source, given.purpose, given.rule, given.at, $at
from unnest(
    $contact_ids::bigint[], $user_ids::text[], $phone_number_ids::text[], $message_ids::text[], $sources::text[], $purposes::text[],
    $rules::text[], $ats::timestamptz[]
) as given (contact_id, user_id, phone_number_id, message_id, source, purpose, rule, at)
left join chips on chips.phone_number_id = given.phone_number_id
left join contacts on contacts.id = given.contact_id
where contacts.stopped_at is null
order by given.message_id, given.contact_id
on conflict do nothing
returning id, contact_id, message_id;

-- name: hold_marketing -> none
-- Marketing to these people waits from now on.
update contacts
set questioned_at = coalesce(contacts.questioned_at, $at), updated_at = $at
where contacts.id = any($ids::bigint[]);

-- name: adopt_questions -> int
-- Questions of nobody we knew, whose user id has just become a contact's. Gives the contacts.
update questions
set contact_id = contacts.id
from contacts
where contacts.id = any($ids::bigint[]) and questions.contact_id is null and questions.user_id = contacts.user_id
  and questions.answered_at is null
  and not exists (
      select from questions as same where same.message_id = questions.message_id and same.contact_id = contacts.id
  )
returning questions.contact_id;

-- name: lock_question -> Question
-- One question, locked, with its person as they are called.
select questions.id, questions.contact_id, questions.user_id, questions.message_id, questions.source, questions.purpose, questions.at,
       questions.answered_at, questions.answer
from questions
where questions.id = $id
for no key update of questions;

-- name: read_question -> int
-- Whose question this is, to lock the person first; null: of nobody we know.
select questions.contact_id from questions where questions.id = $id;

-- name: answer_question -> none
-- What a person said.
update questions set answer = $answer, answered_at = $at, answered_by = $by, answered_why = $why where questions.id = $id;

-- name: close_questions -> none
-- These people have asked to stop in so many words: what they meant before needs no answer.
update questions
set answer = 'stop', answered_at = $at, answered_by = $by, answered_why = 'the person asked to stop'
where questions.contact_id = any($contact_ids::bigint[]) and questions.answered_at is null;

-- name: release_marketing -> int
-- Those of these people about whom no question is open any more: marketing may go on, as far as the rest allows. Gives them.
update contacts
set questioned_at = null, updated_at = $at
where contacts.id = any($ids::bigint[]) and contacts.questioned_at is not null
  and not exists (select from questions where questions.contact_id = contacts.id and questions.answered_at is null)
returning contacts.id;

-- name: list_questions -> QuestionRow
-- Questions, oldest first, open ones or all; with the sealed text, once the message has been read in.
select questions.id, questions.contact_id, contacts.phone, contacts.name, questions.chip_id, chips.name as chip, questions.message_id,
       questions.source, questions.purpose, questions.rule, received.text as sealed, questions.at, questions.answer, questions.answered_at,
       questions.answered_by, questions.answered_why
from questions
left join contacts on contacts.id = questions.contact_id
left join chips on chips.id = questions.chip_id
left join received on received.message_id = questions.message_id
where questions.id > $after and (questions.answered_at is null or not $open_only::boolean)
order by questions.id
limit $limit;

-- name: list_of_person -> QuestionRow
-- All that was ever asked about one person, oldest first.
select questions.id, questions.contact_id, contacts.phone, contacts.name, questions.chip_id, chips.name as chip, questions.message_id,
       questions.source, questions.purpose, questions.rule, received.text as sealed, questions.at, questions.answer, questions.answered_at,
       questions.answered_by, questions.answered_why
from questions
left join contacts on contacts.id = questions.contact_id
left join chips on chips.id = questions.chip_id
left join received on received.message_id = questions.message_id
where questions.contact_id = $contact_id
order by questions.id
limit $limit;

-- name: count_open -> Waiting
-- How many questions wait for an answer, and since when the first.
select count(*) as number, min(questions.opened_at) as since from questions where questions.answered_at is null;
