"""SMART Backend Services (SMART App Launch 2.2.0): our keys, client assertions and access tokens."""
