"""The steps of one delivery, one function each."""
