"""One advertiser's settings as they stand now: the configuration is read again when it has changed, and only then."""

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


_known: dict[str, _Known] = {}
_reading = threading.Lock()


def current_settings(path: str, name: str) -> AdvertiserConfig:
    """The settings of an advertiser, read anew if a file of the configuration has changed since the last call.

    All callers of a process share one reading: 200 waiting tasks read a changed file once.

    :param path: ``advertisers.yaml`` or a directory of such files.
    :param name: the entry's name.
    :raises ConfigError: if the configuration or the entry is missing or broken.
    """
    with _reading:
        version = _version(Path(path))
        known = _known.get(path)
        if known is None or known.version != version:
            known = _known[path] = _Known(version, _load(path))
    if isinstance(known.loaded, ConfigError):
        raise ConfigError(known.loaded.what, where=known.loaded.where, todo=known.loaded.todo)
    return known.loaded.advertiser(name)


def _version(path: Path) -> _Version:
    """What a change of any file changes: names, sizes, times, inodes."""
    try:
        files = sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
        return tuple((file.name, (at := file.stat()).st_size, at.st_mtime_ns, at.st_ino) for file in files)
    except OSError:
        return ()


def _load(path: str) -> LoadedConfig | ConfigError:
    try:
        return load_config(path)
    except ConfigError as error:
        return error
