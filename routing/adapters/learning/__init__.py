"""Makes adapters: examples from past answers, training, judging."""
