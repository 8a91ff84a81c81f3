"""Plain text work: words and sentences, in any script, with exact offsets."""
