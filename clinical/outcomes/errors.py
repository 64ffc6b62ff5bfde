"""What keeps a figure from being computed."""


class OutcomeError(ValueError):
    """`text` says what is wrong and what to do, without any value of a patient; `code` is short and stable."""

    def __init__(self, text: str, code: str) -> None:
        self.text = text
        self.code = code
        super().__init__(text)
