// `openai` with Chat Completions.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { GATEWAY, Report, scenarios } from "./scenarios.mjs";

const { completions } = new OpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: "client" }).chat;

const user = (content) => ({ role: "user", content });

const ways = {
  async whole(asked) {
    return answer(await (asked.response_format ? completions.parse(asked) : completions.create(asked)));
  },

  async streamed(asked) {
    const calls = [];
    let [text, ended, usage] = ["", null, null];
    for await (const chunk of await completions.create({ ...asked, stream: true, stream_options: { include_usage: true } })) {
      usage = chunk.usage ?? usage;
      for (const { delta, finish_reason } of chunk.choices) {
        text += delta.content ?? "";
        ended = finish_reason ?? ended;
        for (const piece of delta.tool_calls ?? []) {
          calls[piece.index] ??= { id: piece.id, type: "function", function: { name: piece.function.name, arguments: "" } };
          calls[piece.index].function.arguments += piece.function.arguments ?? "";
        }
      }
    }
    const message = { role: "assistant", content: text || null, ...(calls.length && { tool_calls: calls }) };
    const found = answer({ choices: [{ message, finish_reason: ended }], usage });
    return { ...found, parsed: asked.response_format && JSON.parse(text) };
  },

  async helper(asked) {
    const stream = completions.stream({ ...asked, stream_options: { include_usage: true } });
    let text = "";
    stream.on("content", (piece) => (text += piece));
    const found = answer(await stream.finalChatCompletion());
    assert.equal(text, found.text);
    return found;
  },
};

function answer({ choices: [{ message, finish_reason }], usage }) {
  const calls = (message.tool_calls ?? []).map((call) => ({
    id: call.id,
    name: call.function.name,
    input: JSON.parse(call.function.arguments),
  }));
  return {
    text: message.content ?? "",
    usage: [usage.prompt_tokens, usage.completion_tokens],
    ended: finish_reason,
    calls,
    turns: [message],
    parsed: message.parsed,
  };
}

scenarios({
  sdk: OpenAI,
  ended: "stop",
  calls: "tool_calls",
  user,
  withImage: (text, png) =>
    user([{ type: "text", text }, { type: "image_url", image_url: { url: `data:image/png;base64,${png}` } }]),
  results: (results) => results.map(([id, content]) => ({ role: "tool", tool_call_id: id, content })),
  ask: async (way, model, messages, { tools, schema } = {}) =>
    ways[way]({
      model,
      messages,
      ...(tools && { tools: tools.map((tool) => ({ type: "function", function: { ...tool, strict: true } })) }),
      ...(schema && { response_format: zodResponseFormat(Report, "report") }),
    }),
});

test("models", async () => {
  const { models } = new OpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: "client" });
  const ids = [];
  for await (const model of models.list()) ids.push(model.id);
  assert.ok(ids.includes("text-openai-whole"));
  assert.equal((await models.retrieve(ids[0])).id, ids[0]);
});
