"""`nightscout`: entries and treatments of Nightscout sites."""
