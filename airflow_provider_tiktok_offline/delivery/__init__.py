"""Deliveries: one file for one advertiser, from validation to close-out.

Operators and commands call the same functions. The floors: ``state`` (what is kept of a delivery), ``source`` (the
conversion file), ``events`` (validation, planning, guards, feed files, outcomes), ``steps`` (one function each; a step
imports no step), ``sequences`` (the order of each route's steps), ``operations`` (what a person or a maintenance task
does). A step may be killed at any instant and called again; it returns a frozen result of URIs, counts and
fingerprints, never rows.
"""
