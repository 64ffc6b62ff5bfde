"""`fitbit`: heart rate, steps and weight from the Google Health API, or from Fitbit's own while it lasts."""
