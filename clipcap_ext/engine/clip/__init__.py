"""CLIP's two towers: images and texts to features, and where published weights lie on this disk."""
