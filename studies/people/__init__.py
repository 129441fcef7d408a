"""Who takes part in a study, by whose leave, and what that lets them see."""
