// Calls everything that an addon exports with hostile values. Each call must return or throw an AttentionError; a crash
// ends the process with a signal.
//
//   node scripts/fuzz_native/run.js metal|cuda [--calls 10000] [--seed 1]
import { parseArgs } from 'node:util';
import { HostileValues, Thrown } from './hostile_values.js';
import { Random } from './random.js';

const { values, positionals } = parseArgs({
  options: { calls: { type: 'string', default: '10000' }, seed: { type: 'string', default: '1' } },
  allowPositionals: true,
});
const [name] = positionals;
const random = new Random(Number(values.seed));
const { openSubject } = await import(`./${name}.js`);

class AttentionError extends Error {
  constructor(code, message) {
    super(message);
    this.name = 'AttentionError';
    this.code = code;
  }
}

const subject = openSubject((code, message) => new AttentionError(code, message), random);
const hostile = new HostileValues(random, subject);
const outcomes = new Map();
const promises = [];

function check(error, what) {
  if (error instanceof Thrown) return 'thrown by JavaScript';
  if (error?.name === 'AttentionError' && /^ERR_[A-Z_]+$/.test(error.code)) return error.code;
  throw new Error(`${what}: expected an AttentionError`, { cause: error });
}

/** The members of a class as pairs of a name and a function. */
function membersOf(constructor) {
  const properties = Object.getOwnPropertyDescriptors(constructor.prototype);
  return Object.entries(properties)
    .filter(([key]) => key !== 'constructor')
    .map(([key, descriptor]) => [key, descriptor.value ?? descriptor.get]);
}

const members = membersOf(subject.constructor);
const describeCall = (key, i) => `call ${i}, ${key}, seed ${values.seed}`;

function call(i) {
  if (random.chance(0.03)) {
    const args = random.chance(0.5)
      ? hostile.list(random.below(4))
      : hostile.mutated(subject.constructorArguments());
    try {
      const made = random.chance(0.2) ? subject.constructor(...args) : new subject.constructor(...args);
      subject.dispose?.(made);
      return ['constructor', 'ok'];
    } catch (error) {
      return ['constructor', check(error, describeCall('constructor', i))];
    }
  }
  const [key, member] = random.pick(members);
  const receiver = random.chance(0.05) ? hostile.any() : subject.receiver();
  const valid = subject.valid(key);
  const args = random.chance(0.2) ? hostile.list(random.below(8)) : hostile.mutated(valid);
  if (!subject.allows(key, args)) return [key, 'left out'];
  try {
    const result = Reflect.apply(member, receiver, args);
    if (result instanceof Promise) promises.push(result.catch((error) => check(error, describeCall(key, i))));
    subject.keep(key, result, args);
    return [key, 'ok'];
  } catch (error) {
    return [key, check(error, describeCall(key, i))];
  }
}

const calls = Number(values.calls);
for (let i = 0; i < calls; i++) {
  const outcome = call(i).join(': ');
  outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  if (i % 500 === 499) {
    await Promise.all(promises.splice(0));
    globalThis.gc?.();
  }
}
await Promise.all(promises);
for (const outcome of [...outcomes.keys()].toSorted((a, b) => a.localeCompare(b))) {
  console.log(`${outcomes.get(outcome)} ${outcome}`);
}
console.log(`${calls} calls`);
