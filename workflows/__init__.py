"""The fourth layer: firings, graph results, schedules and calls start durable runs."""
