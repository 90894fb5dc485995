"""SBG's GPT-2 as a thing to train."""
