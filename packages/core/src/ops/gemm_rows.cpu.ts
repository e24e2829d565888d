import type { WeightRows } from './weight_rows.cpu.ts';

const { min } = Math; // in a vm context (jest), each access to a global is a slow lookup

type Values = Float32Array | Int32Array;

/** One matrix of a stack, and the rows that are multiplied by its transpose. */
export interface GemmRows {
  /** Rows of `inputWidth` elements. */
  input: Values;
  /** Indices of the rows of `input` to multiply. */
  inputRows: Int32Array;
  /** Rows of `[matrices, outputWidth, inputWidth]`. */
  weights: WeightRows;
  /** Index of the matrix. */
  matrix: number;
  inputWidth: number;
  outputWidth: number;
  /** Rows of `outputWidth` elements. */
  output: Values;
  /** For each of `inputRows`, the row of `output` that receives its product. */
  outputRows: Int32Array;
}

/** Rows that are multiplied by a matrix at once, so that their inputs stay in the processor's cache. */
const TILE_ROWS = 64;

/**
 * Multiplies rows by the transpose of a matrix, two rows by four columns at a time: each loaded element is used in several
 * sums, and a row of weights is read once per tile of input rows. Every sum adds its elements in order, in double
 * precision, so a row's result does not depend on the other rows.
 */
export function gemmRows(gemm: GemmRows): void {
  const { inputRows } = gemm;
  for (let from = 0; from < inputRows.length; from += TILE_ROWS) {
    multiplyTile(gemm, from, min(from + TILE_ROWS, inputRows.length));
  }
}

function multiplyTile(gemm: GemmRows, from: number, to: number): void {
  const { input, inputRows, matrix, inputWidth, outputWidth, output, outputRows } = gemm;
  const { values: weights, locate } = gemm.weights;
  const last = outputWidth - 1;
  for (let n0 = 0; n0 < outputWidth; n0 += 4) {
    // At the right edge the last column is computed more than once.
    const n1 = min(n0 + 1, last);
    const n2 = min(n0 + 2, last);
    const n3 = min(n0 + 3, last);
    const first = matrix * outputWidth;
    const w0 = locate(first + n0, 0);
    const w1 = locate(first + n1, 1);
    const w2 = locate(first + n2, 2);
    const w3 = locate(first + n3, 3);
    let row = from;
    for (; row + 1 < to; row += 2) {
      const x0 = inputRows[row] * inputWidth;
      const x1 = inputRows[row + 1] * inputWidth;
      let s00 = 0;
      let s01 = 0;
      let s02 = 0;
      let s03 = 0;
      let s10 = 0;
      let s11 = 0;
      let s12 = 0;
      let s13 = 0;
      for (let k = 0; k < inputWidth; k++) {
        const a = input[x0 + k];
        const b = input[x1 + k];
        const c0 = weights[w0 + k];
        const c1 = weights[w1 + k];
        const c2 = weights[w2 + k];
        const c3 = weights[w3 + k];
        s00 += a * c0;
        s01 += a * c1;
        s02 += a * c2;
        s03 += a * c3;
        s10 += b * c0;
        s11 += b * c1;
        s12 += b * c2;
        s13 += b * c3;
      }
      const y0 = outputRows[row] * outputWidth;
      const y1 = outputRows[row + 1] * outputWidth;
      output[y0 + n0] = s00;
      output[y0 + n1] = s01;
      output[y0 + n2] = s02;
      output[y0 + n3] = s03;
      output[y1 + n0] = s10;
      output[y1 + n1] = s11;
      output[y1 + n2] = s12;
      output[y1 + n3] = s13;
    }
    if (row < to) {
      const x = inputRows[row] * inputWidth;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      for (let k = 0; k < inputWidth; k++) {
        const a = input[x + k];
        s0 += a * weights[w0 + k];
        s1 += a * weights[w1 + k];
        s2 += a * weights[w2 + k];
        s3 += a * weights[w3 + k];
      }
      const y = outputRows[row] * outputWidth;
      output[y + n0] = s0;
      output[y + n1] = s1;
      output[y + n2] = s2;
      output[y + n3] = s3;
    }
  }
}
