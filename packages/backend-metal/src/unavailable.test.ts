import { beforeAll } from '@jest/globals';
import { unavailableSuite } from '../../backend-common/src/testing/suites/unavailable.ts';

beforeAll(async () => {
  delete process.env.ATTENTION_METAL_EMULATOR;
  Object.defineProperty(process, 'platform', { value: 'linux' });
  Object.defineProperty(process, 'arch', { value: 'x64' });
  await import('./index.ts'); // does not throw
});

unavailableSuite('metal', {
  code: 'ERR_NO_DEVICE',
  message:
    "[metal] expected a Mac with Apple silicon, received linux-x64: use another backend here, for example tf.setBackend('cpu')",
});
