"""What sources that ask a cloud have in common: turns, windows, cursors, tokens, and what answers mean."""
