"""The statistics: guarantees from labels, intervals, and tests of drift. Plain functions, no database."""
