"""A delimited file of any size as blocks of rows with line numbers."""
