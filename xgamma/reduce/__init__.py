"""Selections, masks and reductions of datasets."""
