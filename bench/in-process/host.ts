/** Runs one subject. Takes orders by IPC: first the input, then how many seconds to run. Its argument is the module. */
import type { CreateSubject, Subject, SubjectInput, SubjectMissing, SubjectResult } from './subject.ts';

/** Between two looks at the clock. */
const CHUNK = 16;
const TIMED_CALLS = 2_000;

const once = async (subject: Subject): Promise<boolean> => {
  const answer = subject.run();
  return answer instanceof Promise ? await answer : answer;
};

const measure = async (subject: Subject, seconds: number): Promise<SubjectResult> => {
  let calls = 0;
  let errors = 0;
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  const end = began + seconds * 1_000;
  while (performance.now() < end) {
    for (let index = 0; index < CHUNK; index += 1) {
      const answer = subject.run();
      if (!(answer instanceof Promise ? await answer : answer)) errors += 1;
    }
    calls += CHUNK;
  }
  const elapsed = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const latencies: number[] = [];
  const timedEnd = performance.now() + (seconds * 1_000) / 2;
  while (latencies.length < TIMED_CALLS && performance.now() < timedEnd) {
    const start = performance.now();
    await once(subject);
    latencies.push((performance.now() - start) * 1_000);
  }
  return { rps: calls / elapsed, cpuMicros: (user + system) / calls, errors, latencies };
};

let subject: Subject | null = null;

const start = async (input: SubjectInput): Promise<SubjectMissing | { readonly ready: boolean }> => {
  const module = (await import(new URL(`./${process.argv[2]}.ts`, import.meta.url).href)) as {
    readonly createSubject: CreateSubject;
  };
  subject = await module.createSubject(input);
  return subject === null ? { missing: true } : { ready: await once(subject) };
};

process.on('message', (message: { readonly input: SubjectInput } | { readonly seconds: number }) => {
  const answer =
    'input' in message
      ? start(message.input)
      : subject === null
        ? Promise.reject(new Error('no subject'))
        : measure(subject, message.seconds);
  void answer.then((result) => process.send?.(result));
});
process.on('disconnect', () => process.exit());
