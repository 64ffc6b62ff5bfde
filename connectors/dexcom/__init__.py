"""`dexcom`: readings from Dexcom's developer API (v3), account by account, window by window."""
