"""The day's conversion file: found, read, kept or moved; and the opt-out list."""
