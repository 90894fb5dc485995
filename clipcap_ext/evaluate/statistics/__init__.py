"""How sure a score is: resampling, tests of a difference, what is said of a set of texts."""
