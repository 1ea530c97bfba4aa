"""Configurations that the Hydra plugin adds to InverseBench."""
