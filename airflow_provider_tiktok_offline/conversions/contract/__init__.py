"""The programme's columns, the catalogue of rules, and the settings that decide what a row becomes."""
