"""What is stored of runs: who may run, where a run begins, how far it is, and what it noted."""
