"""Hydra configurations, installed as ``lmaps_science.configs``."""
