"""Evaluators for InverseBench that count every sample: what its ``evaluator:`` instantiates.

They take what its own take and keep its names. A metric is the mean over the samples of an
object; where InverseBench reports the best sample, so do we, under a name that says it.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lmaps_science.problems.blackhole.metrics import aligned_psnr
from lmaps_science.problems.metrics import psnr, windowed_ssim
from lmaps_science.problems.mri import metrics as mri

Metrics = dict[str, float]


class Evaluator(ABC):
    """Metrics of one object after the other, and their mean and standard deviation.

    Parameters
    ----------
    forward_op : object
        InverseBench's forward operator, or ours in its place.
    """

    def __init__(self, forward_op: Any) -> None:  # noqa: ANN401
        self.forward_op = forward_op
        self.metric_state: dict[str, list[float]] = defaultdict(list)

    def __call__(self, pred: Tensor, target: Tensor, observation: Tensor) -> Metrics:
        """Score the samples of one object.

        Parameters
        ----------
        pred : Tensor
            Samples in physical units, (num_samples, channels, y, x).
        target : Tensor
            The truth, (1, channels, y, x).
        observation : Tensor
            Its data, (1, ...).

        Returns
        -------
        dict of str to float
        """
        if pred.shape[1:] != target.shape[1:] or len(target) != 1:
            raise ValueError(
                "evaluator: expected samples (num_samples, channels, y, x) and one truth of that "
                f"shape, got {tuple(pred.shape)} and {tuple(target.shape)}"
            )
        metrics = self.metrics(pred, target, observation)
        for name, value in metrics.items():
            self.metric_state[name].append(value)
        return metrics

    @abstractmethod
    def metrics(self, pred: Tensor, target: Tensor, observation: Tensor) -> Metrics:
        """What `__call__` returns."""

    def compute(self) -> Metrics:
        """Mean, and standard deviation as ``NAME_std``, over the objects."""
        summary = {}
        for name, values in self.metric_state.items():
            summary[name] = float(np.mean(values))
            summary[f"{name}_std"] = float(np.std(values))
        return summary


class Image(Evaluator):
    """PSNR and SSIM of images, in place of ``eval.Image``.

    InverseBench's adds a number to a list, needs the weights of LPIPS from the network, and
    clips images that run from -1 to 1 to their brighter half.

    Parameters
    ----------
    forward_op : object
        InverseBench's forward operator.
    value_range : sequence of float
        Of the images: black and white.
    """

    def __init__(self, forward_op: Any, value_range: Sequence[float] = (-1.0, 1.0)) -> None:  # noqa: ANN401
        super().__init__(forward_op)
        self.black, self.white = value_range

    def metrics(self, pred: Tensor, target: Tensor, observation: Tensor) -> Metrics:  # noqa: ARG002
        """PSNR over all channels; SSIM is the mean over them."""
        image, truth = ((a - self.black) / (self.white - self.black) for a in (pred, target))
        planes = image.clamp(0, 1).flatten(0, 1), truth.clamp(0, 1).expand_as(image).flatten(0, 1)
        similarity = windowed_ssim(*planes, torch.ones(len(planes[0])))
        return {
            "psnr": float(psnr(image, truth).mean()),
            "ssim": float(similarity.mean()),
        }


class MRI(Evaluator):
    """PSNR, SSIM and data misfit of multi-coil MRI, in place of ``eval.MRI``.

    InverseBench's returns 0 for 2 to 31 samples and divides twice from 32 on, and its misfit
    is one norm over all samples.
    """

    def metrics(self, pred: Tensor, target: Tensor, observation: Tensor) -> Metrics:
        """Of the magnitude; the misfit is |H(x) - y|."""
        device = self.forward_op.device
        pairs = zip(pred.to(device).split(1), [observation.to(device)] * len(pred), strict=True)
        misfits = [float(self.forward_op.loss(*pair).sum().sqrt()) for pair in pairs]
        return {
            "psnr": float(mri.psnr(pred, target).mean()),
            "ssim": float(mri.ssim(pred, target).mean()),
            "data misfit": float(np.mean(misfits)),
        }


class BlackHole(Evaluator):
    """χ² and aligned PSNR of black-hole images, in place of ``eval.BlackHoleEvaluator``.

    InverseBench's reports the best sample of each metric, 1/χ² where χ² is below 1, aligns on
    a grid that leaves out no shift, and labels blurs one column off: its 'f=10' is unblurred.
    Here 'f=10' is blurred by 10 µas, χ² stays what it is, and the best is named so.

    Parameters
    ----------
    forward_op : object
        InverseBench's forward operator, or ours in its place.
    field_of_view_uas : float
        Width of the images, microarcsecond.
    """

    def __init__(self, forward_op: Any, field_of_view_uas: float = 160.0) -> None:  # noqa: ANN401
        super().__init__(forward_op)
        self.field_of_view_uas = field_of_view_uas

    def metrics(self, pred: Tensor, target: Tensor, observation: Tensor) -> Metrics:
        """Means over the samples, and the best as ``NAME (best)``."""
        device = self.forward_op.device
        chi_squared = [
            self.forward_op.evaluate_chisq(one, observation.to(device), normalize=False)
            for one in pred.to(device).split(1)
        ]
        phase, amplitude = (torch.cat(values).cpu() for values in zip(*chi_squared, strict=True))
        values = aligned_psnr(pred.float(), target.float(), self.field_of_view_uas)
        metrics, best = {}, {}
        for name, chi in (("cp_chi2", phase), ("camp_chi2", amplitude)):
            metrics[name], best[f"{name} (best)"] = float(chi.mean()), float(chi.min())
        for name, value in values.items():
            label = _blur_label(name)
            metrics[label], best[f"{label} (best)"] = float(value.mean()), float(value.max())
        return {**metrics, **best}


def _blur_label(name: str) -> str:
    """InverseBench's name of a PSNR: 'blur_psnr (f=10)' for 'blur_psnr_10uas'."""
    kind, _, blur = name.rpartition("_")
    return f"{kind} (f={blur.removesuffix('uas')})" if blur.endswith("uas") else name
