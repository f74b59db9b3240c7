"""Spectral, spatial and sky models."""
