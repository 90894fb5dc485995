"""What a picture says for and against the words of a caption, whoever wrote it."""
