"""E-mail addresses and phone numbers in their normal forms, and the opt-out list."""
