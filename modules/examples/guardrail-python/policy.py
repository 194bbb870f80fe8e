"""What is refused. Plain Python, so that it can be tested without WebAssembly."""

import json
import re

SCHEMA = {
    "type": "object",
    "properties": {
        "forbidden": {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "default": ["password"],
            "description": "Words that no user may write, in any case.",
        },
        "message": {
            "type": "string",
            "default": "I cannot help with that.",
            "description": "What a refused user reads.",
        },
    },
    "additionalProperties": False,
}


class Mistake(Exception):
    """A setting that will not do."""

    def __init__(self, key, message, expected):
        super().__init__(f"{key}: {message}")
        self.key, self.message, self.expected = key, message, expected


class Policy:
    def __init__(self, settings):
        """Takes the settings as JSON text; raises `Mistake`."""
        settings = json.loads(settings)
        known = SCHEMA["properties"]
        for key in settings:
            if key not in known:
                raise Mistake(key, "there is no such setting", "one of " + ", ".join(known))
        words = settings.get("forbidden", known["forbidden"]["default"])
        if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
            raise Mistake("forbidden", "is no list of words", 'a list of strings, such as ["password"]')
        self.message = settings.get("message", known["message"]["default"])
        if not isinstance(self.message, str):
            raise Mistake("message", "is no text", "a string")
        # Searching copies nothing, which `text.lower()` would do with a whole conversation.
        self._words = re.compile("|".join(map(re.escape, words)), re.IGNORECASE) if words else None

    def refuses(self, texts):
        """Whether one of these texts has a forbidden word."""
        return self._words is not None and any(self._words.search(text) for text in texts)
