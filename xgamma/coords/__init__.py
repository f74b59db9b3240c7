"""Axes, sky grids and their indexes."""
