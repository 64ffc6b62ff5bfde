"""HL7 v2 over MLLP: a listener that answers only for what is stored, and a sender that believes only its own answer."""
