"""The course of one finding over a patient's exams: its changes, and what a rule of response makes of them."""
