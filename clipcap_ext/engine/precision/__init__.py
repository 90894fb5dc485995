"""How exactly a captioner reckons: 8-bit weights on a CPU, and what a choice of precision means."""
