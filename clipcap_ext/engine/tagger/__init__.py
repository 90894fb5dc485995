"""Taggers: classifiers that give each of thousands of tags its probability, run by onnxruntime."""
