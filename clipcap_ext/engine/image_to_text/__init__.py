"""Image-to-text models of transformers as captioners: their weights are read, their code never is."""
