"""`openai` with Chat Completions."""

import json
import unittest

import openai

from scenarios import GATEWAY, Answer, Scenarios

CLIENT = openai.OpenAI(base_url=f"{GATEWAY}/v1", api_key="client")


class Chat(Scenarios, unittest.TestCase):
    sdk = openai
    ENDED, CALLS = "stop", "tool_calls"

    def user(self, text):
        return {"role": "user", "content": text}

    def with_image(self, text, png):
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}"}}
        return self.user([{"type": "text", "text": text}, image])

    def results(self, results):
        return [{"role": "tool", "tool_call_id": id, "content": text} for id, text in results]

    def ask(self, way, model, turns, tools=(), schema=None):
        asked = {"model": model, "messages": turns}
        if tools:
            asked["tools"] = [{"type": "function", "function": {**tool, "strict": True}} for tool in tools]
        return getattr(self, way)(asked, schema)

    def whole(self, asked, schema):
        create = CLIENT.chat.completions.create
        if schema:
            create, asked["response_format"] = CLIENT.chat.completions.parse, schema
        return answer(create(**asked))

    def helper(self, asked, schema):
        if schema:
            asked["response_format"] = schema
        with CLIENT.chat.completions.stream(**asked, stream_options={"include_usage": True}) as stream:
            streamed = "".join(event.delta for event in stream if event.type == "content.delta")
            found = answer(stream.get_final_completion())
        self.assertEqual(streamed, found.text)
        return found

    def streamed(self, asked, schema):
        if schema:
            json_schema = {"name": "report", "schema": schema.model_json_schema(), "strict": True}
            asked["response_format"] = {"type": "json_schema", "json_schema": json_schema}
        text, calls, ended, usage = "", {}, None, None
        for chunk in CLIENT.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                ended = choice.finish_reason or ended
                for piece in choice.delta.tool_calls or []:
                    call = calls.setdefault(piece.index, [None, None, ""])
                    call[0] = piece.id or call[0]
                    call[1] = piece.function.name or call[1]
                    call[2] += piece.function.arguments or ""
        calls = [calls[index] for index in sorted(calls)]
        message = {"role": "assistant", "content": text or None}
        if calls:
            message["tool_calls"] = [
                {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
                for id, name, arguments in calls
            ]
        return Answer(
            text=text,
            usage=(usage.prompt_tokens, usage.completion_tokens),
            ended=ended,
            calls=[(id, name, json.loads(arguments)) for id, name, arguments in calls],
            turns=[message],
            parsed=schema and schema.model_validate_json(text),
        )

    def test_models(self):
        ids = [model.id for model in CLIENT.models.list()]
        self.assertIn("text-openai-whole", ids)
        self.assertEqual(CLIENT.models.retrieve(ids[0]).id, ids[0])


def answer(completion):
    [choice] = completion.choices
    message = choice.message
    calls = [(call.id, call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []]
    return Answer(
        text=message.content or "",
        usage=(completion.usage.prompt_tokens, completion.usage.completion_tokens),
        ended=choice.finish_reason,
        calls=calls,
        turns=[message],
        parsed=getattr(message, "parsed", None),
    )


if __name__ == "__main__":
    unittest.main()
