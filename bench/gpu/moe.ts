/** Mixtures of experts: the gate and up projections alone, and the whole layer. */
import * as tf from '@attention-js/core/tf';
import { deviceTime, measureCeilings, randomTensor } from './support/device.ts';
import { peerFigure } from './support/peers.ts';
import { report } from './support/report.ts';
import type { Row } from './support/report.ts';

const models = [
  { name: 'e128_top8', hidden: 2048, intermediate: 768, experts: 128, topk: 8, sets: 4 },
  { name: 'e8_top2', hidden: 4096, intermediate: 14_336, experts: 8, topk: 2, sets: 1 },
];

const ceilings = await measureCeilings();
const rows: Row[] = [];
for (const { name, hidden, intermediate, experts, topk, sets } of models) {
  // Few tokens read few experts. Rotating through several sets makes weights come from memory instead of L2.
  const gateUp = Array.from({ length: sets }, () =>
    randomTensor([experts, 2 * intermediate, hidden], 'bfloat16', 0.02),
  );
  const down = Array.from({ length: sets }, () =>
    randomTensor([experts, hidden, intermediate], 'bfloat16', 0.02),
  );
  for (const tokens of [1, 8, 64, 512, 4096]) {
    const x = randomTensor([tokens, hidden]);
    const routes = Array.from({ length: 8 }, () => {
      const logits = tf.randomNormal([tokens, experts]);
      const { weights, ids } = tf.topkSoftmax(logits, topk, { renormalize: true });
      const sorted = tf.sortTokensByExpert(ids, experts);
      const active = new Set(ids.dataSync()).size;
      logits.dispose();
      return { weights, ids, ...sorted, active };
    });
    const flop = 2 * tokens * topk * hidden * 2 * intermediate;
    const active = routes.reduce((sum, route) => sum + route.active, 0) / routes.length;
    const gateUpBytes = active * 2 * intermediate * hidden * 2;
    const route = (i: number) => routes[i % routes.length];
    const gateUpMs = await deviceTime((i) => {
      const { sortedTokenIds, expertIds } = route(i);
      tf.moeGemm(x, gateUp[i % sets], sortedTokenIds, expertIds, { topk, input: 'tokens' });
    });
    const layerMs = await deviceTime((i) => {
      const { weights, ids } = route(i);
      tf.fusedMoe(x, gateUp[i % sets], down[i % sets], weights, ids);
    });
    rows.push({
      case: name,
      tokens: String(tokens),
      'gate+up us': gateUpMs * 1000,
      'TFLOP/s': flop / gateUpMs / 1e9,
      'weights TB/s': gateUpBytes / gateUpMs / 1e9,
      'of read ceiling': gateUpBytes / gateUpMs / 1e9 / ceilings.read,
      'PyTorch grouped_mm us': ((ms) => ms && ms * 1000)(
        peerFigure({ figure: 'moe_gate_up', shape: name, tokens }, 'ms'),
      ),
      'layer us': layerMs * 1000,
      'layer weights of read ceiling': (1.5 * gateUpBytes) / layerMs / 1e9 / ceilings.read,
    });
    x.dispose();
    for (const { weights, ids, sortedTokenIds, expertIds } of routes)
      tf.dispose([weights, ids, sortedTokenIds, expertIds]);
  }
  tf.dispose([...gateUp, ...down]);
}
report('moe', ceilings, rows);
