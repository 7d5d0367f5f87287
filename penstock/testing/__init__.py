"""The public test kit: a virtual clock, scripted sources and apps that live as long as a test."""
