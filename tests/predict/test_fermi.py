import numpy as np
import pytest

from xgamma.models import GaussianSpatialModel, PointSpatialModel, PowerLawSpectralModel, SkyModel
from xgamma.predict import npred, npred_signal

AT = {"lon_0": "0 deg", "lat_0": "0 deg", "frame": "galactic"}
SHAPES = {"point": PointSpatialModel(**AT), "gauss": GaussianSpatialModel(**AT, sigma="0.3 deg")}


@pytest.mark.parametrize("shape", SHAPES)
def test_reference(fermi_path, reference, shape):
    """Axes with nodes, a PSF on energies of its own without dims on the sky, MeV, keV and cm2 s."""
    from xgamma.io.open import open_dataset

    ds = open_dataset(fermi_path)
    expected = reference("fermi-3fhl-gc")[shape]
    spectrum = PowerLawSpectralModel(index=2.2, amplitude="1e-11 cm-2 s-1 TeV-1", reference="100 GeV")
    model = SkyModel(spectrum, SHAPES[shape], name="source")
    signal = npred_signal(ds, [model])
    total = signal.sum(("y", "x"))
    # The PSF has 11 energies and the exposure 12: gammapy fills 11 of its 12 kernels, so that its last bin
    # lacks what the last true energy adds. That bin is compared with flux x exposure x dispersion.
    np.testing.assert_allclose(total[:-1], expected["npred_signal_per_energy"][:-1], rtol=5e-3)
    np.testing.assert_allclose(npred(ds, [model]).sum(("y", "x"))[:-1], expected["npred_per_energy"][:-1], rtol=1e-5)
    edges = ds["energy_true_min"].values * 1e-6, ds["energy_true_max"].values * 1e-6
    exposure = ds["exposure"].sel(lon=0, lat=0, method="nearest").values
    counts = (spectrum.integrate_array(*edges) * exposure) @ ds["edisp"].values
    # the PSF table ends at 1.85 deg, so that nothing is lost at the border of the map
    np.testing.assert_allclose(total, counts, rtol=2e-3)
    without = counts[-1] - (spectrum.integrate_array(*edges) * exposure)[-1] * ds["edisp"].values[-1, -1]
    assert without == pytest.approx(expected["npred_signal_per_energy"][-1], rel=5e-3)
    if shape == "gauss":
        peaks = signal.max(("y", "x"))[:-1]
        np.testing.assert_allclose(peaks, expected["npred_signal_peak_per_energy"][:-1], rtol=2e-2)
