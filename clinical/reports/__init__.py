"""Reports of one page, drawn from outcomes: numbers in, bytes of a PDF out. No I/O, no clock."""
