// `openai` with Responses.

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { GATEWAY, Report, scenarios } from "./scenarios.mjs";

const { responses } = new OpenAI({ baseURL: `${GATEWAY}/v1`, apiKey: "client" });

const user = (content) => ({ role: "user", content });

const ways = {
  async whole(asked) {
    return answer(await (asked.text ? responses.parse(asked) : responses.create(asked)));
  },

  async streamed(asked) {
    const items = [];
    const numbers = [];
    let text = "";
    let response;
    for await (const event of await responses.create({ ...asked, stream: true })) {
      numbers.push(event.sequence_number);
      if (event.type === "response.output_text.delta") text += event.delta;
      if (event.type === "response.output_item.done") items.push(event.item);
      if (event.type === "response.completed") response = event.response;
    }
    assert.deepEqual(numbers, [...numbers.keys()]);
    assert.deepEqual(response.output, items);
    const found = answer({ ...response, output_text: text });
    return { ...found, parsed: asked.text && JSON.parse(text) };
  },

  async helper(asked) {
    const stream = responses.stream(asked);
    let text = "";
    stream.on("response.output_text.delta", (event) => (text += event.delta));
    const found = answer(await stream.finalResponse());
    assert.equal(text, found.text);
    return found;
  },
};

function answer(response) {
  const calls = response.output
    .filter((item) => item.type === "function_call")
    .map((item) => ({ id: item.call_id, name: item.name, input: JSON.parse(item.arguments) }));
  return {
    text: response.output_text,
    usage: [response.usage.input_tokens, response.usage.output_tokens],
    ended: response.status,
    calls,
    turns: response.output,
    parsed: response.output_parsed,
  };
}

scenarios({
  sdk: OpenAI,
  ended: "completed",
  calls: "completed",
  user,
  withImage: (text, png) =>
    user([
      { type: "input_text", text },
      { type: "input_image", image_url: `data:image/png;base64,${png}`, detail: "auto" },
    ]),
  results: (results) => results.map(([id, output]) => ({ type: "function_call_output", call_id: id, output })),
  ask: async (way, model, input, { tools, schema } = {}) =>
    ways[way]({
      model,
      input,
      store: false,
      include: ["reasoning.encrypted_content"],
      ...(tools && { tools: tools.map((tool) => ({ type: "function", strict: true, ...tool })) }),
      ...(schema && { text: { format: zodTextFormat(Report, "report") } }),
    }),
});

test("a response that is stored nowhere", async () => {
  const asking = responses.create({ model: "text-openai-whole", input: "Hi", previous_response_id: "resp_1" });
  await assert.rejects(asking, (error) => error instanceof OpenAI.BadRequestError && /previous_response_id/.test(error));
});
