"""The row-level rules: parsed rows to values, issues and one class a row."""
