"""`islet bench`: what this machine does. Each part of a measurement has a process of its own."""
