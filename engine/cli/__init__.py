"""The command line: one verb per file. This floor alone composes brokers, stores and plugins."""
