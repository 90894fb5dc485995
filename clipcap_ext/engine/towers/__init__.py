"""The models behind the bundled encoder, defined here so that captioning with it imports no library of
models."""
