"""Reduced gamma-ray data as labelled arrays."""
