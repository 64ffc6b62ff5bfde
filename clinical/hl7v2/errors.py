"""What is wrong with an HL7 v2 message."""


class Hl7Error(ValueError):
    """`text` says what is wrong and what to do, without any value from the message; `path` is the field (`OBX[2]-6`).

    `code` is short and stable (kebab-case).
    """

    def __init__(self, text: str, path: str | None = None, code: str = "hl7") -> None:
        self.text = text
        self.path = path
        self.code = code
        super().__init__(f"{path}: {text}" if path else text)
