import { PagedAttention, buildInputMetadata, zerosWithStorage } from '@attention-js/core';
import type { PagedAttentionForward, StepMetadata } from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, expect, jest, test } from '@jest/globals';
import { describeOnBackends } from '../../../core/src/testing/backends.ts';
import { loadModel } from '../models/index.ts';
import type { CausalLM } from '../models/index.ts';
import { fixtureFolder } from '../testing/fixtures.ts';
import { testEngine, tokens } from '../testing/test_engine.ts';

/** On cuda it is in half precision that prefill and decode are kernels of their own. */
const STORAGE = 'bfloat16';

/** What the backends under test tell of their launches: CUDA counts them, each of Metal's is a call of `run`. */
interface LaunchingBackend {
  launchCount?: number;
  run?(...call: unknown[]): void;
  /** Uploads the tensor if its values are not on the device yet. */
  pointer?(tensor: tf.Tensor): number;
}

/** One layer's call of attention: whether its metadata has `cuSeqlensQ`, and what it launched. */
interface LayerCall {
  hasCuSeqlensQ: boolean;
  launches: number;
}

/** Notes each call of an attention layer from now on, until mocks are restored. */
function noteCalls(): LayerCall[] {
  const backend = tf.engine().backend as LaunchingBackend;
  const run = backend.run && jest.spyOn(backend as Required<LaunchingBackend>, 'run');
  const count = (): number => backend.launchCount ?? run?.mock.calls.length ?? 0;
  const calls: LayerCall[] = [];
  const forward = Reflect.get(PagedAttention.prototype, 'forward');
  jest.spyOn(PagedAttention.prototype, 'forward').mockImplementation(function (
    this: PagedAttention,
    inputs: PagedAttentionForward,
  ) {
    const { slotMapping, blockTables, contextLens, cuSeqlensQ } = inputs.metadata;
    for (const tensor of [slotMapping, blockTables, contextLens, cuSeqlensQ]) {
      if (tensor) backend.pointer?.(tensor); // the first layer would upload it, which is a launch on a GPU
    }
    const before = count();
    const output = forward.call(this, inputs);
    calls.push({ hasCuSeqlensQ: inputs.metadata.cuSeqlensQ !== undefined, launches: count() - before });
    return output;
  });
  return calls;
}

describeOnBackends('a step of decodes', (backendName) => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  /** Launches per layer: the write to the cache, and attention. */
  const perDecode = backendName === 'cpu' ? 0 : 2;

  test('launches no prefill in any layer', async () => {
    const model: CausalLM = await loadModel(fixtureFolder('llama'), { storage: STORAGE });
    const { numLayers } = model.config;
    const calls = noteCalls();
    {
      using engine = testEngine({ model, maxTokensPerStep: 64, prefixCache: false });
      const streams = [5, 9, 20].map((length) =>
        engine.generate(tokens(length), { maxTokens: 4, ignoreEos: true }),
      );
      await Promise.all(streams.map(({ result }) => result));
    }
    model.dispose();
    expect(calls.slice(0, numLayers).map(({ hasCuSeqlensQ }) => hasCuSeqlensQ)).toEqual(
      Array.from({ length: numLayers }, () => true),
    );
    expect(calls.slice(numLayers)).toEqual(
      Array.from({ length: 3 * numLayers }, () => ({ hasCuSeqlensQ: false, launches: perDecode })),
    );
  });

  test('launches no prefill if it is padded; with cuSeqlensQ cuda launches one', () => {
    const layer = new PagedAttention({ numHeads: 2, headSize: 16, numKvHeads: 1 });
    const [query, key, keyCache, valueCache] = [
      [4, 2, 16],
      [4, 1, 16],
      [2, 8, 1, 16],
      [2, 8, 1, 16],
    ].map((shape) => zerosWithStorage(shape, STORAGE));
    const decode = { slots: [3], blockTable: [0], contextLength: 4, queryLength: 1 };
    const metadata = buildInputMetadata([decode], { shape: { tokens: 4, sequences: 4, maxBlocks: 2 } });
    const cuSeqlensQ = tf.tensor1d([0, 1, 1, 1, 1], 'int32');
    const calls = noteCalls();
    const forward = (step: StepMetadata) =>
      layer.forward({ query, key, value: key, keyCache, valueCache, metadata: step });
    forward(metadata);
    forward({ ...metadata, cuSeqlensQ });
    const withPrefill = { cpu: 0, cuda: 3, metal: 2 }[backendName];
    expect(calls.map(({ launches }) => launches)).toEqual([perDecode, withPrefill]);
  });
});
