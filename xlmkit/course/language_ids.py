"""Checks for the notebook of this name."""
