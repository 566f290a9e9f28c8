/** Tokens from files and stdin. They are never arguments: every user of a machine can list those. */
import { createReadStream } from 'node:fs';
import { UsageError } from './errors.ts';

/** More than any token; a file that is longer is another file. */
const MAX_BYTES = 65_536;
const STDIN = '-';

/**
 * Reads the token of a file, without the line's end.
 * @param option The option that named the file, for the error.
 * @param file `-` is stdin.
 * @throws {UsageError} when there is none.
 */
export async function readToken(option: string, file: string): Promise<string> {
  const what = `${option} ${file === STDIN ? '- (stdin)' : file}`;
  if (file === '') throw new UsageError(`${option}: the name of a file is empty`);
  // A token itself, by mistake. It is not repeated: errors end in logs.
  if (/^(?:Bearer )?[\w-]{10,}\.[\w-]{10,}\.[\w-]*$/.test(file)) {
    throw new UsageError(
      `${option} wants the name of a file, or "-" for stdin, and not the token: arguments can be listed`,
    );
  }
  const text = await read(what, file);
  const token = text.trim();
  if (token === '') throw new UsageError(`${what}: there is no token in it`);
  if (Buffer.byteLength(token) > MAX_BYTES) throw new UsageError(`${what}: too long for a token`);
  if (/[^\x21-\x7e ]/.test(token)) throw new UsageError(`${what}: a token is one line of printable ASCII`);
  return token;
}

/** By streams: a read of stdin at once fails where its writer has not written yet. Nothing beyond the bound is read. */
async function read(what: string, file: string): Promise<string> {
  if (file === STDIN && process.stdin.isTTY) process.stderr.write('the token, then Enter and Ctrl-D:\n');
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of file === STDIN ? process.stdin : createReadStream(file)) {
      chunks.push(Buffer.from(chunk));
      bytes += chunk.length;
      if (bytes > MAX_BYTES) break;
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'error';
    throw new UsageError(`${what}: ${code === 'ENOENT' ? 'no such file' : `cannot be read (${code})`}`);
  }
  return Buffer.concat(chunks).toString('utf8');
}
