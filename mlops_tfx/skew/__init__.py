"""Whether served answers are those of training."""
