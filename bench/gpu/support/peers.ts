import { readFileSync } from 'node:fs';

/** A figure of another library on the same machine, as one line of JSON. */
interface PeerFigure {
  figure: string;
  peer: string;
  [field: string]: string | number;
}

/** Figures of other libraries: `ATTENTION_BENCH_PEERS` names a file of JSON lines, measured in the same run. */
const figures: PeerFigure[] = process.env.ATTENTION_BENCH_PEERS
  ? readFileSync(process.env.ATTENTION_BENCH_PEERS, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as PeerFigure)
  : [];

/** What a peer reached in a figure with these fields. */
export function peerFigure(wanted: Record<string, string | number>, field: string): number | undefined {
  const found = figures.find((figure) =>
    Object.entries(wanted).every(([name, value]) => figure[name] === value),
  );
  return found?.[field] as number | undefined;
}
