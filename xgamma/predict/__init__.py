"""Predicted counts."""
