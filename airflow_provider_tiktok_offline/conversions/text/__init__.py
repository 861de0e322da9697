"""Columns of text as bytes, and their digests."""
