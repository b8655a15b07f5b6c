"""Says whether a message asks us to stop: rules in Portuguese, English and Spanish, as tables. Pure; it must not know channels or people.

A message is folded (accents, case, emoji, spaced and stretched letters) and cut into clauses; each clause is held against the tables of
`opt_out_rules`: negations (it asks us not to stop), commands (the whole clause is one word of command), sentences. The gravest answer
wins. Ambiguous is never acted on by itself: a person looks.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from julia_warmer.core import opt_out_rules as rules


class Outcome(StrEnum):
    """What a message asks."""

    OPT_OUT = "opt_out"
    AMBIGUOUS = "ambiguous"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, what it covers (`all` or `marketing`) and the rule that gave it."""

    outcome: Outcome
    purpose: str = "all"
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A sentence. `softened` rules become ambiguous when the clause is about a time of day, a shift, a condition or somebody else."""

    name: str
    pattern: re.Pattern[str]
    outcome: Outcome = Outcome.OPT_OUT
    softened: bool = True


@dataclass(frozen=True, slots=True)
class _Clause:
    words: str
    is_question: bool
    is_asked: bool = False  # with a "please"


TEXT_MAX = 2000  # a longer text asks in its beginning, if at all

COMMANDS: tuple[Rule, ...] = tuple(
    Rule(name, pattern, outcome, softened=False)
    for table, outcome in (
        (rules.COMMANDS, Outcome.OPT_OUT),
        (rules.LONE_COMMANDS, Outcome.OPT_OUT),
        (rules.UNSURE, Outcome.AMBIGUOUS),
        (rules.LONE_UNSURE, Outcome.AMBIGUOUS),
    )
    for name, pattern in rules.read_table(table)
)
SENTENCES: tuple[Rule, ...] = (
    *(Rule(name, pattern) for name, pattern in rules.read_table(rules.SENTENCES)),
    *(Rule(name, pattern, Outcome.AMBIGUOUS) for name, pattern in rules.read_table(rules.DOUBTS)),
)
# Nearly every clause fits no rule: one look for all of them says so in a third of the time.
_ANY_COMMAND, _ANY_SENTENCE = (re.compile("|".join(f"(?:{rule.pattern.pattern})" for rule in table)) for table in (COMMANDS, SENTENCES))
_LONE = "word alone"  # a command, and only when nothing else is said
_ALONE = frozenset({_LONE, "unsure alone"})
_FILLERS = re.compile(rf"(?:(?:{rules.read_one(rules.FILLERS).pattern})\s*)+")
_NEGATIONS = rules.read_one(rules.NEGATIONS)
_SOFTENERS = rules.read_one(rules.SOFTENERS)
_PROMOTIONS = rules.read_one(rules.PROMOTIONS)
_ORDINARY = rules.read_one(rules.ORDINARY)
_EVERYTHING = rules.read_one(rules.EVERYTHING)
_PAYLOADS = rules.read_one(rules.PAYLOADS)
_ASKED, _PLEASE = rules.read_one(rules.ASKED), rules.read_one(rules.PLEASE)
_CALLS, _WRITES = rules.read_one(rules.CALLS), rules.read_one(rules.WRITES)
_SPELLINGS = rules.read_spellings(rules.SPELLINGS)
_LONG_WORDS = tuple(rules.LONG_WORDS.split())
_NOW = re.compile(r"\b(?:agora|now|ahora)$")  # "do not write now" is not "stop now"
_STOP_SIGNS = frozenset("🛑🚫⛔✋")

_SPACED = re.compile(r"\b(?:[a-z][ .\-_*]+){2,}[a-z]\b")
_ENDS = re.compile(r"([.!?;:,()/|\n…]+|$)")
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_STRETCHED = re.compile(r"([a-z])\1{2,}")
_DOUBLED = re.compile(r"([a-z])\1+")
_REPEATED = re.compile(r"\b(\w+)(?: \1\b)+")
_LONG = re.compile(r"\b[a-z]{8,}\b")
_SHORT = re.compile(rf"\b(?:{'|'.join(_SPELLINGS)})\b")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_GRAVITY = {Outcome.NONE: 0, Outcome.AMBIGUOUS: 1, Outcome.OPT_OUT: 2}
NOTHING = Verdict(Outcome.NONE)
NO_WORDS: frozenset[str] = frozenset()
LETTERS_MIN_OF_TWO = 11  # a word this long may have two letters wrong, a shorter one one
OWN_WORD_MAX = 60  # characters of a word that an owner adds


def own_words(texts: Iterable[str]) -> frozenset[str]:
    """Words or short sentences that an owner adds, as `classify` takes them. Raises ValueError for one that would stop the wrong people."""
    return frozenset(_own_word(text) for text in texts)


def _own_word(text: str) -> str:
    clauses = _clauses(text[: OWN_WORD_MAX + 1])
    if len(text) > OWN_WORD_MAX:
        raise ValueError(f"{text[:20]!r}… is longer than {OWN_WORD_MAX} characters: give the word or short sentence alone")
    if len(clauses) != 1 or clauses[0].is_question:
        raise ValueError(f"{text!r} is not one word or short sentence, greetings left aside")
    words = clauses[0].words
    if len(words) < 2 or _ORDINARY.fullmatch(words) or _NEGATIONS.search(words):
        raise ValueError(f"{text!r} is what people write who do not ask to stop: choose a word that says it")
    return words


def classify(text: str | None, *, payload: str | None = None, words: frozenset[str] = NO_WORDS) -> Verdict:
    """Judge a message. `payload` is the button's or row's id; None says that the person typed, where common words mean more.

    `words` are an owner's own (`own_words`): a clause that is one of them and nothing else asks to stop.
    """
    is_button = payload is not None
    verdicts = [_judge_text(text, is_button, words)] if text else []
    if payload:
        verdicts.append(_judge_payload(payload))
    verdict = _gravest(verdicts)
    if payload and verdict.outcome is Outcome.AMBIGUOUS and rules.SCHEDULE.search(_words(_fold(payload[:TEXT_MAX]))):
        return NOTHING  # "Cancelar" on the button of a shift: whoever wrote the template says what it is about
    return verdict


def _judge_payload(payload: str) -> Verdict:
    words = _words(_fold(_CAMEL.sub(" ", payload[:TEXT_MAX])))
    if _PAYLOADS.search(words):
        return Verdict(Outcome.OPT_OUT, _purpose(words), "payload")
    return _judge_text(words, is_button=True)


def _judge_text(text: str, is_button: bool, own: frozenset[str] = NO_WORDS) -> Verdict:
    clauses = _clauses(text[:TEXT_MAX])
    if not clauses:
        return Verdict(Outcome.AMBIGUOUS, rule="stop sign") if _STOP_SIGNS & set(text) else NOTHING
    if any(_WRITES.search(one.words) for one in clauses):  # "stop calling me, write": no word of it asks for silence
        clauses = [one for one in clauses if not _CALLS.search(one.words)]
    last = len(clauses) - 1
    verdicts = [_judge_clause(clause, is_button, alone=last == 0, at_edge=place in (0, last)) for place, clause in enumerate(clauses)]
    verdicts += [Verdict(Outcome.AMBIGUOUS if one.is_question else Outcome.OPT_OUT, rule="own word") for one in clauses if one.words in own]
    return _gravest(verdicts)


def _judge_clause(clause: _Clause, is_button: bool, *, alone: bool, at_edge: bool) -> Verdict:
    if _NEGATIONS.search(clause.words):
        return NOTHING
    if at_edge:
        verdict = _judge_command(clause, is_button, alone)
        if verdict.outcome is not Outcome.NONE:
            return verdict
    if not _ANY_SENTENCE.search(clause.words):
        return NOTHING
    return _gravest([_apply(rule, clause.words) for rule in SENTENCES if rule.pattern.search(clause.words)])


def _judge_command(clause: _Clause, is_button: bool, alone: bool) -> Verdict:
    squeezed = _DOUBLED.sub(r"\1", clause.words)
    if not (_ANY_COMMAND.fullmatch(clause.words) or _ANY_COMMAND.fullmatch(squeezed)):
        return NOTHING
    for rule in COMMANDS:
        if not (rule.pattern.fullmatch(clause.words) or rule.pattern.fullmatch(squeezed)):
            continue
        is_common = rule.name == _LONE
        if rule.name in _ALONE and not alone and not (clause.is_asked and _ASKED.fullmatch(clause.words)):
            return NOTHING
        unsure = clause.is_question or (is_common and is_button)
        return Verdict(Outcome.AMBIGUOUS if unsure else rule.outcome, rule=rule.name)
    return NOTHING


def _apply(rule: Rule, words: str) -> Verdict:
    words = rules.OFFERS.sub(r"\g<message>", words)
    about_now = _NOW.search(words) is not None and rule.name.startswith("do not")
    soft = rule.softened and (about_now or _SOFTENERS.search(words) is not None)
    return Verdict(Outcome.AMBIGUOUS if soft else rule.outcome, _purpose(words), rule.name)


def _purpose(words: str) -> str:
    return "marketing" if _PROMOTIONS.search(words) and not _EVERYTHING.search(words) else "all"


def _gravest(verdicts: list[Verdict]) -> Verdict:
    """The gravest outcome; among equals the widest purpose; among those the first."""
    return max(verdicts, key=lambda verdict: (_GRAVITY[verdict.outcome], verdict.purpose == "all"), default=NOTHING)


def _clauses(text: str) -> list[_Clause]:
    """The clauses that say more than a greeting or thanks."""
    folded = _SPACED.sub(lambda match: _NOT_A_WORD.sub("", match[0]), _fold(text))
    parts = _ENDS.split(folded)
    said = ((mend(_words(words)), "?" in end) for words, end in zip(parts[::2], parts[1::2], strict=False))
    found = ((_without_fillers(words), is_question, _PLEASE.search(words) is not None) for words, is_question in said)
    return [_Clause(rules.VACANCIES.sub(r"\1", words), is_question, is_asked) for words, is_question, is_asked in found if words]


def mend(words: str) -> str:
    """Words as they were meant: short ways to write them, and long ones with a letter or two wrong that begin as they should."""
    return _LONG.sub(lambda match: _meant(match[0]), _SHORT.sub(lambda match: _SPELLINGS[match[0]], words))


@lru_cache(maxsize=4096)
def _meant(word: str) -> str:
    if word.startswith(rules.WELL_BEGUN):
        return word
    most = 2 if len(word) >= LETTERS_MIN_OF_TWO else 1
    near = (one for one in _LONG_WORDS if one[:2] == word[:2] and abs(len(one) - len(word)) <= most)
    return min((one for one in near if _distance(one, word) <= most), key=lambda one: _distance(one, word), default=word)


def _distance(one: str, other: str) -> int:
    """Letters that are wrong, missing, too many, or changed places with the next."""
    before, row = list[int](), list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        last, before, row = before, row, [i]
        for j, right in enumerate(other, start=1):
            best = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and one[i - 2] == right:
                best = min(best, last[j - 2] + 1)
            row.append(best)
    return row[-1]


def _without_fillers(words: str) -> str:
    if (match := _FILLERS.match(words)) is not None:
        words = words[match.end() :]
    for match in _FILLERS.finditer(words):
        if match.end() == len(words):
            return words[: match.start()].strip()
    return words.strip()


def _fold(text: str) -> str:
    """Small letters without accents, marks, apostrophes and invisible characters; fancy letters become plain ones."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", text) if unicodedata.category(char) not in ("Mn", "Cf"))
    return plain.casefold().replace("'", "").replace("’", "").replace("`", "")


def _words(folded: str) -> str:
    return _REPEATED.sub(r"\1", _STRETCHED.sub(r"\1", _NOT_A_WORD.sub(" ", folded))).strip()
