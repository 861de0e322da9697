"""An advertiser's LiveRamp feed: its settings, its kept state, its contract's categories, and its destination."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_tiktok_offline.config.models import LiveRampConfig
from airflow_provider_tiktok_offline.delivery.state.context import DeliveryContext
from airflow_provider_tiktok_offline.errors import ConfigError, FeedError
from airflow_provider_tiktok_offline.storage.uris import is_uri, sftp_uri

if TYPE_CHECKING:
    from airflow_provider_tiktok_offline.conversions.contract.settings import ConversionSettings, Limits
    from airflow_provider_tiktok_offline.liveramp.encryption import Recipient
    from airflow_provider_tiktok_offline.liveramp.feed import Feed
    from airflow_provider_tiktok_offline.liveramp.feed_state import FeedState
    from airflow_provider_tiktok_offline.liveramp.publish import Destination, FeedPublisher
#: No public key is larger; more of a file is not read.
_LARGEST_KEY_BYTES = 1024 * 1024


def liveramp_config(ctx: DeliveryContext) -> LiveRampConfig:
    """The advertiser's liveramp section.

    :raises ConfigError: if its route is another one, or settings do not fit the route.
    """
    config = ctx.config
    if config.route != "liveramp" or config.liveramp is None:
        raise ConfigError("this advertiser's route is not liveramp.", where=config.name)
    if config.basket != "row":
        raise ConfigError("basket: order is for the tiktok route; a feed file has a row an item.", where=config.name)
    return config.liveramp


def feed_name(ctx: DeliveryContext) -> str:
    """The feed's name: as configured, else the advertiser's."""
    settings = ctx.config.liveramp
    return (settings.feed if settings is not None else None) or ctx.config.name


def open_feed_state(ctx: DeliveryContext) -> FeedState:
    """What is kept of the advertiser's feed: its contract, the file of each day, the deliveries that wait."""
    from airflow_provider_tiktok_offline.liveramp.feed_state import FeedState

    return FeedState(ctx.objects, feed_name(ctx), ctx.clock, lease_seconds=ctx.config.ledger.lease_seconds)


def contract_columns(ctx: DeliveryContext) -> tuple[str, ...] | None:
    """The columns that the feed's contract gives every file; None outside the route and before there is a contract."""
    if ctx.config.route != "liveramp":
        return None
    try:
        return open_feed_state(ctx).contract(ctx.config.name).columns
    except FeedError:
        # The deliver step reports it.
        return None


def contract_settings(ctx: DeliveryContext) -> ConversionSettings:
    """What decides what a row becomes; under a feed's contract, only the categories of its sample file are known."""
    settings = ctx.config.conversion_settings()
    if ctx.config.route != "liveramp":
        return settings
    settings = replace(settings, limits=_limits(ctx, settings.limits))
    try:
        contract = open_feed_state(ctx).contract(ctx.config.name)
    except FeedError:
        # The deliver step reports it: a file can be validated before its feed is set up.
        return settings
    return replace(settings, categories=frozenset(contract.categories))


def _limits(ctx: DeliveryContext, limits: Limits) -> Limits:
    """The limits of the advertiser's files: unless it says otherwise, rows are as long as LiveRamp's region takes."""
    from airflow_provider_tiktok_offline.liveramp.regions import longest_row

    destination = ctx.config.liveramp
    if destination is None or destination.conn_id is None or "row_characters" in ctx.config.limits.model_fields_set:
        return limits
    try:
        longest = longest_row(ctx.connections.get(destination.conn_id))
    except ConfigError:
        # The deliver step reports it.
        return limits
    return limits if longest is None else replace(limits, row_characters=longest)


def feed_publisher(ctx: DeliveryContext) -> FeedPublisher:
    """What brings the feed's files to their destination.

    :raises FeedError: if the feed has no contract.
    :raises ConfigError: if the key that files are encrypted to can't be used now.
    """
    from airflow_provider_tiktok_offline.liveramp.publish import FeedPublisher

    feed_state = open_feed_state(ctx)
    destination = _destination(ctx, feed_state.contract(ctx.config.name))
    return FeedPublisher(destination, feed_state, ctx.connections, ctx.clock, ctx.holder)


def _destination(ctx: DeliveryContext, feed: Feed) -> Destination:
    """Where the feed file goes, with the key it is encrypted to."""
    from airflow_provider_tiktok_offline.liveramp.publish import Destination

    settings = liveramp_config(ctx)
    uri = settings.destination
    if not is_uri(uri) and settings.conn_id is not None:
        uri = sftp_uri(settings.conn_id, uri)
    return Destination(
        folder_uri=uri,
        template=settings.file_name,
        feed=feed.name,
        delimiter=feed.delimiter,
        gzip=settings.gzip,
        recipient=_recipient(ctx, settings),
        staged=settings.staged,
        temporary_name=settings.temporary_name,
        below_minimum=settings.below_minimum,
    )


def _recipient(ctx: DeliveryContext, settings: LiveRampConfig) -> Recipient | None:
    """The PGP key that the file is encrypted to; None where it goes unencrypted."""
    from airflow_provider_tiktok_offline.liveramp.encryption import load_recipient
    from airflow_provider_tiktok_offline.storage.files import open_files

    if settings.pgp_key is None:
        return None
    if settings.pgp_key.lstrip().startswith("-----BEGIN"):
        key, where = settings.pgp_key.encode(), f"{ctx.config.name}, liveramp.pgp_key"
    else:
        where = settings.pgp_key
        with open_files(where, ctx.connections) as files, files.open_read(where) as stream:
            key = stream.read(_LARGEST_KEY_BYTES)
    return load_recipient(key, fingerprint=settings.pgp_fingerprint, now=ctx.clock.now(), where=where)
