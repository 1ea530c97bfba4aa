"""Restoration of degraded grey images: compression, quantisation, clipping, blur, masks."""
