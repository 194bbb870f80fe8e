// What is refused. Knows nothing of WebAssembly, so that Node can test it.

export const SCHEMA = {
  type: 'object',
  properties: {
    forbidden: {
      type: 'array',
      items: { type: 'string', minLength: 1 },
      default: ['password'],
      description: 'Words that no user may write, in any case.',
    },
    message: {
      type: 'string',
      default: 'I cannot help with that.',
      description: 'What a refused user reads.',
    },
  },
  additionalProperties: false,
};

/** Reads settings, which are JSON text. Throws what is wrong with them, as the WIT's `config-error`. */
export function policy(json) {
  const settings = JSON.parse(json);
  const known = SCHEMA.properties;
  for (const key of Object.keys(settings)) {
    if (!Object.hasOwn(known, key)) {
      throw { key, message: 'there is no such setting', expected: `one of ${Object.keys(known).join(', ')}` };
    }
  }
  const { forbidden = known.forbidden.default, message = known.message.default } = settings;
  if (!Array.isArray(forbidden) || !forbidden.every((word) => typeof word === 'string' && word !== '')) {
    throw { key: 'forbidden', message: 'is no list of words', expected: 'a list of strings, such as ["password"]' };
  }
  if (typeof message !== 'string') {
    throw { key: 'message', message: 'is no text', expected: 'a string' };
  }
  // Searching copies nothing, which `toLowerCase` would do with a whole conversation.
  const words = forbidden.map((word) => word.replace(/[\\^$.*+?()[\]{}|\/]/g, '\\$&'));
  const pattern = words.length > 0 ? new RegExp(words.join('|'), 'iu') : undefined;
  return { message, refuses: (texts) => pattern !== undefined && texts.some((text) => pattern.test(text)) };
}
