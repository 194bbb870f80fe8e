import json
import unittest

from policy import Mistake, Policy


def refuses(settings, *texts):
    return Policy(json.dumps(settings)).refuses(texts)


def mistake(settings):
    try:
        Policy(json.dumps(settings))
    except Mistake as error:
        return error.key
    return None


class PolicyTest(unittest.TestCase):
    def test_a_forbidden_word_is_found_in_any_text_and_any_case(self):
        self.assertTrue(refuses({}, "Hello", "my PassWord is 1234"))
        self.assertFalse(refuses({}, "Hello"))
        self.assertTrue(refuses({"forbidden": ["grün"]}, "GRÜN"))

    def test_a_word_is_not_a_pattern(self):
        self.assertFalse(refuses({"forbidden": ["a.c"]}, "abc"))
        self.assertTrue(refuses({"forbidden": ["a.c", "("]}, "A.C"))

    def test_without_words_nothing_is_refused(self):
        self.assertFalse(refuses({"forbidden": []}, "password"))

    def test_mistakes_are_named_by_their_key(self):
        self.assertIsNone(mistake({}))
        self.assertEqual(mistake({"forbiden": []}), "forbiden")
        self.assertEqual(mistake({"forbidden": "password"}), "forbidden")
        self.assertEqual(mistake({"forbidden": [""]}), "forbidden")
        self.assertEqual(mistake({"message": None}), "message")


if __name__ == "__main__":
    unittest.main()
