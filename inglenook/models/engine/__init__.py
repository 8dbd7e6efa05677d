"""Models run here: one child process for each loaded model."""
