// Ends worker threads, or the process, while they use a device. The process must survive the end of its threads.
//
//   node scripts/fuzz_native/threads.js metal|cuda terminate|exit|process-exit
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Random } from './random.js';

const WORKERS = 6;

const makeError = (code, message) => Object.assign(new Error(message), { name: 'AttentionError', code });

/** Makes calls and starts asynchronous reads until the thread is ended. */
async function work({ name, end }) {
  const { openSubject } = await import(`./${name}.js`);
  const subject = openSubject(makeError, new Random(1));
  const device = subject.receiver();
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port, not a window
  parentPort.postMessage('works');
  for (let i = 0; ; i++) {
    for (const [key, args] of subject.work()) {
      const result = device[key](...args);
      if (result instanceof Promise) void result.catch(() => {});
    }
    if (end === 'exit' && i === 20) process.exit(0);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function start(name, end) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { name, end } });
  await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return worker;
}

if (isMainThread) {
  const [name, end] = process.argv.slice(2);
  const workers = [];
  for (let i = 0; i < WORKERS; i++) {
    const worker = await start(name, end);
    workers.push(worker);
    if (end === 'exit') await new Promise((resolve) => worker.once('exit', resolve));
    if (end === 'terminate') {
      await new Promise((resolve) => setTimeout(resolve, 5 + 7 * i));
      await worker.terminate();
    }
  }
  console.log(`${workers.length} workers`);
  if (end === 'process-exit') process.exit(0);
} else {
  await work(workerData);
}
