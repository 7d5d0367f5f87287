"""The code behind ``penstock demo``."""
