"""Reconstructions by other people's programs, to compare with: sigpy's, and BART's where it is.

All take the operator and data of our own: its maps, mask and scale, so that strengths are of
normalised images. Line weights are left out: they lower each of these by up to 2 dB, for a
penalty that fits the well-measured lines is too weak for the others.
"""

import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmaps_science.problems.mri.formats.cfl import read_cfl, to_bart, write_cfl
from lmaps_science.problems.mri.operator import MultiCoilMRI

_STEPS = 100


def sense(
    operator: MultiCoilMRI, y: Tensor, strength: float = 0.001, num_steps: int = 30
) -> Tensor:
    """½ |residual|² + strength/2 |x|² by sigpy's conjugate gradients.

    Parameters
    ----------
    operator : MultiCoilMRI
        Forward operator.
    y : Tensor
        Data, (cases, coils, y, x, 2).
    strength : float
        Of the regularisation.
    num_steps : int
        Iterations.

    Returns
    -------
    Tensor
        Normalised images, (cases, 2, y, x).

    Raises
    ------
    ImportError
        If sigpy is missing.

    References
    ----------
    Pruessmann et al., Magn. Reson. Med. 42, 952 (1999).
    """
    return _by_sigpy("SenseRecon", operator, y, strength, num_steps)


def l1_wavelet(
    operator: MultiCoilMRI, y: Tensor, strength: float, num_steps: int = _STEPS
) -> Tensor:
    """½ |residual|² + strength |Ψx|₁, Ψ a Daubechies-4 wavelet transform, by sigpy's FISTA.

    Parameters, results and errors are those of `sense`.

    References
    ----------
    Lustig et al., Magn. Reson. Med. 58, 1182 (2007).
    """
    return _by_sigpy("L1WaveletRecon", operator, y, strength, num_steps)


def total_variation(
    operator: MultiCoilMRI, y: Tensor, strength: float, num_steps: int = 400
) -> Tensor:
    """½ |residual|² + strength |∇x|₁ by sigpy's primal-dual iterations, which are slow.

    Parameters, results and errors are those of `sense`.

    References
    ----------
    Block et al., Magn. Reson. Med. 57, 1086 (2007).
    """
    return _by_sigpy("TotalVariationRecon", operator, y, strength, num_steps)


def bart_is_installed() -> bool:
    """Whether the program ``bart`` is found."""
    return shutil.which("bart") is not None


def bart_pics(
    operator: MultiCoilMRI, y: Tensor, strength: float, num_steps: int = _STEPS
) -> Tensor:
    """½ |residual|² + strength |Ψx|₁ by BART's ``pics -l1``.

    Parameters and results are those of `sense`. BART shifts matrices of odd size.

    Raises
    ------
    FileNotFoundError
        If BART is not installed.
    RuntimeError
        If it fails; the message is its own.
    """
    program = shutil.which("bart")
    if program is None:
        raise FileNotFoundError("bart: not found on the path; install BART (mrirecon.github.io)")

    def solve(kspace: NDArray, maps: NDArray, mask: NDArray) -> NDArray:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            arrays = {"kspace": kspace, "maps": maps, "pattern": mask}
            for label, array in arrays.items():
                write_cfl(folder / label, to_bart(array))
            # Without -w 1, BART normalises the data by an estimate of its own.
            options = f"pics -S -w 1 -l1 -r {strength} -i {num_steps} -p pattern kspace maps image"
            _run([program, *options.split()], folder)
            return np.array(read_cfl(folder / "image")).squeeze().T

    return _in_phase(operator, _each_case(operator, y, solve), y)


def _in_phase(operator: MultiCoilMRI, images: Tensor, y: Tensor) -> Tensor:
    """Images turned to the phase of the data: pics turns them with the size of the matrix."""
    predicted = torch.view_as_complex(operator.forward(images))
    phase = (predicted.conj() * torch.view_as_complex(y)).flatten(1).sum(1).angle()
    turned = torch.view_as_complex(images.movedim(1, -1).contiguous())
    turned = turned * torch.polar(torch.ones_like(phase), phase)[:, None, None]
    return torch.view_as_real(turned).movedim(-1, 1).contiguous()


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(  # noqa: S603 - found by its name, arguments are numbers
        command, cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines()
        raise RuntimeError(f"bart: failed with {lines[-1] if lines else done.returncode!r}")


def _by_sigpy(
    name: str, operator: MultiCoilMRI, y: Tensor, strength: float, num_steps: int
) -> Tensor:
    app = getattr(require_sigpy().app, name)

    def solve(kspace: NDArray, maps: NDArray, mask: NDArray) -> NDArray:
        options: dict[str, Any] = {"weights": mask, "max_iter": num_steps, "show_pbar": False}
        return app(kspace, maps, lamda=strength, **options).run()

    with _own_random_numbers():
        return _each_case(operator, y, solve)


def _each_case(
    operator: MultiCoilMRI, y: Tensor, solve: Callable[[NDArray, NDArray, NDArray], NDArray]
) -> Tensor:
    """`solve` for each case, from k-space and maps (coils, y, x) and the mask (y, x)."""
    maps = operator.sensitivity_maps.cpu().numpy().astype(np.complex64)
    mask = operator.mask.cpu().numpy().astype(np.float32)
    kspace = operator.kspace(y).cpu().numpy().astype(np.complex64) / operator.unnorm_scale
    images = [solve(case, maps, mask) for case in kspace]
    pairs = torch.view_as_real(torch.from_numpy(np.array(images, dtype=np.complex64)))
    return pairs.movedim(-1, 1).contiguous().to(y.device)


def require_sigpy() -> ModuleType:
    """The module ``sigpy.mri``, or an ImportError that says how to get it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import sigpy.mri
    except ImportError as error:
        raise ImportError("this baseline needs sigpy: pip install 'lmaps-science[mri]'") from error
    return sigpy.mri


@contextmanager
def _own_random_numbers() -> Iterator[None]:
    """Sigpy draws from NumPy's global generator: the same numbers each time, and only here."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
