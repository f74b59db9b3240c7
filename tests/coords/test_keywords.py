"""Frames and scales of keywords, without a WCS."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales, wcs_to_celestial_frame

from xgamma.coords import SkyGrid
from xgamma.coords.keywords import celestial_frame, frame_name, wcs_keywords


def grid(kind, **options):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"{kind}-TAN", {"RA--": "DEC-", "GLON": "GLAT"}[kind] + "-TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [83, 22], [5, 7], [-0.1, 0.2]
    for key, value in options.items():
        setattr(wcs.wcs, key, value)
    wcs.wcs.set()
    return wcs, SkyGrid.from_wcs(wcs, (12, 10))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("GLON", {}),
        ("GLON", {"radesys": "FK5"}),
        ("RA--", {}),
        ("RA--", {"radesys": "ICRS"}),
        ("RA--", {"equinox": 2000.0}),
        ("RA--", {"radesys": "FK5", "equinox": 1975.0}),
        ("RA--", {"equinox": 1950.0}),
        ("RA--", {"radesys": "FK4", "equinox": 1955.0}),
    ],
)
def test_frames_are_those_of_astropy(kind, options):
    wcs, made = grid(kind, **options)
    expected = wcs_to_celestial_frame(wcs)
    keys = wcs_keywords(wcs)
    assert celestial_frame(keys).is_equivalent_frame(expected)
    assert made.frame == frame_name(keys) == expected.name
    # a position in another equinox is the same place
    there = made.position(83.1, 22.2)
    for frame in ("icrs", "galactic", SkyCoord(0, 0, unit="deg", frame="fk5", equinox="J1975").frame):
        labels = made.position_to_labels(there.transform_to(frame))
        np.testing.assert_allclose(labels, made.position_to_labels(there), atol=1e-6)


def test_frames_of_archives_without_the_system():
    _, made = grid("RA--", equinox=2000.0)
    keys = {key: value for key, value in made.keywords.items() if key != "RADESYS"}
    assert frame_name(keys) == "fk5" and frame_name({**keys, "EQUINOX": 1950.0}) == "fk4"
    del keys["EQUINOX"]
    assert frame_name(keys) == "icrs"
    for key, value in (("CTYPE1", "ELON-TAN"), ("RADESYS", "FK4-NO-E")):
        with pytest.raises(ValueError, match="celestial frame of .* is not supported"):
            frame_name({**keys, key: value})


def test_scales_are_those_of_astropy():
    wcs, made = grid("RA--", pc=[[0.8, -0.6], [0.5, 0.7]])
    np.testing.assert_allclose(made.pixel_scale[::-1], proj_plane_pixel_scales(wcs))
