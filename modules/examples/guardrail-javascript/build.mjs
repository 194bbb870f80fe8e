import { writeFile } from 'node:fs/promises';
import { componentize } from '@bytecodealliance/componentize-js';

const { component } = await componentize({
  sourcePath: 'app.js',
  witPath: 'wit',
  worldName: 'module-blocking',
  // These features import `wasi:http`, which the host does not have.
  disableFeatures: ['http', 'fetch-event'],
});
await writeFile('guardrail.wasm', component);
