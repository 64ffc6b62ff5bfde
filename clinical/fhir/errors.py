"""What keeps a record from becoming a FHIR resource."""


class FhirError(ValueError):
    """`text` says what is wrong and what to do, without any value from the record; `path` is the record's field.

    `code` is short and stable (kebab-case).
    """

    def __init__(self, text: str, path: str | None = None, code: str = "fhir") -> None:
        self.text = text
        self.path = path
        self.code = code
        super().__init__(f"{path}: {text}" if path else text)
