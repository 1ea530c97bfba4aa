"""Black-hole imaging: the brightness of a source from interferometric closure quantities."""
