"""What a classifier behind the image tower knows: plain words with probabilities. It writes no captions."""
