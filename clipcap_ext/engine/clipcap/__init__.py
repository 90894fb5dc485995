"""ClipCap: a mapping network in front of GPT-2."""
