"""FHIR R4 (4.0.1): records as resources. Pure functions over plain dicts; models serve validation only."""
