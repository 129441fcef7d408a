"""What was agreed before the first case, in versions, and the stages that it takes a study through."""
