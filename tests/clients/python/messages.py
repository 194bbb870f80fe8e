"""`anthropic` with Messages."""

import json
import unittest

import anthropic

from scenarios import GATEWAY, UPSTREAMS, WEATHER, Answer, Scenarios

CLIENT = anthropic.Anthropic(base_url=GATEWAY, api_key="client")


class Messages(Scenarios, unittest.TestCase):
    sdk = anthropic
    ENDED, CALLS = "end_turn", "tool_use"

    def user(self, text):
        return {"role": "user", "content": text}

    def with_image(self, text, png):
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png}}
        return self.user([{"type": "text", "text": text}, image])

    def results(self, results):
        return [self.user([{"type": "tool_result", "tool_use_id": id, "content": text} for id, text in results])]

    def ask(self, way, model, turns, tools=(), schema=None):
        asked = {"model": model, "messages": turns, "max_tokens": 1000}
        if tools:
            asked["tools"] = [described(tool) for tool in tools]
        return getattr(self, way)(asked, schema)

    def whole(self, asked, schema):
        if schema:
            return answer(CLIENT.messages.parse(**asked, output_format=schema))
        return answer(CLIENT.messages.create(**asked))

    def helper(self, asked, schema):
        if schema:
            asked["output_format"] = schema
        with CLIENT.messages.stream(**asked) as stream:
            streamed = "".join(stream.text_stream)
            found = answer(stream.get_final_message())
        self.assertEqual(streamed, found.text)
        return found

    def streamed(self, asked, schema):
        if schema:
            asked["output_config"] = {"format": {"type": "json_schema", "schema": schema.model_json_schema()}}
        blocks, ended, usage, closed = [], None, {}, False
        for event in CLIENT.messages.create(**asked, stream=True):
            match event.type:
                case "message_start":
                    usage = event.message.usage.model_dump()
                case "content_block_start":
                    self.assertEqual(event.index, len(blocks))
                    blocks.append({**event.content_block.model_dump(exclude_none=True), "pieces": ""})
                case "content_block_delta":
                    append(blocks[event.index], event.delta)
                case "message_delta":
                    ended = event.delta.stop_reason
                    usage.update(event.usage.model_dump(exclude_none=True))
                case "message_stop":
                    closed = True
        self.assertTrue(closed)
        for block in blocks:
            pieces = block.pop("pieces")
            if block["type"] == "tool_use":
                block["input"] = json.loads(pieces or "{}")
        text = "".join(block["text"] for block in blocks if block["type"] == "text")
        return Answer(
            text=text,
            usage=(usage["input_tokens"], usage["output_tokens"]),
            ended=ended,
            calls=[(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"],
            turns=[{"role": "assistant", "content": blocks}],
            parsed=schema and schema.model_validate_json(text),
        )

    def test_models(self):
        ids = [model.id for model in CLIENT.models.list(limit=1000)]
        self.assertIn("text-openai-whole", ids)
        self.assertEqual(CLIENT.models.retrieve(ids[0]).id, ids[0])

    def test_count_tokens(self):
        for upstream in UPSTREAMS:
            asked = {"model": f"text-{upstream}-whole", "messages": [self.user("Hi")], "tools": [described(WEATHER)]}
            with self.subTest(upstream=upstream):
                if upstream == "anthropic":
                    self.assertGreater(CLIENT.messages.count_tokens(**asked).input_tokens, 0)
                else:
                    with self.assertRaises(anthropic.APIStatusError) as raised:
                        CLIENT.messages.count_tokens(**asked)
                    self.assertEqual(raised.exception.status_code, 501)


def described(tool):
    return {"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}


def append(block, delta):
    match delta.type:
        case "text_delta":
            block["text"] += delta.text
        case "thinking_delta":
            block["thinking"] += delta.thinking
        case "signature_delta":
            block["signature"] = delta.signature
        case "input_json_delta":
            block["pieces"] += delta.partial_json


def answer(message):
    return Answer(
        text="".join(block.text for block in message.content if block.type == "text"),
        usage=(message.usage.input_tokens, message.usage.output_tokens),
        ended=message.stop_reason,
        calls=[(block.id, block.name, block.input) for block in message.content if block.type == "tool_use"],
        turns=[{"role": "assistant", "content": message.content}],
        parsed=getattr(message, "parsed_output", None),
    )


if __name__ == "__main__":
    unittest.main()
