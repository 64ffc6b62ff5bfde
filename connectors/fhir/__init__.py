"""FHIR R4 over HTTP: the `fhir_server` destination and what it is made of."""
