"""Running totals say what adding up would: over any hours, folded in any order, told early or late."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from julia_warmer.core.model import Counts
from julia_warmer.core.month import ACCEPTED, END, LANES, NAMES, REACHED, REPLIED, HourRow, Month, fold_hours

HOURS = 60  # from 1,000 on


def hour_rows(most: int) -> st.SearchStrategy[list[tuple[int, ...]]]:
    """Hours of a chip, each once, in any order."""
    row = st.tuples(st.integers(1000, 999 + HOURS), *[st.integers(0, most)] * LANES, st.integers(0, 63))
    return st.lists(row, max_size=20, unique_by=lambda row: row[0])


rows = st.one_of(hour_rows(3), hour_rows(3), hour_rows(40_000))


def plain(told: Sequence[HourRow], first: int, last: int) -> list[int]:
    """Every column from `first` to before `last`, added up one by one."""
    return [sum(row[1 + lane] for row in told if first <= row[0] < last) for lane in range(LANES)]


@given(told=rows, differences=rows, folded=st.integers(0, 20), first=st.integers(990, 1070), last=st.integers(990, 1070))
def test_any_window_is_what_its_hours_add_up_to(
    told: list[tuple[int, ...]], differences: list[tuple[int, ...]], folded: int, first: int, last: int
) -> None:
    late = [*told[folded:], *[(row[0], *[-value for value in row[1:-1]], row[-1]) for row in differences], *differences]
    month = Month(fold_hours(None, told[:folded], since=0), late)
    expected = plain(told, first, last) if first < last else [0] * LANES
    assert month.counts(first, last) == Counts(**dict(zip(NAMES, expected, strict=False)))
    assert list(month.columns(first)) == plain(told, first, END)


@given(told=rows, folded=st.integers(0, 20), first=st.integers(1000, 1060), last=st.integers(1000, 1060), sends=st.integers(1, 50))
def test_the_newest_hours_reach_back_to_so_many_sends_and_a_run_to_the_last_reply(
    told: list[tuple[int, ...]], folded: int, first: int, last: int, sends: int
) -> None:
    month = Month(fold_hours(None, told[:folded], since=0), told[folded:])
    window = sorted([row for row in told if first <= row[0] < last], reverse=True)
    newest, accepted = END, 0
    for row in window:
        if accepted >= sends:
            break
        newest, accepted = row[0], accepted + row[1 + ACCEPTED]
    assert month.recent(first, last, sends) == month.counts(newest, last)
    run = 0
    for row in window:
        if row[1 + REPLIED]:
            break
        run += row[1 + REACHED]
    assert month.unanswered(first, last) == run


@given(told=rows, more=rows, cut=st.integers(0, 20), since=st.integers(1000, 1060))
def test_folding_in_turns_ends_like_folding_at_once_and_forgets_what_is_old(
    told: list[tuple[int, ...]], more: list[tuple[int, ...]], cut: int, since: int
) -> None:
    turns = fold_hours(fold_hours(fold_hours(None, told[:cut], since=0), told[cut:], since=0), more, since=since)
    assert turns == fold_hours(None, [*told, *more], since=since)
    assert Month(turns).hours() == [row for row in Month(None, [*told, *more]).hours() if row[0] >= since and any(row[1:])]
