// `@anthropic-ai/sdk` with Messages.

import assert from "node:assert/strict";
import { test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { GATEWAY, Report, UPSTREAMS, WEATHER, scenarios } from "./scenarios.mjs";

const { messages, models } = new Anthropic({ baseURL: GATEWAY, apiKey: "client" });

const user = (content) => ({ role: "user", content });

const described = ({ name, description, parameters }) => ({ name, description, input_schema: parameters });

const ways = {
  async whole(asked) {
    return answer(await (asked.output_config ? messages.parse(asked) : messages.create(asked)));
  },

  async streamed(asked) {
    const content = [];
    let closed = false;
    let ended;
    let usage;
    for await (const event of await messages.create({ ...asked, stream: true })) {
      if (event.type === "message_start") usage = event.message.usage;
      if (event.type === "content_block_start") {
        assert.equal(event.index, content.length);
        content.push({ ...event.content_block, pieces: "" });
      }
      if (event.type === "content_block_delta") append(content[event.index], event.delta);
      if (event.type === "message_delta") [ended, usage] = [event.delta.stop_reason, { ...usage, ...event.usage }];
      if (event.type === "message_stop") closed = true;
    }
    assert.ok(closed);
    for (const block of content) {
      if (block.type === "tool_use") block.input = JSON.parse(block.pieces || "{}");
      delete block.pieces;
    }
    const found = answer({ content, stop_reason: ended, usage });
    return { ...found, parsed: asked.output_config && JSON.parse(found.text) };
  },

  async helper(asked) {
    const stream = messages.stream(asked);
    let text = "";
    stream.on("text", (piece) => (text += piece));
    const found = answer(await stream.finalMessage());
    assert.equal(text, found.text);
    return found;
  },
};

function append(block, delta) {
  if (delta.type === "text_delta") block.text += delta.text;
  if (delta.type === "thinking_delta") block.thinking += delta.thinking;
  if (delta.type === "signature_delta") block.signature = delta.signature;
  if (delta.type === "input_json_delta") block.pieces += delta.partial_json;
}

function answer({ content, stop_reason, usage, parsed_output }) {
  const calls = content.filter((block) => block.type === "tool_use");
  return {
    text: content.filter((block) => block.type === "text").map((block) => block.text).join(""),
    usage: [usage.input_tokens, usage.output_tokens],
    ended: stop_reason,
    calls: calls.map(({ id, name, input }) => ({ id, name, input })),
    turns: [{ role: "assistant", content }],
    parsed: parsed_output,
  };
}

scenarios({
  sdk: Anthropic,
  ended: "end_turn",
  calls: "tool_use",
  user,
  withImage: (text, png) =>
    user([{ type: "text", text }, { type: "image", source: { type: "base64", media_type: "image/png", data: png } }]),
  results: (results) => [
    user(results.map(([id, content]) => ({ type: "tool_result", tool_use_id: id, content }))),
  ],
  ask: async (way, model, turns, { tools, schema } = {}) =>
    ways[way]({
      model,
      messages: turns,
      max_tokens: 1000,
      ...(tools && { tools: tools.map(described) }),
      ...(schema && { output_config: { format: zodOutputFormat(Report) } }),
    }),
});

test("models", async () => {
  const ids = [];
  for await (const model of models.list({ limit: 1000 })) ids.push(model.id);
  assert.ok(ids.includes("text-openai-whole"));
  assert.equal((await models.retrieve(ids[0])).id, ids[0]);
});

for (const upstream of UPSTREAMS) {
  test(`count_tokens: ${upstream}`, async () => {
    const asked = { model: `text-${upstream}-whole`, messages: [user("Hi")], tools: [described(WEATHER)] };
    if (upstream === "anthropic") {
      assert.ok((await messages.countTokens(asked)).input_tokens > 0);
    } else {
      await assert.rejects(messages.countTokens(asked), (error) => error.status === 501);
    }
  });
}
