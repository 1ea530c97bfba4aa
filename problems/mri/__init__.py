"""Compressed-sensing MRI: complex images from undersampled multi-coil k-space."""
