import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const { component } = await componentize({
  sourcePath: 'app.js',
  witPath: 'wit',
  worldName: 'module-blocking',
  // Enabled, these import `wasi:http`, which the host gives to nobody.
  disableFeatures: ['http', 'fetch-event'],
});
await writeFile('guardrail.wasm', component);
