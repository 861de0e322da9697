"""The commands, by their groups; what several of them share lies a level above."""
