"""Whether captions look as if their makers had seen the test photos' own captions; it gives no score."""
