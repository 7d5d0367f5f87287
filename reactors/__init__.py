"""The second layer: boundaries come in, firings go out."""
