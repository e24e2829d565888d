import { readFileSync } from 'node:fs';

/** Another library's figure on the same machine, as one line of JSON. */
interface PeerFigure {
  figure: string;
  peer: string;
  [field: string]: string | number;
}

/** Other libraries' figures from the JSON lines file that `ATTENTION_BENCH_PEERS` names, measured in the same run. */
const figures: PeerFigure[] = process.env.ATTENTION_BENCH_PEERS
  ? readFileSync(process.env.ATTENTION_BENCH_PEERS, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as PeerFigure)
  : [];

/** A field of the first figure that has the wanted fields. */
export function peerFigure(wanted: Record<string, string | number>, field: string): number | undefined {
  const found = figures.find((figure) =>
    Object.entries(wanted).every(([name, value]) => figure[name] === value),
  );
  return found?.[field] as number | undefined;
}
