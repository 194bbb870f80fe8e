// Connects the policy to the host. Start here: `llmProviderBlocking.invoke` is the module.

import inner from 'arcllm:llm/llm-provider-blocking@0.1.0';
import { Response } from 'arcllm:llm/types@0.1.0';
import { SCHEMA, policy } from './policy.js';

// The host calls `configure` once for each instance, before any call.
let current = policy('{}');

// Gives back a handle that is not handed on. The garbage collector is too slow for a busy instance.
const dispose = Symbol.dispose ?? Symbol.for('dispose');

export const module = {
  describe: () => ({
    name: 'guardrail',
    version: '0.1.0',
    kind: 'transformer',
    // It refuses calls, and gets whole answers, since the toolchain imports what looks into answers.
    behavior: ['answers-itself', 'holds-answers-back'],
    configSchema: JSON.stringify(SCHEMA),
    extensions: [],
  }),

  configure(config) {
    try {
      current = policy(config);
    } catch (mistake) {
      throw [mistake];
    }
  },

  worstCase: (inner, others) => inner.most,
};

export const llmProviderBlocking = {
  name: () => inner.name(),
  validateConfig: () => inner.validateConfig(),

  invoke(request) {
    if (!current.refuses(userTexts(request))) return inner.invoke(request);
    const answer = refusal(request, current.message);
    request[dispose]();
    return answer;
  },
};

function userTexts(request) {
  const messages = request.parts().messages.filter((message) => message.role.tag === 'user');
  return messages
    .flatMap((message) => message.content)
    .filter((block) => block.tag === 'text')
    .map((block) => block.val.text);
}

/** Makes an answer of the module's own. No model is asked, and nothing is paid. */
function refusal(request, text) {
  return new Response(request, {
    content: [{ tag: 'text', val: { text, extensions: [] } }],
    usage: { inputTokens: 0, outputTokens: 0, totalTokens: 0, extensions: [] },
    stopReason: { tag: 'refusal' },
    model: request.model(),
    provider: request.provider(),
    extensions: [],
  });
}
