"""Which column of a file is what: by its name, in the words that people use for it; by what a person said; a phone also by its content."""

import unicodedata
from collections.abc import Mapping, Sequence

from julia_warmer.core.phone import digits_of, read_mobile
from julia_warmer.engine.errors import Wrong

# What a file may say of a person, each with the names that columns have for it; the first that a file has is taken.
ALIASES: dict[str, tuple[str, ...]] = {
    "phone": (
        *("phone", "whatsapp", "celular", "telefone", "telemovel", "movil", "mobile", "cell", "cellphone", "fone", "tel", "telefono"),
        *("phone number", "whatsapp number", "numero", "numero de telefone", "telefone celular", "numero whatsapp", "contato"),
    ),
    "name": ("name", "nome", "nome completo", "full name", "nombre", "medico", "nome do medico", "first name", "primeiro nome"),
    "audience": ("audience", "publico", "lista", "list", "grupo", "group", "segmento", "segment"),
    "zone": ("zone", "time zone", "timezone", "fuso", "fuso horario", "zona horaria"),
    "consent_at": (
        *("consent at", "consented at", "opt in at", "optin at", "opt in date", "data do consentimento", "data consentimento"),
        *("data do opt in", "data opt in", "data do aceite", "data de aceite", "aceite em", "consentimento em", "fecha de consentimiento"),
    ),
    "source": ("source", "origem", "fonte", "canal", "origen"),
    "purpose": ("purpose", "finalidade", "proposito", "finalidad"),
    "text_version": ("text version", "versao do texto", "versao", "version"),
    "text": ("text", "texto", "texto do consentimento", "consent text"),
    "evidence": ("evidence", "evidencia", "prova", "comprovante", "proof", "prueba"),
}
COLUMNS = tuple(ALIASES)
SAMPLE_ROWS = 50
LOOKS_LIKE_PHONES = 0.8  # of a column's cells that say something


def find_columns(header: Sequence[str], given: Mapping[str, str], sample: Sequence[Sequence[str]]) -> dict[str, int]:
    """Where each thing stands in a row. `given` names columns outright. Raises Wrong without a phone, or when it is not clear which."""
    names = [plain(name) for name in header]
    found = {what: _place(what, name, header, names) for what, name in given.items()}
    for what, aliases in ALIASES.items():
        if what not in found and (alias := next((alias for alias in aliases if alias in names), None)) is not None:
            found[what] = _only(alias, header, names)
    if "phone" not in found:
        found["phone"] = _by_content(header, sample, set(found.values()))
    return found


def plain(name: str) -> str:
    """A column's name without case, accents and signs: `Data do Opt-In ` is `data do opt in`."""
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", name.strip().lower()) if not unicodedata.combining(sign))
    return " ".join("".join(sign if sign.isalnum() else " " for sign in bare).split())


def _place(what: str, name: str, header: Sequence[str], names: Sequence[str]) -> int:
    if what not in ALIASES:
        raise Wrong(f"{what!r} is nothing that a file says of a person", mend=f"known are {', '.join(COLUMNS)}")
    if plain(name) not in names:
        raise Wrong(f"the file has no column {name!r}", mend=f"it has {', '.join(header)}")
    return _only(plain(name), header, names)


def _only(name: str, header: Sequence[str], names: Sequence[str]) -> int:
    if names.count(name) > 1:
        raise Wrong(f"the file names the column {header[names.index(name)]!r} twice", mend="keep one of them")
    return names.index(name)


def _by_content(header: Sequence[str], sample: Sequence[Sequence[str]], taken: set[int]) -> int:
    columns = {place: [row[place] for row in sample if place < len(row)] for place in range(len(header)) if place not in taken}
    likely = [place for place, cells in columns.items() if _holds_phones(cells)]
    if len(likely) == 1:
        return likely[0]
    names = ", ".join(header[place] for place in likely)
    why = f"several columns look like phones: {names}" if likely else "the file has no column `phone`"
    raise Wrong(why, mend=f"name the columns in the first line (known are {', '.join(COLUMNS)}), or say which one it is: phone=NAME")


def _holds_phones(cells: Sequence[str]) -> bool:
    said = [cell for cell in cells if cell.strip()]
    return bool(said) and sum(map(_is_like_a_phone, said)) >= LOOKS_LIKE_PHONES * len(said)


def _is_like_a_phone(cell: str) -> bool:
    return read_mobile(cell) is not None or (cell.strip().startswith("+") and 8 <= len(digits_of(cell)) <= 15)
