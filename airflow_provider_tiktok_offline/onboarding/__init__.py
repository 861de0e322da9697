"""A retailer's own export to a proposed configuration: what the file shows, and what only a person knows."""
