import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { Random } from '../../../core/src/testing/random.ts';
import { describeOnBackends, expectNoLeak } from '../../../core/src/testing/backends.ts';
import { applyPenalties, TokenPenalties } from './token_penalties.ts';

const NONE = { repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0 };

describeOnBackends('applyPenalties', () => {
  test('changes the logits of the tokens that have a penalty, row by row', () => {
    const random = new Random(1);
    const vocabSize = 50;
    const rows = [
      { penalties: { ...NONE, repetitionPenalty: 1.3 }, prompt: [1, 2, 2, 40], generated: [3, 3] },
      { penalties: NONE, prompt: [1, 2], generated: [5] },
      { penalties: { ...NONE, presencePenalty: 0.5 }, prompt: [1, 2], generated: [5, 6, 6] },
      {
        penalties: { repetitionPenalty: 0.8, presencePenalty: -0.5, frequencyPenalty: 0.25 },
        prompt: [0],
        generated: [7, 7, 7, 49],
      },
      { penalties: { ...NONE, frequencyPenalty: 1 }, prompt: [0], generated: [] },
    ];
    const values = random.normal(rows.length * vocabSize);
    const expected = values.slice();
    rows.forEach(({ penalties, prompt, generated }, row) => {
      for (let token = 0; token < vocabSize; token++) {
        const i = row * vocabSize + token;
        const count = generated.filter((id) => id === token).length;
        if (count > 0 || prompt.includes(token)) {
          expected[i] *= expected[i] > 0 ? 1 / penalties.repetitionPenalty : penalties.repetitionPenalty;
        }
        if (count > 0) expected[i] -= penalties.presencePenalty + count * penalties.frequencyPenalty;
      }
    });
    const logits = tf.tensor2d(values.slice(), [rows.length, vocabSize]);
    const penalties = rows.map((row) => {
      const made = TokenPenalties.from(row.penalties, row.prompt);
      for (const token of row.generated) made?.add(token);
      return made;
    });
    const actual = applyPenalties(logits, penalties).dataSync();
    actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 5));
    expectNoLeak(() => applyPenalties(logits, penalties));
  });

  test('gives the logits themselves where there is no penalty', () => {
    expect(TokenPenalties.from(NONE, [1])).toBeUndefined();
    const logits = tf.zeros<tf.Rank.R2>([2, 3]);
    expect(applyPenalties(logits, [undefined, undefined])).toBe(logits);
  });
});
