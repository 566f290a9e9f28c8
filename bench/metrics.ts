/** What Assent counted itself, read from its /metrics. */

export interface Counts {
  /** Calls whose code was neither OK nor CANCELLED. */
  readonly failed: number;
  readonly succeeded: number;
  /** Decisions by where their facts came from: `memory`, `redis`, `database`, `token`. */
  readonly bySource: ReadonlyMap<string, number>;
}

const LINE = /^(\w+)\{(.*)\} (\S+)$/;

/** Reads Prometheus' text. */
const parseMetrics = (text: string): Counts => {
  let failed = 0;
  let succeeded = 0;
  const bySource = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = LINE.exec(line) ?? [];
    if (name === 'assent_requests_total') {
      if (labels.includes('code="OK"')) succeeded += Number(value);
      // A load that ends by time leaves calls behind, of the warm-up too; those of a measurement the load counts itself.
      else if (!labels.includes('code="CANCELLED"')) failed += Number(value);
    } else if (name === 'assent_decisions_total') {
      const source = /source="(\w+)"/.exec(labels)?.[1] ?? '';
      bySource.set(source, (bySource.get(source) ?? 0) + Number(value));
    }
  }
  return { failed, succeeded, bySource };
};

/** Scrapes the metrics of the HTTP server. */
export const scrape = async (httpUrl: string): Promise<Counts> =>
  parseMetrics(await (await fetch(`${httpUrl}/metrics`)).text());

/** The share of the decisions between two scrapes whose facts came from `source`; 1 when nothing was decided. */
export const shareFrom = (source: string, before: Counts, after: Counts): number => {
  let all = 0;
  for (const [name, count] of after.bySource) all += count - (before.bySource.get(name) ?? 0);
  const wanted = (after.bySource.get(source) ?? 0) - (before.bySource.get(source) ?? 0);
  return all === 0 ? 1 : wanted / all;
};
