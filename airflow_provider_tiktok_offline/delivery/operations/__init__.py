"""What a person or a maintenance task does beside the daily steps."""
