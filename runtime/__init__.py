"""The kernel: errors, clock, codec, callables, scheduler, metrics and the state store. Imports no other layer."""
