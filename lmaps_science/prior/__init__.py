"""Priors: denoisers E[x0 | x_t], trained or analytic, and what travels with them."""
