"""Secrets in settings: URIs that hold one are refused, and values from the environment are never shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import zip_longest

from airflow_provider_tiktok_offline.config.yaml_documents import KeyPath
from airflow_provider_tiktok_offline.storage.uris import holds_secret

#: Said of a value that an environment variable filled, instead of what is wrong with it.
HIDDEN = "can't be used; its value comes from the environment and is not shown"


def secret_keys(value: object, path: tuple[str, ...] = ()) -> list[str]:
    """The keys, dotted, of texts that hold a password, token or signature."""
    if isinstance(value, str):
        return [".".join(path)] if holds_secret(value) else []
    found: list[str] = []
    if isinstance(value, Mapping):
        for key, below in value.items():
            name = str(key)
            secret = holds_secret(name)
            if not isinstance(below, str) or holds_secret(below):
                found += secret_keys(below, path if secret else (*path, name))
            if secret:
                found.append(".".join(path))
    elif isinstance(value, list | tuple):
        for below in value:
            found += secret_keys(below, path)
    return found


def is_filled(path: KeyPath, filled: Collection[KeyPath]) -> bool:
    """Whether the value at a path, or one below or above it, came from the environment."""
    return any(all(a == b or a is None or b is None for a, b in zip_longest(path, one)) for one in filled)
