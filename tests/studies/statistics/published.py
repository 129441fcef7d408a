"""Published data and what was published of it, each with its source. Facts, from which the tests compute."""

from __future__ import annotations

ANEURYSM_GOOD = (
    (1, 0.04),
    (1, 0.04),
    (1, 0.04),
    (1, 0.04),
    (1, 0.05),
    (1, 0.05),
    (1, 0.06),
    (1, 0.06),
    (1, 0.07),
    (1, 0.07),
    (1, 0.07),
    (1, 0.07),
    (1, 0.08),
    (1, 0.08),
    (1, 0.08),
    (1, 0.08),
    (1, 0.09),
    (1, 0.09),
    (1, 0.09),
    (1, 0.09),
    (1, 0.1),
    (1, 0.1),
    (1, 0.1),
    (1, 0.1),
    (1, 0.11),
    (1, 0.11),
    (1, 0.13),
    (1, 0.13),
    (1, 0.14),
    (1, 0.14),
    (1, 0.14),
    (1, 0.15),
    (1, 0.16),
    (1, 0.18),
    (1, 0.19),
    (1, 0.48),
    (1, 0.5),
    (2, 0.04),
    (2, 0.07),
    (2, 0.08),
    (2, 0.08),
    (2, 0.09),
    (2, 0.09),
    (2, 0.1),
    (2, 0.1),
    (2, 0.1),
    (2, 0.11),
    (2, 0.11),
    (2, 0.13),
    (2, 0.14),
    (2, 0.15),
    (2, 0.15),
    (2, 0.15),
    (2, 0.16),
    (2, 0.17),
    (2, 0.19),
    (2, 0.43),
    (3, 0.05),
    (3, 0.07),
    (3, 0.33),
    (4, 0.16),
    (4, 0.17),
    (4, 0.28),
    (4, 0.32),
    (4, 0.34),
    (4, 0.38),
    (4, 0.45),
    (4, 0.47),
    (5, 0.24),
    (5, 0.46),
    (5, 0.47),
    (5, 0.5),
)
ANEURYSM_POOR = (
    (1, 0.07),
    (1, 0.08),
    (2, 0.07),
    (2, 0.07),
    (2, 0.09),
    (2, 0.09),
    (2, 0.1),
    (2, 0.1),
    (2, 0.11),
    (2, 0.14),
    (2, 0.25),
    (2, 0.3),
    (2, 0.41),
    (2, 0.58),
    (3, 0.13),
    (4, 0.13),
    (4, 0.16),
    (4, 0.23),
    (4, 0.26),
    (4, 0.27),
    (4, 0.48),
    (4, 0.71),
    (4, 0.96),
    (5, 0.03),
    (5, 0.12),
    (5, 0.22),
    (5, 0.32),
    (5, 0.33),
    (5, 0.35),
    (5, 0.44),
    (5, 0.44),
    (5, 0.49),
    (5, 0.52),
    (5, 0.56),
    (5, 0.7),
    (5, 0.71),
    (5, 0.74),
    (5, 0.77),
    (5, 0.82),
    (5, 0.86),
    (5, 2.07),
)
"""WFNS grade and S100b in µg/l of 72 patients with a good and 41 with a poor outcome after subarachnoid haemorrhage.

Turck et al. 2010, Intensive Care Medicine 36:107; the example of Robin et al. 2011, BMC Bioinformatics 12:77.
"""

OVARY = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0  1.6 5.6 5 1  3.8 5.7 5 1
3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0
4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1
4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1
2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1  3.6 6.6 5 1
"""
"""Albumin, total protein, K-G score, and whether surgery failed (0), of 43 patients with ovarian cancer.

DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44:837, as SAS/STAT prints it, PROC LOGISTIC, example "Comparing
Receiver Operating Characteristic Curves".
"""

RATINGS_NORMAL = (33, 6, 6, 11, 2)
RATINGS_ABNORMAL = (3, 2, 2, 11, 33)
"""How often a reader gave each of five ratings, from definitely normal to definitely abnormal, to 109 CT images.

Hanley & McNeil 1982, Radiology 143:29, table I.
"""

PSYCHIATRISTS = (
    "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 224445 "
    "333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 133333 555555"
)
"""The diagnoses, of five, that six psychiatrists gave to 30 patients: Fleiss 1971, Psychological Bulletin 76:378."""

PSYCHIATRISTS_OF_15 = (
    (0, 0, 0, 6, 0), (0, 3, 0, 0, 3), (0, 1, 4, 0, 1), (0, 0, 0, 0, 6), (0, 3, 0, 3, 0),
    (2, 0, 4, 0, 0), (0, 0, 4, 0, 2), (2, 0, 3, 1, 0), (2, 0, 0, 4, 0), (0, 0, 0, 0, 6),
    (1, 0, 0, 5, 0), (1, 1, 0, 4, 0), (0, 3, 3, 0, 0), (1, 0, 0, 5, 0), (0, 2, 0, 3, 1),
)  # fmt: skip
FOUR_RATERS = ("11.1", "2232", "3333", "3333", "2222", "1234", "4444", "1121", "2222", ".555", "..11", "..3.")
ABSTRACTORS = ((13, 0, 0), (0, 20, 7), (0, 4, 56))
"""Gwet 2014, Handbook of Inter-Rater Reliability, as the overview of its R package irrCAC prints data and results."""

SKIN = ((10, 4, 1, 0), (5, 10, 12, 2), (2, 4, 12, 5), (0, 2, 6, 13))
"""Two dermatologists, terrible to clear: SAS/STAT, PROC FREQ, "Agreement Study" and "Cohen's Kappa Coefficient"."""

ANXIETY = "32 61 44 64 23 42 21 46 31 31 21 32 33 33 21 21 13 33 32 42"
"""Two of three raters of 20 subjects, 1 to 6: `anxiety` of the R package irr. Nobody answered 5."""

FLOW_METERS = (
    (494, 512), (395, 430), (516, 520), (434, 428), (476, 500), (557, 600), (413, 364), (442, 380), (650, 658),
    (433, 445), (417, 432), (656, 626), (267, 260), (478, 477), (178, 259), (423, 350), (427, 451),
)  # fmt: skip
"""Peak expiratory flow in l/min by a large and by a mini Wright meter, first measurements of 17 subjects.

Bland & Altman 1986, Lancet i:307, table 1.
"""

JUDGES = ((9, 2, 5, 8), (6, 1, 3, 2), (8, 4, 6, 8), (7, 1, 2, 6), (10, 5, 6, 9), (6, 2, 4, 7))
"""Six targets by four judges: Shrout & Fleiss 1979, Psychological Bulletin 86:420, table 2."""
