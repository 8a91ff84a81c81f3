"""Values of the other folders turned into what the templates show."""
