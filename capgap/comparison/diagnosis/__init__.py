"""What a table of runs can and cannot tell, said by code and in words.

`examine_design` looks at the runs before a fit, `examine_fit` at a fit; `influence`,
`extrapolation` and `noise_profile` put numbers on what a fit rests on.

A finding with severity `refuse` says that no number from such a fit should be used, `warn`
that some should not be taken at face value, `note` that something is worth knowing.

======================  =============  =====================================================
code                    severity       when
======================  =============  =====================================================
single-value            refuse         all runs share one N, one D or one L_T
few-values              refuse, warn   so few values of an input that coefficients of the law
                                       are one number (refuse), or are separated only by the
                                       law's curvature (warn: two values of N or D)
too-few-runs            refuse, warn   fewer different runs than coefficients (refuse), or so
                                       few more that the residuals say little (warn)
collinear-design        refuse, warn   D rises with N along one power law, so the two terms
                                       can be exchanged (refuse); D falls along one, bends
                                       along one curve or nearly follows it; or L_T follows N
                                       and D (warn)
duplicate-rows          warn, note     rows that repeat another row, its loss included (note:
                                       the losses are rounded so that seeds may agree)
repeats-disagree        warn           runs of equal inputs differ by more than 3%: a hidden
                                       column, such as repeated data
student-below-teacher   warn, note     L_S < L_T, which Eq. 8 cannot express (note: by less than
                                       1% in every run)
loss-units              warn           losses of some runs, or of all teachers, look as if in
                                       bits per token (1.4427 times nats)
D-units, N-units        warn           counts, of all runs or of some, look as if in thousands,
                                       millions or billions
not-converged           refuse         the search did not end at a minimum
not-identified          refuse         a combination of coefficients moves no prediction
weakly-identified       warn           a coefficient known to a factor of 4.5 at best, or to a
                                       quarter of its search range
knee-degenerate         warn           Eq. 8 with an infinite c1, one coefficient fewer, fits
                                       these runs as well
E-at-zero               warn           the irreducible loss ended at zero
exponent-at-bound       warn           an exponent ended at the limit of its search range
at-bound                warn           another coefficient did
few-starts-agree        note           few of the refined starts reached the best objective
lack-of-fit             warn           residuals beyond what repeated runs, a stated seed noise
                                       or the losses' standard errors allow
residual-structure      warn           residuals bend with log N, log D or log L_T
outliers                note           runs beyond five robust standard deviations
======================  =============  =====================================================
"""
