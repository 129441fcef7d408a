"""The check by people before readers see a case: its queue, its pictures, its figures, and another run."""
