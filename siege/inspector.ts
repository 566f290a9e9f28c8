/** Asks a process of Node for its live heap, by the inspector's protocol: the service needs no code for it. */

/**
 * Collects the garbage of the process and reads what is left, in bytes. Memory behind buffers shows in resident memory: of
 * the headers of HTTP/2, which share it, V8 would count it once for each.
 * @param url Of its inspector, `ws://…`.
 * @returns null when it does not answer in time.
 */
export async function liveHeapBytes(url: string): Promise<number | null> {
  const socket = new WebSocket(url);
  try {
    await eventOf(socket, 'open');
    // Twice: what the first finds unreachable may hold more until its finalizers have run.
    await ask(socket, 1, 'HeapProfiler.collectGarbage');
    await ask(socket, 2, 'HeapProfiler.collectGarbage');
    const usage = (await ask(socket, 3, 'Runtime.getHeapUsage')) as HeapUsage;
    return usage.usedSize;
  } catch {
    return null;
  } finally {
    socket.close();
  }
}

interface HeapUsage {
  readonly usedSize: number;
}

const ANSWER_MS = 20_000;

async function ask(socket: WebSocket, id: number, method: string): Promise<unknown> {
  const answered = eventOf(socket, 'message');
  socket.send(JSON.stringify({ id, method }));
  const { result } = JSON.parse(String((await answered).data)) as { readonly result: unknown };
  return result;
}

function eventOf(socket: WebSocket, name: 'open' | 'message'): Promise<MessageEvent> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} in ${ANSWER_MS} ms`)), ANSWER_MS);
    const settle = (event: Event): void => {
      clearTimeout(timer);
      resolve(event as MessageEvent);
    };
    socket.addEventListener(name, settle, { once: true });
    socket.addEventListener('error', () => reject(new Error('the inspector cannot be reached')), { once: true });
    socket.addEventListener('close', () => reject(new Error('the inspector left')), { once: true });
  });
}
