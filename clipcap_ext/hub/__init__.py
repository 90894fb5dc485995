"""Published weights from the Hugging Face Hub into the models folder, only when asked for; it captions
nothing."""
