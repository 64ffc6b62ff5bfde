"""Files in folders: a reader that takes them, writers that put them there. Nothing is seen half written."""
