"""How everything in a report was computed, for its appendix: terms with formulas in plain text, and references."""

from __future__ import annotations

import xarray as xr

__all__ = ["REFERENCES", "method_of"]

REFERENCES = (
    "I. Radosavovic, J. Johnson, S. Xie, W.-Y. Lo, P. Dollár: On Network Design Spaces for Visual Recognition. "
    "ICCV 2019, arXiv:1905.13214.",
    "P. Massart: The tight constant in the Dvoretzky–Kiefer–Wolfowitz inequality. Annals of Probability 18, 1990.",
    "B. Phipson, G. K. Smyth: Permutation p-values should never be zero. Statistical Applications in Genetics and "
    "Molecular Biology 9, 2010.",
    "S. Holm: A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6, 1979.",
    "F. E. Satterthwaite: An approximate distribution of estimates of variance components. Biometrics Bulletin 2, "
    "1946.",
)


def method_of(comparison: xr.Dataset) -> list[tuple[str, str]]:
    """Terms and what they mean, with this comparison's settings.

    Parameters
    ----------
    comparison : Dataset
        What `edfstat.compare` returned.

    Returns
    -------
    list of (str, str)
    """
    level, eps = float(comparison.attrs["level"]), float(comparison.attrs["eps"])
    return [
        (
            "Distribution",
            "F(e) = Σ wᵢ 1[eᵢ ≤ e], the weighted share of models with error at most e. Bands: Dvoretzky, Kiefer and "
            f"Wolfowitz with Massart's constant, half width √(ln(2/α) / 2n*) with α = {1 - level:.2g}, where "
            "n* = (Σw)² / Σw² is the effective number of models.",
        ),
        (
            "Normalization",
            "The range of complexity that all groups share is cut into k bins; each of the m models of a group in a "
            "bin gets weight 1/(k m). Bins in which some group has no model are dropped for all.",
        ),
        (
            "Test",
            "D = sup |F(e) − G(e)| over all errors e, for the curves F and G of two groups. Under a measure its "
            f"p-value comes from {int(comparison.attrs['n_resamples'])} permutations of group labels within "
            "complexity bins, (1 + b)/(1 + B) where b of B reach D, or from all assignments where they are few; "
            "without a measure from Kolmogorov's law, exact under ties where samples are small. Holm's method adjusts "
            "for the pairs of a measure.",
        ),
        (
            "Above, dominance",
            "A group is said to lie above another if D is significant after adjustment and the largest excess of the "
            "other's curve is not even before adjustment; where that is significant, too, the curves cross.",
        ),
        (
            "AUC",
            f"(1/ε) ∫ F from 0 to ε, which is 1 − Σ wᵢ min(1, eᵢ/ε); ε = {eps:g} % here. Intervals: logit-t with "
            "Satterthwaite's degrees of freedom and the variance within bins; for differences Welch's t.",
        ),
        (
            "Random search",
            "The best of m draws exceeds the error e with probability (1 − F(e))^m; quantiles follow exactly, without "
            "simulation. To hit a target t with probability P takes ⌈ln(1 − P) / ln(1 − F(t))⌉ draws.",
        ),
        (
            "Failures",
            "A diverged model counts with the best error it reached, or as worse than any other. Models lost to "
            "accidents of the run are left out and counted.",
        ),
    ]
