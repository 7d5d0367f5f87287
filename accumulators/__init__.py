"""The first layer: events come in, boundaries go out."""
