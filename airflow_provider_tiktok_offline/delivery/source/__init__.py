"""The day's conversion file: finding, reading and retaining it; and the opt-out list."""
