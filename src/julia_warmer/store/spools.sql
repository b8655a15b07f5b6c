-- The leases of spools. While one has run out nobody claims and no request begins: a request to stop may wait in its folder.

-- name: put_spool -> none
-- A process says that its spool is empty until then; or, when it begins with what waits, that it is not.
insert into spools (id, holder, clear_until, waiting)
values ($id, $holder, $clear_until, $waiting)
on conflict (id) do update set holder = excluded.holder, clear_until = excluded.clear_until, waiting = excluded.waiting;

-- name: tell_waiting -> none
-- How much waits in a spool that is being drained. One that a person released is left so.
update spools set waiting = $waiting where spools.id = $id;

-- name: delete_spool -> str
-- A spool that holds nothing up any more: its process ended cleanly, or a person released it. Gives its holder.
delete from spools where spools.id = $id returning spools.holder;

-- name: list_overdue -> Overdue
-- The spools that hold everything up since before this moment.
select spools.id, spools.holder, spools.clear_until, spools.waiting from spools where spools.clear_until <= $before order by spools.id;

-- name: close_told -> none
-- What a person was told of spools that hold nothing up any more is over.
update alerts
set closed_at = $at, closed_by = 'spool'
where alerts.rule = 'spool' and alerts.closed_at is null
  and not exists (select from spools where alerts.open_key = 'spool:' || spools.id and spools.clear_until <= $at);
