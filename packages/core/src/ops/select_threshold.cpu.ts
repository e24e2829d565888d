/**
 * The largest of `values[0..length)` such that it and all larger values together weigh at least `target`; the smallest
 * value if all together weigh less. Uses quickselect, which is linear in `length` on average and reorders `values`.
 */
export function selectThreshold(
  values: Float32Array,
  length: number,
  weight: (value: number) => number,
  target: number,
): number {
  let start = 0;
  let end = length;
  let passed = 0; // weight of the values larger than all of values[start..end)
  for (;;) {
    const pivot = median(values[start], values[(start + end) >>> 1], values[end - 1]);
    // Partitions into [start, larger) > pivot, [larger, smaller) = pivot and [smaller, end) < pivot.
    let larger = start;
    let smaller = end;
    let largerWeight = 0;
    let equalWeight = 0;
    for (let i = start; i < smaller;) {
      const value = values[i];
      if (value < pivot) {
        values[i] = values[--smaller];
        values[smaller] = value;
      } else {
        if (value > pivot) {
          largerWeight += weight(value);
          values[i] = values[larger];
          values[larger++] = value;
        } else {
          equalWeight += weight(value);
        }
        i++;
      }
    }
    if (larger > start && passed + largerWeight >= target) {
      end = larger;
    } else if (smaller === end || passed + largerWeight + equalWeight >= target) {
      return pivot;
    } else {
      passed += largerWeight + equalWeight;
      start = smaller;
    }
  }
}

function median(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
