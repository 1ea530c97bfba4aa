"""Regularised maximum likelihood by ehtim, the imager that the EHT used: a baseline."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lmaps_science.problems.blackhole.fourier import RADIANS_PER_UAS
from lmaps_science.problems.blackhole.observation import INTRA_SITE, Observation
from lmaps_science.problems.blackhole.operator import BlackHoleImaging
from lmaps_science.problems.blackhole.silence import silenced

_BANDWIDTH, _FLUX_WEIGHT = 1.856e9, 1e4


def rml(
    operator: BlackHoleImaging,
    prior_fwhm_uas: float = 40.0,
    entropy: float = 100.0,
    total_variation: float = 1.0,
    squared_variation: float = 1.0,
    data_weights: Sequence[float] = (1.0, 10.0, 20.0),
    repeats: int = 2,
    max_iterations: int = 100,
) -> Tensor:
    """Image closure phases and log closure amplitudes as a script for ehtim does.

    Each round raises the weight of the data and starts from the last image, blurred by the
    nominal resolution; within a round the image is blurred and fitted again. The weights are
    the best of a grid on simulated sources (benchmarks/blackhole_rml.py), and those of the
    EHT's own script. Nothing is random.

    Parameters
    ----------
    operator : BlackHoleImaging
        Made by `BlackHoleImaging.from_uvfits`; its `observation` is imaged at its compact flux,
        or at 1 Jy where that is not known.
    prior_fwhm_uas : float
        Full width at half maximum of the round Gaussian that is the first image and the prior
        of the entropy.
    entropy, total_variation, squared_variation : float
        Weights of ehtim's regularisers ``simple``, ``tv`` and ``tv2``.
    data_weights : sequence of float
        Weight of closure phases and of log closure amplitudes, one per round.
    repeats : int
        Fits in a round.
    max_iterations : int
        Iterations of L-BFGS in a fit.

    Returns
    -------
    Tensor
        (1, 1, y, x) in [-1, 1], peak 1.

    Raises
    ------
    ImportError
        If ehtim is not installed.
    ValueError
        If the operator was not made from a file.

    References
    ----------
    Chael et al., ApJ 857, 23 (2018); EHT Collaboration, ApJL 875, L4 (2019).
    """
    if operator.observation is None:
        raise ValueError("rml: expected an operator made by from_uvfits, got one without data")
    with silenced():
        try:
            import ehtim
        except ImportError as error:
            raise ImportError("rml needs ehtim: pip install 'lmaps-science[eht]'") from error
        observation = _obsdata(operator.observation)
        observation.reorder_tarr_snr()
        flux = operator.flux
        fwhm = prior_fwhm_uas * RADIANS_PER_UAS
        width = operator.field_of_view_uas * RADIANS_PER_UAS
        prior = ehtim.image.make_square(observation, operator.image_shape[-1], width)
        prior = prior.add_gauss(flux, (fwhm, fwhm, 0, 0, 0))
        # A second, faint one: at a round image the closure phases have no gradient.
        prior = prior.add_gauss(1e-3 * flux, (fwhm, fwhm, 0, fwhm, fwhm))
        image = prior
        for weight in data_weights:
            imager = ehtim.imager.Imager(
                observation,
                image,
                prior_im=prior,
                flux=flux,
                data_term={"cphase": weight, "logcamp": weight},
                reg_term={
                    "simple": entropy,
                    "tv": total_variation,
                    "tv2": squared_variation,
                    "flux": _FLUX_WEIGHT,
                },
                norm_reg=True,
                maxit=max_iterations,
                stop=1e-4,
                cp_uv_min=INTRA_SITE,
                ttype="direct",
            )
            imager.make_image_I(niter=repeats, show_updates=False)
            image = imager.out_last().blur_circ(observation.res())
        brightness = torch.from_numpy(imager.out_last().imarr().copy()).float()[None, None]
    return 2 * brightness / brightness.max() - 1


def _obsdata(observation: Observation) -> Any:  # noqa: ANN401 - ehtim has no types
    """ehtim's Obsdata: every scan at a time of its own, that closures stay within it.

    ehtim cannot group visibilities by time where every group has the same size. One more, with no
    weight and at a time of its own, makes no closure and keeps it from that.
    """
    from ehtim.const_def import DTARR, DTPOL_STOKES
    from ehtim.obsdata import Obsdata

    first = {s: observation.time[observation.scan == s].min() for s in np.unique(observation.scan)}
    rows = np.zeros(len(observation), dtype=DTPOL_STOKES)
    rows["time"] = [first[scan] + 1e-6 * scan for scan in observation.scan]
    rows["t1"], rows["t2"] = observation.stations.T
    rows["u"], rows["v"] = observation.uv.T
    rows["vis"], rows["sigma"] = observation.visibility, observation.sigma
    alone = rows[-1:].copy()
    alone["time"] = rows["time"].max() + 1
    alone["sigma"] = 1e9
    rows = np.concatenate([rows, alone])
    stations = np.zeros(len(np.unique(observation.stations)), dtype=DTARR)
    stations["site"] = np.unique(observation.stations)
    return Obsdata(
        observation.right_ascension / 15,
        observation.declination,
        observation.frequency,
        _BANDWIDTH,
        rows,
        stations,
        mjd=observation.mjd,
    )
