"""Run by a Python that has sherpa: tells what it reads in the PHA files that are named, one line of JSON each."""

import json
import logging
import sys
import warnings

import numpy as np
from sherpa.astro import ui


def numbers(values):
    return None if values is None else np.asarray(values, dtype=float).tolist()


def spectrum(data):
    return {
        "channel": numbers(data.channel),
        "counts": numbers(data.counts),
        "exposure": data.exposure,
        "backscal": numbers(np.broadcast_to(data.backscal, data.counts.shape)),
        "areascal": numbers(np.broadcast_to(data.areascal, data.counts.shape)),
        "quality": numbers(data.quality),
        "grouping": numbers(data.grouping),
    }


def describe(path):
    ui.clean()
    ui.load_pha(path)
    data, arf, rmf = ui.get_data(), ui.get_arf(), ui.get_rmf()
    told = {"on": spectrum(data), "off": spectrum(ui.get_bkg())}
    told["background"] = numbers(data.sum_background_data())
    told["arf"] = {"energy": [numbers(arf.energ_lo), numbers(arf.energ_hi)], "area": numbers(arf.specresp)}
    told["rmf"] = {
        "energy": [numbers(rmf.energ_lo), numbers(rmf.energ_hi)],
        "channels": [numbers(rmf.e_min), numbers(rmf.e_max)],
        "matrix": [numbers(rmf.apply_rmf(row)) for row in np.eye(rmf.energ_lo.size)],
    }
    ui.set_source(ui.powlaw1d.model)
    ui.get_source().pars[0].val, ui.get_source().pars[1].val = 2.3, 1e9
    ui.get_source().pars[2].val = 1e-18
    told["model"] = numbers(data.eval_model(ui.get_model()))
    ui.set_stat("wstat")
    ui.ignore_bad()
    told["noticed"] = numbers(data.get_mask() if data.mask is not True else np.ones(data.counts.size))
    told["wstat"] = float(ui.calc_stat())
    return told


if __name__ == "__main__":
    warnings.simplefilter("error")
    logging.getLogger("sherpa").setLevel(logging.WARNING)
    for name in sys.argv[1:]:
        print(json.dumps(describe(name)))
