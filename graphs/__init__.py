"""The third layer: firings come in, graph results go out."""
