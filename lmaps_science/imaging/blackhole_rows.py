"""What the report tells of a black hole, from its summary, row by row."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

EAST_OF_NORTH = "° east of north"


def image_rows(summary: Mapping[str, Any], num_samples: int) -> dict[str, str]:
    """Rows on the image: fit, ring by samples and by the posterior's, and what was measured.

    Parameters
    ----------
    summary : mapping
        What ``summary.json`` holds.
    num_samples : int
        Samples that the image shows.
    """
    flux, spread = summary["compact_flux_jy"], summary["spread"]
    rows = {
        "χ² of closure phases, by sample": _range(summary["chi2_closure_phase"]),
        "χ² of log closure amplitudes, by sample": _range(summary["chi2_log_closure_amplitude"]),
        "Samples that are a ring": f"{summary['rings']} of {num_samples}",
        **_ring_rows(summary, ""),
        "Ring width": _plus_minus(summary["ring_width_uas"], " µas"),
        "Modes": " + ".join(str(len(mode["members"])) for mode in summary["modes"]) + " samples",
        "Compact flux": "not used" if flux is None else f"{flux:g} Jy",
        "Data": (
            f"{summary['closure_phases']} closure phases and {summary['log_closure_amplitudes']} "
            f"log closure amplitudes of {', '.join(summary['stations'])}"
        ),
    }
    if spread is not None and spread["rings"]:
        how = ", calibrated" if spread["calibrated"] else ""
        rows |= _ring_rows(spread, f", posterior samples{how}")
    return rows


def control_row(summary: Mapping[str, Any]) -> dict[str, str]:
    """Row on a known source, in columns."""
    truth, rings = summary["metrics"], summary["rings"]
    is_ring = truth["true_ring"]
    columns = {
        "kept": f"{summary['kept_samples']} of {summary['num_samples']}",
        "rings": f"{rings}" if is_ring else f"{rings} (it is none)",
        "true diameter (µas)": f"{truth['true_ring_diameter_uas']:.1f}",
        "true position angle (°)": f"{truth['true_ring_position_angle_deg']:.0f}",
        "diameter (µas)": _plus_minus(summary["ring_diameter_uas"]),
        "position angle (°)": _plus_minus(summary["ring_position_angle_deg"], digits=0),
        "correlation with the truth": f"{truth['correlation']:.3f}",
    }
    unknown = [name for name in columns if name.startswith("true ") and not is_ring]
    unknown += [name for name in ("diameter (µas)", "position angle (°)") if not rings]
    return columns | dict.fromkeys(unknown, "–")


def _ring_rows(summary: Mapping[str, Any], of: str) -> dict[str, str]:
    return {
        f"Ring diameter{of}": _plus_minus(summary["ring_diameter_uas"], " µas"),
        f"Ring diameter, corrected for its width{of}": _plus_minus(
            summary["ring_diameter_corrected_uas"], " µas"
        ),
        f"Position angle{of}": _plus_minus(
            summary["ring_position_angle_deg"], EAST_OF_NORTH, digits=0
        ),
    }


def _range(chi_squared: Sequence[float]) -> str:
    if not chi_squared:
        return "none formed"
    return f"median {np.median(chi_squared):.2f}, worst {np.max(chi_squared):.2f}"


def _plus_minus(value: Mapping[str, float], unit: str = "", digits: int = 1) -> str:
    return f"{value['mean']:.{digits}f} ± {value['std']:.{digits}f}{unit}"
