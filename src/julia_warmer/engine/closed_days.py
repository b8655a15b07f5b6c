"""National holidays as a plain set of days. The only user of the `holidays` package; everything else is given the set."""

from datetime import date, datetime

import holidays as calendars

YEARS_AHEAD = 5  # a worker that runs longer without a restart would lose its holidays


def national_holidays(at: datetime, country: str = "BR") -> frozenset[date]:
    """The country's public holidays from the year before `at` on, as the package knows them: on these days nobody is written to first."""
    years = range(at.year - 1, at.year + YEARS_AHEAD + 1)
    return frozenset(calendars.country_holidays(country, years=years))
