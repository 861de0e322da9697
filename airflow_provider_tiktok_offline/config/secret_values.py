"""Secrets in settings: URIs that hold one are refused, and values from the environment are never shown."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import zip_longest

from airflow_provider_tiktok_offline.config.yaml_documents import KeyPath
from airflow_provider_tiktok_offline.storage.uris import holds_secret

#: Said of a value that an environment variable filled, instead of what is wrong with it.
HIDDEN = "can't be used; its value comes from the environment and is not shown"


def secret_keys(value: object, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The keys, dotted, of texts that hold a password, token or signature."""
    if isinstance(value, str):
        if holds_secret(value):
            yield ".".join(path)
    elif isinstance(value, Mapping):
        for key, below in value.items():
            yield from secret_keys(below, path if holds_secret(str(key)) else (*path, str(key)))
            if holds_secret(str(key)):
                yield ".".join(path)
    elif isinstance(value, list | tuple):
        for below in value:
            yield from secret_keys(below, path)


def is_filled(path: KeyPath, filled: Collection[KeyPath]) -> bool:
    """Whether the value at a path, or one below or above it, came from the environment."""
    return any(all(a == b or a is None or b is None for a, b in zip_longest(path, one)) for one in filled)
