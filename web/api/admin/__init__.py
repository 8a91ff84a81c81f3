"""What admins' scripts call."""
