"""`warmer contacts`: what is known of a person. Bringing people is in `contacts_import`."""

from julia_warmer.cli import rights
from julia_warmer.cli.contacts_import import import_
from julia_warmer.cli.contacts_merge import merge
from julia_warmer.cli.forms import group

app = group("People, and the proof of their consent.")
app.command()(merge)

app.command("import")(import_)


# ------------------------------------------------------------------ one person

for command in (rights.show, rights.export, rights.erase, rights.request, rights.requests, rights.answer, rights.engagement):
    app.command()(command)
