// What each client of a gateway does, in each way to ask, in front of each format of a provider: the same as
// python/scenarios.py.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as z from "zod";

export const GATEWAY = process.env.GATEWAY;
export const UPSTREAMS = process.env.UPSTREAMS.split(",");
// `create()`; `create({ stream: true })`, read by hand; the helper `.stream()`.
const WAYS = ["whole", "streamed", "helper"];

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==";

export const WEATHER = {
  name: "get_weather",
  description: "The weather in a city.",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};

// What a structured answer holds.
export const Report = z.object({ city: z.string(), degrees: z.number() });

// Tests a client. It has `sdk`, `ended`, `calls`, `user`, `withImage`, `results` and `ask`, which gives
// `{ text, usage, ended, calls, turns, parsed }`.
export function scenarios(client) {
  const { sdk, user, ask } = client;

  const scenario = (title, name, check, ways = WAYS) => {
    for (const upstream of UPSTREAMS) {
      for (const way of ways) {
        test(`${title}: ${upstream}, ${way}`, () => check(way, `${name}-${upstream}-${way}`));
      }
    }
  };

  const fails = async (way, model) => {
    let error;
    await assert.rejects(ask(way, model, [user("Hi")]), (raised) => ((error = raised), true));
    return error;
  };

  const callsTools = async (way, model) => {
    const turns = [user("How warm is it in Paris and in Rome?")];
    let answer = await ask(way, model, turns, { tools: [WEATHER] });
    assert.equal(answer.text, "I look up both.");
    assert.equal(answer.ended, client.calls);
    assert.deepEqual(
      answer.calls.map(({ name, input }) => [name, input.city]),
      [["get_weather", "Paris"], ["get_weather", "Rome"]],
    );
    turns.push(...answer.turns);
    turns.push(...client.results(answer.calls.map(({ id, input: { city } }) => [id, `${city}: ${city.length * 5} degrees`])));
    answer = await ask(way, model, turns, { tools: [WEATHER] });
    assert.equal(answer.text, "25 and 20 degrees.");
    assert.equal(answer.ended, client.ended);
  };

  scenario("text", "text", async (way, model) => {
    const answer = await ask(way, model, [user("Hi")]);
    assert.equal(answer.text, "Hello, wörld 🌍\nand all.");
    assert.deepEqual(answer.usage, [12, 7]);
    assert.equal(answer.ended, client.ended);
    assert.deepEqual(answer.calls, []);
  });
  scenario("tools", "tools", callsTools);
  scenario("failover between the calls and their results", "failover", callsTools);
  scenario("images", "images", async (way, model) => {
    assert.equal((await ask(way, model, [client.withImage("What is this?", PNG)])).text, "A dot.");
  });
  scenario("structured", "structured", async (way, model) => {
    const answer = await ask(way, model, [user("How warm is it in Paris?")], { schema: Report });
    assert.deepEqual(answer.parsed, { city: "Paris", degrees: 25 });
  });
  scenario("refused", "refused", async (way, model) => {
    const error = await fails(way, model);
    assert.ok(error instanceof sdk.BadRequestError, error);
    assert.match(error.message, /the simulator refuses this/);
  });
  for (const way of WAYS) {
    test(`an unknown model: ${way}`, async () => {
      const error = await fails(way, "no-such-model");
      assert.ok(error instanceof sdk.NotFoundError, error);
      assert.match(error.message, /no-such-model/);
    });
  }
  scenario("retries what the gateway leaves to it", "limited", async (way, model) => {
    assert.equal((await ask(way, model, [user("Hi")])).text, "Here again.");
  });
  scenario("does not retry what the gateway retried", "down", async (way, model) => {
    const error = await fails(way, model);
    assert.ok(error instanceof sdk.InternalServerError, error);
    assert.equal(error.status, 503);
  });
  scenario("a stream that breaks off is an error", "broken", fails, ["streamed", "helper"]);
  scenario("a stream that ends too early is an error", "early", fails, ["streamed", "helper"]);
}
