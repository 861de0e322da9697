"""The events that valid rows become: ids, duplicates, baskets and JSON."""
