"""C-CDA 2.1 documents with the Results and Vital Signs sections: written from records, and those sections read."""
