"""PSF and energy-dispersion look-ups."""
