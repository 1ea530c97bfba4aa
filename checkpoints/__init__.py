"""Trained priors: weights, cards and a manifest, installed as ``lmaps_science.checkpoints``."""
