"""Doubts: answers in a row that say nothing clear. One worker's memory; it must not know the database, nor what is sent."""

from collections import Counter
from dataclasses import dataclass, field

DOUBTS_MAX = 5  # unclear answers in a row, and the scope is taken for sick
Scope = tuple[str, int]  # as in `throttles`
APP: Scope = ("app", 0)


@dataclass(slots=True)
class Doubts:
    """Answers in a row that say nothing clear, of the whole platform and of each account. A clear one, yes or no, ends the row.

    A scope that gave too many is sick: what was to be asked there is not, and the next unclear answer after its wait makes it sick again.
    """

    in_row: Counter[Scope] = field(default_factory=Counter[Scope])
    sick_at_s: dict[Scope, float] = field(default_factory=dict[Scope, float])
    news: set[Scope] = field(default_factory=set[Scope])  # sick, and not yet written down

    def note(self, account_id: int, *, is_doubt: bool, now: float) -> None:
        """One more answer. The widest scope that it makes sick is news."""
        scopes = (APP, ("account", account_id))
        for scope in scopes:
            self.in_row[scope] = self.in_row[scope] + 1 if is_doubt else 0
        sick = [scope for scope in scopes if self.in_row[scope] >= DOUBTS_MAX]
        for scope in sick:
            self.in_row[scope] = DOUBTS_MAX - 1
        for scope in sick[:1]:
            self.sick_at_s[scope] = now
            self.news.add(scope)

    def forbid(self, account_id: int, *, since_s: float) -> bool:
        """May a call that was written at that time not begin, because its scope fell sick meanwhile?"""
        return any(self.sick_at_s.get(scope, -1.0) >= since_s for scope in (APP, ("account", account_id)))

    def take_news(self) -> frozenset[Scope]:
        news, self.news = frozenset(self.news), set()
        return news
