"""Exams on their way through a study: screened, processed, checked, enrolled; what each arm found, and the truth."""
