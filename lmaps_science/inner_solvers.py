"""The inner solvers by name, and which of them suits an operator best."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from lmaps_science.gauss_newton import DataSpaceOperator, GaussNewton
from lmaps_science.interval import Interval, IntervalOperator
from lmaps_science.local_map import ConjugateGradient, GradientSteps, LocalMap, Spectral
from lmaps_science.operator import AffineOperator, LinearizableOperator, Operator
from lmaps_science.relinearization import Relinearization

SolverFactory = Callable[[Operator, Tensor, float], LocalMap]
SOLVERS = ("auto", "spectral", "cg", "gauss_newton", "interval", "gradient")


def inner_solver(
    name: str,
    operator: Operator,
    y: Tensor,
    weight: float,
    cg_tolerance: float,
    gradient_options: Mapping[str, Any],
) -> LocalMap:
    """The local MAP of an operator and its data, to be solved by a solver's name.

    Parameters
    ----------
    name : str
        One of `SOLVERS`.
    operator, y, weight
        As in `LocalMap`.
    cg_tolerance : float
        Of ``"cg"``.
    gradient_options : mapping
        Of ``"gradient"``.

    Raises
    ------
    ValueError
        If the operator does not offer what the solver needs.
    """
    name = _best(operator) if name == "auto" else name
    if name == "gradient":
        return GradientSteps(operator, y, weight, **gradient_options)
    if name == "cg":
        return ConjugateGradient(operator, y, weight, cg_tolerance)
    if name == "interval":
        return Interval(operator, y, weight)
    if name == "gauss_newton":
        if isinstance(operator, LinearizableOperator):
            return Relinearization(operator, y, weight)
        return GaussNewton(operator, y, weight)
    if not isinstance(operator, AffineOperator):
        raise ValueError(
            "solver='spectral' needs an affine operator with a spectrum, got "
            f"{type(operator).__name__}: use another solver or 'auto'"
        )
    return Spectral(operator, y, weight)


def _best(operator: Operator) -> str:
    """Name of the most exact solver that the operator offers."""
    if isinstance(operator, IntervalOperator):
        return "interval"
    if isinstance(operator, AffineOperator) and operator.spectrum() is not None:
        return "spectral"
    if operator.quadratic:
        return "cg"
    smooth = isinstance(operator, DataSpaceOperator | LinearizableOperator)
    return "gauss_newton" if smooth else "gradient"
