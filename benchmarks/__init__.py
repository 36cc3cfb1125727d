"""Speed, measured: every figure that counts is a ratio read in one run, side by side."""
