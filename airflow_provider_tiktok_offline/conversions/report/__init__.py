"""What a pass over a file found, for people and for programs."""
