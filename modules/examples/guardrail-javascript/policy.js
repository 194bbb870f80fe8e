// Decides what is refused. Plain JavaScript, so that Node can test it.

export const SCHEMA = {
  type: 'object',
  properties: {
    forbidden: {
      type: 'array',
      items: { type: 'string', minLength: 1 },
      default: ['password'],
      description: 'Words that no user may write, in upper or lower case: a list of strings.',
    },
    message: {
      type: 'string',
      default: 'I cannot help with that.',
      description: 'What a refused user reads: a string.',
    },
  },
  additionalProperties: false,
};

/** Reads the settings from JSON text. Throws a `config-error` of the WIT if they are wrong. */
export function policy(json) {
  const settings = JSON.parse(json);
  const known = SCHEMA.properties;
  for (const key of Object.keys(settings)) {
    if (!Object.hasOwn(known, key)) {
      throw { key, message: 'is not a setting', expected: `one of ${Object.keys(known).join(', ')}` };
    }
  }
  const { forbidden = known.forbidden.default, message = known.message.default } = settings;
  if (!Array.isArray(forbidden) || !forbidden.every((word) => typeof word === 'string' && word !== '')) {
    throw { key: 'forbidden', message: 'is not a list of words', expected: 'a list of strings, such as ["password"]' };
  }
  if (typeof message !== 'string') {
    throw { key: 'message', message: 'is not a text', expected: 'a string' };
  }
  // A search copies nothing. `toLowerCase` would copy the whole conversation.
  const words = forbidden.map((word) => word.replace(/[\\^$.*+?()[\]{}|\/]/g, '\\$&'));
  const pattern = words.length > 0 ? new RegExp(words.join('|'), 'iu') : undefined;
  return { message, refuses: (texts) => pattern !== undefined && texts.some((text) => pattern.test(text)) };
}
