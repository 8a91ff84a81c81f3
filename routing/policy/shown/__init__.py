"""What past questions tell of a policy, and how it is put into words and figures."""
