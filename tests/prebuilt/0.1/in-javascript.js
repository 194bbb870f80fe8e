// Built once with componentize-qjs 0.4.5, in which a u64 is a number. README.md has the command.

import * as inner from 'arcllm:llm/llm-provider-blocking@0.1.0';
import * as models from 'arcllm:llm/models-blocking@0.1.0';
import * as state from 'arcllm:llm/state-blocking@0.1.0';
import { Response } from 'arcllm:llm/types@0.1.0';

let settings = {};

export const module = {
  describe: () => ({
    name: 'in-javascript',
    version: '0.1.0',
    kind: 'transformer',
    behavior: ['asks-others', 'answers-itself', 'changes-requests', 'holds-answers-back'],
    configSchema: JSON.stringify({
      type: 'object',
      properties: { look: { type: 'boolean' }, other: { type: 'string' } },
      additionalProperties: false,
    }),
    extensions: [],
  }),

  configure(config) {
    settings = JSON.parse(config);
  },

  worstCase: (inner, others) => ({ ...inner.most, attempts: inner.most.attempts + (others[0]?.most.attempts ?? 0) }),
};

export const llmProviderBlocking = {
  name: () => inner.name(),
  validateConfig: () => inner.validateConfig(),
  invoke: (request) => (settings.look ? look(request, settings.other) : inner.invoke(request)),
};

/** Asks the inner, and the other model with more than the caller asked for. Tells what it sees. */
function look(request, other) {
  const told = ofRequest(request, other);
  told.push(...ofAnswer(inner.invoke(request.clone())));
  const changed = more(request);
  const model = models.load(request, other);
  told.push(`images=${changed.size().images}`, `tools=${changed.size().tools}`, `model=${model.name()}`);
  model.invoke(changed);
  const attempts = request.attempts(0);
  told.push(`attempts=${attempts.length}`, ...attempts.map((attempt) => `outcome=${attempt.outcome.tag}`));
  told.push(`count=${state.increment('looked', 1)}`);
  return answer(request, told.join(' '));
}

function ofRequest(request, other) {
  const options = request.options();
  const size = request.size();
  const facts = request.facts(other);
  return [
    `top-k=${options.topK}`,
    `labels=${options.labels.length}`,
    `team=${request.label('team') ?? 'none'}`,
    `nothing=${request.label('nothing') ?? 'none'}`,
    `messages=${size.messages}`,
    `text-bytes=${size.textBytes}`,
    `digest=${request.digest().length}`,
    `last=${request.lastUserText(3) ?? 'none'}`,
    `listed=${models.list(request).some((model) => model.name === other)}`,
    `window=${facts.contextWindow}`,
    `tools=${new Map(facts.capabilities).get('tools')}`,
  ];
}

function ofAnswer(answer) {
  const size = answer.size();
  return [`whole=${answer.isWhole()}`, `stop=${answer.stopReason().tag}`, `said=${size.textBytes}`, `calls=${size.toolCalls}`];
}

/** The same call with two options, a picture to keep for an hour, and a tool of the provider. */
function more(request) {
  const options = request.options();
  const schema = { name: 'answer', description: '', schema: '{"type":"object"}', extensions: [] };
  options.output = { tag: 'json-schema', val: schema };
  options.reasoning = { tag: 'budget', val: 2000 };
  const changed = request.withOptions(options);
  const parts = changed.parts();
  const source = { tag: 'data', val: new Uint8Array([112, 110, 103]) };
  const cache = { ttl: 3_600_000_000_000, extensions: [] };
  const picture = { tag: 'image', val: { mediaType: 'image/png', source, name: '', cache, extensions: [] } };
  parts.messages[0].content.push(picture);
  parts.tools.push({ tag: 'other', val: '{"type":"web_search_20250305","name":"web_search"}' });
  return changed.derive(parts);
}

/** Answers in place of the model. */
function answer(request, text) {
  return new Response(request, {
    content: [{ tag: 'text', val: { text, extensions: [] } }],
    usage: { inputTokens: 0, outputTokens: 0, totalTokens: 0, extensions: [] },
    stopReason: { tag: 'end-turn' },
    model: request.model(),
    provider: request.provider(),
    extensions: [],
  });
}
