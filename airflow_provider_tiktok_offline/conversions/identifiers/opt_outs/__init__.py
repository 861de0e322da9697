"""People who opted out: the list as mailing tools export it, and the rows whose people are on it."""
