"""Restoration of degraded grey images: compression, few bits, saturation, masks, blur."""
