"""What admins look after, as the pages show it."""
