"""A configuration as it stands now: it is read again when one of its files has changed, and only then."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_tiktok_offline.config.loading import LoadedConfig, load_config
from airflow_provider_tiktok_offline.config.models import AdvertiserConfig
from airflow_provider_tiktok_offline.errors import ConfigError

_Version = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class _Known:
    version: _Version
    loaded: LoadedConfig | ConfigError


_known: dict[tuple[str, str | None], _Known] = {}
_reading = threading.Lock()


def current_settings(path: str, name: str) -> AdvertiserConfig:
    """The settings of an advertiser; all entries of the file are read together.

    For a process that asks for many: 200 waiting tasks read a changed file once.

    :param path: ``advertisers.yaml`` or a directory of such files.
    :param name: the entry's name.
    :raises ConfigError: if the configuration or the entry is missing or broken.
    """
    return _current(path, None).advertiser(name)


def current_entry(path: str, name: str) -> LoadedConfig:
    """The configuration with that entry alone, for a process that works for one advertiser.

    :param path: ``advertisers.yaml`` or a directory of such files.
    :param name: the entry's name.
    :raises ConfigError: if there is no such file, or nothing of it can be read as YAML.
    """
    return _current(path, name)


def _current(path: str, only: str | None) -> LoadedConfig:
    with _reading:
        # Taken before the reading: a change in the middle of it is seen at the next call.
        version = _version(Path(path))
        known = _known.get((path, only))
        if known is None or known.version != version:
            known = _known[path, only] = _Known(version, _load(path, only))
    if isinstance(known.loaded, ConfigError):
        raise ConfigError(known.loaded.what, where=known.loaded.where, todo=known.loaded.todo)
    return known.loaded


def _version(path: Path) -> _Version:
    """What a change of any file changes: names, sizes, times, inodes."""
    try:
        files = sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
        return tuple((file.name, (at := file.stat()).st_size, at.st_mtime_ns, at.st_ino) for file in files)
    except OSError:
        return ()


def _load(path: str, only: str | None) -> LoadedConfig | ConfigError:
    try:
        return load_config(path, only=None if only is None else [only])
    except ConfigError as error:
        return error
