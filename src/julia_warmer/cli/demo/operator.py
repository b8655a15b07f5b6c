"""The demo's scripted operator: a person's part, played over the API alone. Looks in twice a day.

In the second week one chip's campaign gets a bad template, as a hasty colleague would do it. When that chip is paused the operator ends
the bad campaign, lets the good one go on, and a day later resumes the chip. Other chips that wait for a person are resumed after two days;
the one with the poor list is left paused, because its list is what is wrong with it.
"""

from datetime import datetime, time, timedelta
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

import aiohttp

from julia_warmer.cli.demo.stage import AGAIN_AFTER_D, Stage
from julia_warmer.sandbox.scenario import BAD_TEMPLATE

ZONE = ZoneInfo("America/Sao_Paulo")
LOOKS_AT = (time(9, 0), time(15, 0))
BAD_FROM_DAY = 8  # the second week's second day
BAD_WAIT = timedelta(hours=24)
OTHER_WAIT = timedelta(hours=48)


class OperatorError(RuntimeError):
    """The API refused what the script asked for."""


class Operator:
    """Owns a connection to the API."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._lists = {chip.name: chip.list for chip in stage.spec.chips}
        self._hurried = False
        self._withdrawn: set[str] = set()
        self._looked: set[tuple[Any, time]] = set()
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._stage.key}"}
        self._http = aiohttp.ClientSession(self._stage.internal, headers=headers)
        return self

    async def __aexit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        if self._http is not None:
            await self._http.close()

    async def look(self, at: datetime) -> None:
        """Look in if it is one of the day's two moments."""
        local = at.astimezone(ZONE)
        due = [moment for moment in LOOKS_AT if moment <= local.time()]
        if not due or (local.date(), due[-1]) in self._looked:
            return
        self._looked.add((local.date(), due[-1]))
        if not self._hurried and at >= self._stage.begins_at + timedelta(days=BAD_FROM_DAY):
            self._hurried = True
            await self._hurry()
        for chip in await self._chips():
            if chip["status"] == "paused":
                await self._attend(chip, at)

    async def _hurry(self) -> None:
        """A new campaign with a bad template takes the place of the good one."""
        for chip in await self._chips():
            if self._lists.get(chip["name"]) != "bad_template":
                continue
            for campaign in await self._campaigns(chip):
                await self._post(f"/warmer/campaigns/{campaign['id']}/pause", why="a promotion goes first")
            await self._post(
                "/warmer/campaigns",
                name=f"promotion of {chip['name']}",
                portfolio_id=chip["portfolio_id"],
                chip_id=chip["id"],
                template=BAD_TEMPLATE,
                language="pt_BR",
                purpose="marketing",
                audience=chip["name"],
                parameters=["{name}"],
                repeat_after_d=AGAIN_AFTER_D,
            )

    async def _attend(self, chip: dict[str, Any], at: datetime) -> None:
        """A paused chip: mend what is wrong, wait, resume."""
        kind = self._lists.get(chip["name"])
        if kind == "poor":
            return
        if kind == "bad_template" and self._hurried and chip["name"] not in self._withdrawn:
            await self._withdraw(chip)
        since = min(datetime.fromisoformat(pause["since"]) for pause in chip["pauses"])
        wait = BAD_WAIT if kind == "bad_template" else OTHER_WAIT
        if at - since >= wait:
            why = "bad template withdrawn" if kind == "bad_template" else "looked into it: rested for two days"
            await self._post(f"/warmer/chips/{chip['id']}/resume", why=why)

    async def _withdraw(self, chip: dict[str, Any]) -> None:
        self._withdrawn.add(chip["name"])
        for campaign in await self._campaigns(chip):
            if campaign["template"] == BAD_TEMPLATE:
                await self._post(f"/warmer/campaigns/{campaign['id']}/end", why="people do not want it")
            else:
                await self._post(f"/warmer/campaigns/{campaign['id']}/resume", why="the promotion is withdrawn")

    async def _chips(self) -> list[dict[str, Any]]:
        return await self._all("/warmer/chips")

    async def _campaigns(self, chip: dict[str, Any]) -> list[dict[str, Any]]:
        return [row for row in await self._all("/warmer/campaigns") if row["chip_id"] == chip["id"] and row["status"] != "ended"]

    async def _all(self, path: str) -> list[dict[str, Any]]:
        """Every page of a list."""
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = await self._call("GET", path, params={"limit": "100"} | ({"cursor": cursor} if cursor else {}))
            rows += page["items"]
            cursor = page.get("next")
            if not cursor:
                return rows

    async def _post(self, path: str, **body: Any) -> Any:
        return await self._call("POST", path, json=body)

    async def _call(self, method: str, path: str, **more: Any) -> Any:
        if self._http is None:
            raise OperatorError("the operator is not at work")
        async with self._http.request(method, path, **more) as answer:
            said = await answer.json()
            if answer.status >= 400:
                raise OperatorError(f"{method} {path}: {answer.status} {said}")
            return said
