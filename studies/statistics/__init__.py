"""The statistics of a study: pure typed functions on numbers. No database, no clock, no settings.

Every function gives an estimate with its interval, its denominator and the name of its method, or a `NotComputable`
that says why there is none; never NaN. Formulas, their sources and their assumptions: `docs/statistics.md`.
"""
