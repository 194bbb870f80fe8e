"""Decides what is refused. Plain Python, so that it can be tested without WebAssembly."""

import json
import re

SCHEMA = {
    "type": "object",
    "properties": {
        "forbidden": {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "default": ["password"],
            "description": "Words that no user may write, in upper or lower case: a list of strings.",
        },
        "message": {
            "type": "string",
            "default": "I cannot help with that.",
            "description": "What a refused user reads: a string.",
        },
    },
    "additionalProperties": False,
}


class Mistake(Exception):
    """An error about a setting."""

    def __init__(self, key, message, expected):
        super().__init__(f"{key}: {message}")
        self.key, self.message, self.expected = key, message, expected


class Policy:
    def __init__(self, settings):
        """Reads the settings from JSON text. Raises `Mistake` if they are wrong."""
        settings = json.loads(settings)
        known = SCHEMA["properties"]
        for key in settings:
            if key not in known:
                raise Mistake(key, "is not a setting", "one of " + ", ".join(known))
        words = settings.get("forbidden", known["forbidden"]["default"])
        if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
            raise Mistake("forbidden", "is not a list of words", 'a list of strings, such as ["password"]')
        self.message = settings.get("message", known["message"]["default"])
        if not isinstance(self.message, str):
            raise Mistake("message", "is not a text", "a string")
        # A search copies nothing. `text.lower()` would copy the whole conversation.
        self._words = re.compile("|".join(map(re.escape, words)), re.IGNORECASE) if words else None

    def refuses(self, texts):
        """Returns whether one of these texts has a forbidden word."""
        return self._words is not None and any(self._words.search(text) for text in texts)
