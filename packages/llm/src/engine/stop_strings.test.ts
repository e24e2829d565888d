import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { StopStrings } from './stop_strings.ts';

function feed(stops: string[], pieces: string[]): { text: string; stopped: boolean } {
  const matcher = new StopStrings(stops);
  let text = '';
  for (const piece of pieces) {
    const check = matcher.push(piece);
    text += check.text;
    if (check.stopped) return { text, stopped: true };
  }
  return { text: text + matcher.flush(), stopped: false };
}

const letters = (minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength, maxLength });

describe('StopStrings', () => {
  test.each([
    ['passes text through without stop strings', [], ['ab', 'c'], 'abc', false],
    ['cuts before a stop string', ['END'], ['one END two'], 'one ', true],
    ['finds one that is spread over pieces', ['\nUser:'], ['yes', '\nUs', 'er', ': no'], 'yes', true],
    ['gives back a beginning that came to nothing', ['abc'], ['xab', 'd'], 'xabd', false],
    ['gives back a beginning at the end', ['abc'], ['xab'], 'xab', false],
    ['starts again within a failed beginning', ['aab'], ['aa', 'ab!'], 'a', true],
    ['lets the one that is complete first win', ['bcd', 'c'], ['abcd'], 'ab', true],
    ['lets the longest of those ending together win', ['c', 'abc'], ['xabc'], 'x', true],
  ])('%s', (_title, stops, pieces, text, stopped) => {
    expect(feed(stops, pieces)).toEqual({ text, stopped });
  });

  test('holds back no more than what may begin a stop string', () => {
    const matcher = new StopStrings(['stop']);
    expect(matcher.push('a st')).toEqual({ text: 'a ', stopped: false });
    expect(matcher.push('ay')).toEqual({ text: 'stay', stopped: false });
  });

  test('gives the same however the text is cut', () => {
    fc.assert(
      fc.property(
        fc.array(letters(1, 4), { minLength: 1, maxLength: 3 }),
        fc.array(letters(0, 5), { maxLength: 8 }),
        (stops, pieces) => {
          const text = pieces.join('');
          let expected = { text, stopped: false };
          for (let end = 1; end <= text.length && !expected.stopped; end++) {
            const complete = stops.filter((stop) => text.slice(0, end).endsWith(stop));
            const longest = Math.max(0, ...complete.map((stop) => stop.length));
            if (longest > 0) expected = { text: text.slice(0, end - longest), stopped: true };
          }
          expect(feed(stops, pieces)).toEqual(expected);
          expect(feed(stops, text.split(''))).toEqual(expected);
        },
      ),
    );
  });
});
