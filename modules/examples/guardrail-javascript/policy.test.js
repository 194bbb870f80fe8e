import assert from 'node:assert/strict';
import { test } from 'node:test';

import { policy } from './policy.js';

const refuses = (settings, ...texts) => policy(JSON.stringify(settings)).refuses(texts);
const mistake = (settings) => {
  try {
    policy(JSON.stringify(settings));
  } catch (error) {
    return error;
  }
  return undefined;
};

test('a forbidden word is found in any text and any case', () => {
  assert.equal(refuses({}, 'Hello', 'my PassWord is 1234'), true);
  assert.equal(refuses({}, 'Hello'), false);
  assert.equal(refuses({ forbidden: ['grün'] }, 'GRÜN'), true);
});

test('a word is not a pattern', () => {
  assert.equal(refuses({ forbidden: ['a.c'] }, 'abc'), false);
  assert.equal(refuses({ forbidden: ['a.c', '(', 'x-y/z'] }, 'A.C'), true);
});

test('without words nothing is refused', () => {
  assert.equal(refuses({ forbidden: [] }, 'password'), false);
});

test('mistakes are named by their key', () => {
  assert.equal(mistake({}), undefined);
  assert.equal(mistake({ forbiden: [] }).key, 'forbiden');
  assert.equal(mistake({ forbidden: 'password' }).key, 'forbidden');
  assert.equal(mistake({ forbidden: [''] }).key, 'forbidden');
  assert.equal(mistake({ message: null }).key, 'message');
});
