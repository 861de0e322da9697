"""Feed file names that LiveRamp accepts.

Source: LiveRamp, "Naming Files for Uploading": ASCII, no spaces, none of ``! @ # $ % [ ] : { } ? * \\``, no leading
dot or underscore, at most 250 characters, an extension. The rules apply to the inner name of a compressed file, and to
the name that a file has before it is encrypted.
"""

from __future__ import annotations

import re
from datetime import date

from airflow_provider_tiktok_offline.errors import ConfigError, FeedError

MOST_CHARACTERS = 250
FORBIDDEN = frozenset("!@#$%[]:{}?*\\/")
#: Delimiter -> the extensions that fit it.
EXTENSIONS = {",": (".csv", ".txt"), "\t": (".tsv", ".txt"), "|": (".psv", ".txt")}

_FIELD = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def render_name(template: str, *, feed: str, day: date) -> str:
    """Fill a file name's template.

    :param template: a name with ``{{ day }}`` or ``{{ ds }}`` (2026-11-22), ``{{ ds_nodash }}`` and ``{{ feed }}``.
    :param day: the UTC day on which the file is delivered.
    :raises ConfigError: if the template names something else, or no day: a second day would reuse the name.
    """
    values = {"feed": feed, "day": day.isoformat(), "ds": day.isoformat(), "ds_nodash": f"{day:%Y%m%d}"}
    used = set(_FIELD.findall(template))
    unknown = used - values.keys()
    if unknown or not used & {"day", "ds", "ds_nodash"}:
        raise ConfigError(
            f"it names {', '.join(sorted(unknown))}." if unknown else "it holds no day, so names would repeat.",
            where=f"liveramp.file_name {template!r}",
            todo="It needs {{ day }} or {{ ds_nodash }}, and may use {{ feed }}.",
        )
    return _FIELD.sub(lambda match: values[match.group(1)], template)


def stored_name(name: str, *, gzip: bool, pgp: bool) -> str:
    """The name at the destination: the inner name and a suffix for each wrapping."""
    return name + (".gz" if gzip else "") + (".pgp" if pgp else "")


def check_name(name: str, delimiter: str) -> str:
    """Check a name against LiveRamp's rules.

    :param name: the inner name or the stored one, without folder.
    :param delimiter: the feed's, which the extension must fit.
    :returns: the name.
    :raises FeedError: naming every rule that is broken.
    """
    faults = []
    if not name.isascii() or not name.isprintable():
        faults.append("it has characters beyond ASCII")
    if any(character.isspace() for character in name):
        faults.append("it has white space")
    used = sorted(FORBIDDEN & set(name))
    if used:
        faults.append(f"it has {' '.join(used)}")
    if name.startswith((".", "_")):
        faults.append("it starts with a dot or underscore")
    if len(name) > MOST_CHARACTERS:
        faults.append(f"it has {len(name)} characters, more than {MOST_CHARACTERS}")
    inner = name.removesuffix(".pgp").removesuffix(".gpg").removesuffix(".gz")
    endings = EXTENSIONS[delimiter]
    if not inner.endswith(endings):
        faults.append(f"its extension is none of {', '.join(endings)} of this delimiter")
    if faults:
        raise FeedError(
            f"LiveRamp does not accept this file name: {'; '.join(faults)}.",
            where=f"file name {name!r}",
            todo="Correct liveramp.file_name.",
        )
    return name
