"""LiveRamp's feed: its contract, names and limits; writes, compresses, encrypts and delivers the feed file."""
