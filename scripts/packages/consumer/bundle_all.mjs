// Imports core only for its side effects: every op must have its kernel on `cpu`.
import assert from 'node:assert/strict';
import '@attention-js/core';
import { getKernelsForBackend } from '@tensorflow/tfjs-core';

const registered = getKernelsForBackend('cpu').map(({ kernelName }) => kernelName);
const core = await import(/* hides the name from the bundler */ ['@attention-js', 'core'].join('/'));
const ops = Object.values(core).filter((op) => typeof op === 'function' && 'kernelName' in op);
assert.ok(ops.length > 10);
for (const { kernelName } of ops) assert.ok(registered.includes(kernelName), `no kernel for ${kernelName}`);
