"""What is known of past answers: labels from feedback, from clicks, and from samples drawn at random."""
