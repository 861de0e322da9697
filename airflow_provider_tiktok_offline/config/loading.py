"""``advertisers.yaml``, or a directory of such files, as typed settings; each fault names file, entry and key."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from airflow_provider_tiktok_offline.config.explaining import explain
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.config.presets import deep_merge
from airflow_provider_tiktok_offline.config.secret_values import HIDDEN, is_filled
from airflow_provider_tiktok_offline.config.shared_event_sets import in_groups
from airflow_provider_tiktok_offline.config.yaml_documents import Document, KeyPath, read_document
from airflow_provider_tiktok_offline.errors import ConfigError
from airflow_provider_tiktok_offline.plain_text import one_line
from airflow_provider_tiktok_offline.storage.uris import holds_secret

#: In a directory, the ``defaults:`` of this file hold for all files; a file's own come on top.
SHARED_DEFAULTS = "defaults.yaml"
#: What a BrokenEntry's ``entry`` says when the fault lies in ``defaults:`` or in the file as a whole.
DEFAULTS, WHOLE_FILE = "defaults", "file"

#: Characters of a key or a message that are shown of a fault.
_LONGEST_SHOWN = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenEntry:
    """One fault of the configuration.

    Attributes:
        file: the file it is in.
        entry: the advertiser's name, ``advertisers[3]`` where it has none, ``defaults`` or ``file``.
        key: the key, dotted; empty if the entry as a whole is meant.
        message: what is wrong and what would be right.
        line: its line, where known.
    """

    file: str
    entry: str
    key: str
    message: str
    line: int | None = None

    @property
    def where(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        place += "" if self.entry == WHOLE_FILE else f", entry {self.entry}"
        return f"{place}, key {self.key}" if self.key else place

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"

    def error(self) -> ConfigError:
        """The same as an exception."""
        return ConfigError(f"{self.message}.", where=self.where)


@dataclass(slots=True)
class LoadedConfig:
    """All advertisers of a configuration, whole ones and broken ones.

    Attributes:
        path: the file or directory that was read.
        advertisers: name -> settings, of every entry without a fault, in the order of the files.
        broken: every fault that was found; a fault in ``defaults:`` is there once.
    """

    path: str
    advertisers: dict[str, AdvertiserConfig] = field(default_factory=dict)
    broken: list[BrokenEntry] = field(default_factory=list)
    _faults: dict[str, BrokenEntry] = field(default_factory=dict)

    def get(self, name: str) -> AdvertiserConfig | None:
        """The settings of that name, None if there are none or they are broken."""
        return self.advertisers.get(name)

    def advertiser(self, name: str) -> AdvertiserConfig:
        """The settings of that name.

        :raises ConfigError: if the entry is broken or there is none.
        """
        if name in self.advertisers:
            return self.advertisers[name]
        if name in self._faults:
            raise self._faults[name].error()
        whole = next((fault for fault in self.broken if fault.entry == WHOLE_FILE), None)
        if whole is not None and not self.advertisers:
            raise whole.error()
        near = get_close_matches(name, [*self.advertisers, *self._faults], n=1)
        known = ", ".join(sorted(self.advertisers)[:10]) or "none"
        raise ConfigError(
            f"there is no advertiser {name!r}.",
            where=self.path,
            todo=f"Did you mean {near[0]!r}?" if near else f"The file has: {known}.",
        )

    def groups(self, most: int = 25) -> list[list[str]]:
        """All names, in groups for tasks that run side by side. Those of one event set share a ledger, and a group.

        :param most: names in a group; there are more only if one event set has more.
        """
        return in_groups(self.advertisers.values(), most)


def load_config(
    path: str | Path, *, environ: Mapping[str, str] = os.environ, only: Collection[str] | None = None
) -> LoadedConfig:
    """Read a configuration.

    :param path: a YAML file with ``defaults:`` and ``advertisers:``, or a directory of them.
    :param environ: where ``${VARIABLE}`` and ``${VARIABLE:-default}`` are looked up.
    :param only: validate these names alone; the others are left out, broken ones too.
    :raises ConfigError: if there is no such file, or nothing of it can be read as YAML.
    """
    place = Path(path)
    loaded = LoadedConfig(str(path))
    if place.is_dir():
        files = sorted(file for file in place.iterdir() if file.suffix in (".yaml", ".yml") and file.name[0] != ".")
        if not files:
            raise ConfigError("the directory has no .yaml file.", where=str(place))
    else:
        files = [place]
    documents = []
    for file in files:
        try:
            documents.append(read_document(file, environ))
        except ConfigError as error:
            if len(files) == 1 or file.name == SHARED_DEFAULTS:
                # Without the shared defaults nobody's settings are known, opt-out lists among them.
                raise
            loaded.broken.append(
                BrokenEntry(file=error.where or str(file), entry=WHOLE_FILE, key="", message=error.what.rstrip("."))
            )
    _Reading(loaded, only).read(documents)
    return loaded


def parse_advertiser(settings: Mapping[str, object], *, where: str) -> AdvertiserConfig:
    """One advertiser's settings that stand in code instead of a file.

    :param where: where, for the message.
    :raises ConfigError: naming every key that is wrong.
    """
    try:
        return AdvertiserConfig.model_validate(dict(settings))
    except ValidationError as error:
        faults = [f"key {'.'.join(map(str, key))}: {message}" for key, message in explain(error, settings)]
        raise ConfigError(f"{'; '.join(faults)}.", where=where) from None


class _Reading:
    def __init__(self, loaded: LoadedConfig, only: Collection[str] | None) -> None:
        self._loaded = loaded
        self._only = only
        self._places: dict[str, list[tuple[Document, int]]] = {}
        self._unread_defaults: dict[str, BrokenEntry] = {}

    def read(self, documents: list[Document]) -> None:
        shared: Document | None = None
        if len(documents) > 1:
            shared = next((one for one in documents if Path(one.file).name == SHARED_DEFAULTS), None)
        entries: list[tuple[Document, int, str, Mapping[str, object]]] = []
        for document in documents:
            entries += self._entries(document)
        for document, index, name, _entry in entries:
            self._places.setdefault(name, []).append((document, index))
        merged: dict[str, dict[str, object]] = {}
        for document, index, name, entry in entries:
            if self._only is not None and name not in self._only:
                continue
            unknown = self._unread_defaults.get(document.file)
            if unknown is None and shared is not None:
                unknown = self._unread_defaults.get(shared.file)
            if unknown is not None:
                # What can't be read of the defaults may be the list of people who opted out.
                self._loaded._faults.setdefault(name, unknown)
                continue
            if document.file not in merged:
                merged[document.file] = deep_merge(_defaults(shared), _defaults(document))
            self._entry(document, index, name, deep_merge(merged[document.file], entry), shared)
        self._live_once()
        self._shared_files_stay()

    def _entries(self, document: Document) -> list[tuple[Document, int, str, Mapping[str, object]]]:
        """The file's entries, after a look at the file as a whole."""
        value = document.value
        if not isinstance(value, dict):
            self._fault(document, WHOLE_FILE, (), "needs defaults: and advertisers: at the top")
            return []
        for key in value.keys() - {"defaults", "advertisers"}:
            near = get_close_matches(key, ["defaults", "advertisers"], n=1)
            hint = f"; did you mean {near[0]}?" if near else "; a file has defaults: and advertisers:"
            self._fault(document, WHOLE_FILE, (key,), f"unknown key{hint}")
        if not isinstance(value.get("defaults") or {}, dict):
            self._unread_defaults[document.file] = self._fault(document, DEFAULTS, ("defaults",), "must be a mapping")
        elif "name" in _defaults(document):
            self._fault(document, DEFAULTS, ("defaults", "name"), "a name belongs to one advertiser")
        for problem in document.problems:
            if problem.path[:1] != ("advertisers",) or len(problem.path) < 2:
                entry = DEFAULTS if problem.path[:1] == ("defaults",) else WHOLE_FILE
                fault = self._fault(document, entry, problem.path, problem.message, problem.line)
                if entry == DEFAULTS:
                    self._unread_defaults.setdefault(document.file, fault)
        advertisers = value.get("advertisers") or []
        if not isinstance(advertisers, list):
            self._fault(document, WHOLE_FILE, ("advertisers",), "must be a list, one advertiser after each dash")
            return []
        entries: list[tuple[Document, int, str, Mapping[str, object]]] = []
        for index, entry in enumerate(advertisers):
            if not isinstance(entry, dict):
                self._fault(document, f"advertisers[{index}]", ("advertisers", index), "must be a mapping")
                continue
            name = entry.get("name")
            named = isinstance(name, str) and not holds_secret(name)
            entries.append((document, index, str(name) if named else f"advertisers[{index}]", entry))
        return entries

    def _entry(
        self, document: Document, index: int, name: str, entry: dict[str, object], shared: Document | None
    ) -> None:
        top: KeyPath = ("advertisers", index)
        places = self._places[name]
        if len(places) > 1:
            other = next(place for place in places if place != (document, index))
            line = other[0].line(("advertisers", other[1], "name"))
            self._fault(document, name, (*top, "name"), f"the name is also at {other[0].file}:{line}")
            return
        problems = [problem for problem in document.problems if problem.path[:2] == top]
        for problem in problems:
            self._fault(document, name, problem.path, problem.message, problem.line)
        if problems:
            return
        try:
            self._loaded.advertisers[name] = AdvertiserConfig.model_validate(entry)
        except ValidationError as error:
            filled = _filled(document, top) | _filled(document, ("defaults",)) | _filled(shared, ("defaults",))
            for key, message in explain(error, entry):
                self._place(document, top, name, key, HIDDEN if is_filled(key, filled) else message, shared)

    def _place(
        self, document: Document, top: KeyPath, name: str, key: KeyPath, message: str, shared: Document | None
    ) -> None:
        """Lay a fault where its key is written: in the entry, or in the defaults behind it."""
        if key and document.line((*top, *key)) is None:
            for source in (document, shared):
                if source is not None and source.line(("defaults", *key)) is not None:
                    fault = self._fault(source, DEFAULTS, ("defaults", *key), message)
                    self._loaded._faults.setdefault(name, fault)
                    return
        self._fault(document, name, (*top, *key), message)

    def _live_once(self) -> None:
        """One event set has one ledger and one live route (semantics: "Event id and event key")."""
        live: dict[str, AdvertiserConfig] = {}
        for name, config in list(self._loaded.advertisers.items()):
            if config.mode != "live":
                continue
            first = live.setdefault(config.event_set_id, config)
            if first.route != config.route:
                key, what = "route", f"delivers the same event set by route {first.route}: one live route at a time"
            elif first.state_uri != config.state_uri:
                key, what = (
                    "state_uri",
                    "keeps the ledger of this event set elsewhere: each would send what the other sent",
                )
            else:
                continue
            document, index = self._places[name][0]
            del self._loaded.advertisers[name]
            self._fault(document, name, ("advertisers", index, key), f"advertiser {first.name} {what}")

    def _shared_files_stay(self) -> None:
        """A file that several advertisers read, told apart by ``where:``, is moved away by none of them."""
        readers: dict[tuple[str | None, str], list[AdvertiserConfig]] = {}
        for config in self._loaded.advertisers.values():
            readers.setdefault((config.source.conn_id, config.source.path), []).append(config)
        for configs in readers.values():
            for config in configs if len(configs) > 1 else []:
                other = next(one.name for one in configs if one is not config)
                document, index = self._places[config.name][0]
                for key, moves in (
                    ("after_delivery", config.source.after_delivery != "keep"),
                    ("quarantine_path", config.source.quarantine_path is not None),
                ):
                    if moves:
                        self._loaded.advertisers.pop(config.name, None)
                        message = f"takes the file away from advertiser {other}, which reads the same path"
                        self._fault(document, config.name, ("advertisers", index, "source", key), message)

    def _fault(
        self, document: Document, entry: str, path: KeyPath, message: str, line: int | None = None
    ) -> BrokenEntry:
        keys = path[2:] if path[:1] == ("advertisers",) and len(path) > 1 else path
        keys = keys[1:] if entry == DEFAULTS else keys
        fault = BrokenEntry(
            file=document.file,
            entry=entry,
            key=_shown(".".join(str(key) for key in keys)),
            message=_shown(message),
            line=line or document.line(path) or document.line(path[:2]),
        )
        if fault not in self._loaded.broken:
            self._loaded.broken.append(fault)
        self._loaded._faults.setdefault(entry, fault)
        return fault


def _shown(text: str) -> str:
    """A text of a fault on one line, without the middle of an endless value."""
    if len(text) > _LONGEST_SHOWN:
        text = f"{text[: _LONGEST_SHOWN // 2]} ... {text[-_LONGEST_SHOWN // 2 :]}"
    return one_line(text)


def _filled(document: Document | None, top: KeyPath) -> set[KeyPath]:
    """The keys below ``top`` whose values came from the environment."""
    filled = document.filled if document is not None else set()
    return {path[len(top) :] for path in filled if path[: len(top)] == top}


def _defaults(document: Document | None) -> dict[str, object]:
    value = document.value if document is not None else None
    defaults = value.get("defaults") if isinstance(value, dict) else None
    return defaults if isinstance(defaults, dict) else {}
