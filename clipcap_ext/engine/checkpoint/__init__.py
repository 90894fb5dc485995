"""A checkpoint folder and its parts: config, weights, vocabulary; read strictly, written whole. No model is
known here."""
