"""The one streaming pass over a conversion file."""
