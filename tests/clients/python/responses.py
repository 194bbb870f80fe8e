"""`openai` with Responses."""

import json
import unittest

import openai

from scenarios import GATEWAY, Answer, Scenarios

CLIENT = openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key="client")


class Responses(Scenarios, unittest.TestCase):
    sdk = openai
    ENDED, CALLS = "completed", "completed"

    def user(self, text):
        return {"role": "user", "content": text}

    def with_image(self, text, png):
        image = {"type": "input_image", "image_url": f"data:image/png;base64,{png}", "detail": "auto"}
        return self.user([{"type": "input_text", "text": text}, image])

    def results(self, results):
        return [{"type": "function_call_output", "call_id": id, "output": text} for id, text in results]

    def ask(self, way, model, turns, tools=(), schema=None):
        asked = {"model": model, "input": turns, "store": False, "include": ["reasoning.encrypted_content"]}
        if tools:
            asked["tools"] = [{"type": "function", "strict": True, **tool} for tool in tools]
        return getattr(self, way)(asked, schema)

    def whole(self, asked, schema):
        if schema:
            return answer(CLIENT.responses.parse(**asked, text_format=schema))
        return answer(CLIENT.responses.create(**asked))

    def helper(self, asked, schema):
        if schema:
            asked["text_format"] = schema
        with CLIENT.responses.stream(**asked) as stream:
            streamed = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
            found = answer(stream.get_final_response())
        self.assertEqual(streamed, found.text)
        return found

    def streamed(self, asked, schema):
        if schema:
            json_schema = {"name": "report", "schema": schema.model_json_schema(), "strict": True}
            asked["text"] = {"format": {"type": "json_schema", **json_schema}}
        text, items, numbers, response = "", [], [], None
        for event in CLIENT.responses.create(**asked, stream=True):
            numbers.append(event.sequence_number)
            match event.type:
                case "response.output_text.delta":
                    text += event.delta
                case "response.output_item.done":
                    items.append(event.item)
                case "response.completed":
                    response = event.response
        self.assertEqual(numbers, list(range(len(numbers))))
        found = answer(response)
        self.assertEqual((text, items), (found.text, response.output))
        found.parsed = schema and schema.model_validate_json(text)
        return found

    def test_a_response_that_is_stored_nowhere(self):
        with self.assertRaises(openai.BadRequestError) as raised:
            CLIENT.responses.create(model="text-openai-whole", input="Hi", previous_response_id="resp_1")
        self.assertIn("previous_response_id", str(raised.exception))


def answer(response):
    calls = [(item.call_id, item.name, json.loads(item.arguments)) for item in response.output
             if item.type == "function_call"]
    return Answer(
        text=response.output_text,
        usage=(response.usage.input_tokens, response.usage.output_tokens),
        ended=response.status,
        calls=calls,
        turns=response.output,
        parsed=getattr(response, "output_parsed", None),
    )


if __name__ == "__main__":
    unittest.main()
