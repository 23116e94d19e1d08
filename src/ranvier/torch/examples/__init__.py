"""Networks that learn: worked examples, small enough for a laptop."""
