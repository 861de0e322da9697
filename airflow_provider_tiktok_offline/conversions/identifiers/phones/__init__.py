"""Phone numbers to E.164, column by column."""
