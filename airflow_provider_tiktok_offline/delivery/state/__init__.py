"""What a delivery remembers between its steps, and who holds it."""
