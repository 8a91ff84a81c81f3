"""What every other folder may rely on: settings, errors, identity, usage, the clock and the database."""
