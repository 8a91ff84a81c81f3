"""Messages and appointments."""
