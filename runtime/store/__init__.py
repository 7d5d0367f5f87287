"""The one state store, and the only folder with SQL in it."""
