import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { expect, test } from '@jest/globals';
import { fixtureFolder } from '../testing/fixtures.ts';
import { loadModel } from './load_model.ts';

tf.env().set('IS_TEST', true); // keeps tfjs's advice to itself

test('on cpu a half precision file is loaded as float32, also where no backend was used before', async () => {
  expect(tf.getBackend()).toBeUndefined();
  const model = await loadModel(fixtureFolder('llama'));
  expect([tf.getBackend(), model.cacheShape.storage]).toEqual(['cpu', 'float32']);
  model.dispose();
});
