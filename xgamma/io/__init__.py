"""Files: FITS, NetCDF, Zarr."""
