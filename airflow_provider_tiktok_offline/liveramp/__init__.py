"""LiveRamp's feed: its contract, file names and limits; writing, packing, encrypting and delivering the feed file."""
