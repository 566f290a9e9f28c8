/** One call of a client that looks into the answer, by gRPC or by JSON over HTTP/1.1. */
import { type Agent, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { fromBinary } from '@bufbuild/protobuf';
import { type Client, Metadata } from '@grpc/grpc-js';
import { AuthService, CheckPermissionResponseSchema } from '../gen/assent/auth/v1/auth_service_pb.ts';
import type { HonestQuestion } from './honest-caller.ts';

/** How a caller asks. */
export interface Asker {
  readonly token: string;
  readonly deadlineMs: number;
}

const PATH = `/${AuthService.typeName}/CheckPermission`;

/** Asks by gRPC. Resolves to null for the right answer, else to the failure. */
export function askByGrpc(
  { token, deadlineMs }: Asker,
  question: HonestQuestion,
  client: Client,
): Promise<string | null> {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const asIs = (bytes: Buffer): Buffer => bytes;
  const body = Buffer.from(question.body, 'base64');
  return new Promise((resolve) => {
    const deadline = Date.now() + deadlineMs;
    client.makeUnaryRequest(PATH, asIs, asIs, body, metadata, { deadline }, (error, bytes) => {
      if (error !== null) resolve(`${error.code} ${error.details}`);
      else if (fromBinary(CheckPermissionResponseSchema, bytes ?? Buffer.alloc(0)).allowed !== question.allowed) {
        resolve('a wrong answer');
      } else resolve(null);
    });
  });
}

/** Asks by JSON. Resolves to null for the right answer, else to the failure. */
export function askByJson(
  { token, deadlineMs }: Asker,
  url: string,
  question: HonestQuestion,
  agent: Agent,
): Promise<string | null> {
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const send = url.startsWith('https:') ? secureRequest : request;
    const sent = send(`${url}${PATH}`, { method: 'POST', agent, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      response.once('error', (error) => resolve(error.message));
      response.once('end', () => {
        if (response.statusCode !== 200) resolve(`HTTP ${response.statusCode} ${text.slice(0, 100)}`);
        else resolve(/"allowed":\s*true/.test(text) === question.allowed ? null : 'a wrong answer');
      });
    });
    const timer = setTimeout(() => {
      resolve('no answer over HTTP/1.1 within the deadline');
      sent.destroy();
    }, deadlineMs);
    sent.once('error', (error) => resolve(error.message));
    sent.once('close', () => clearTimeout(timer));
    sent.end(question.json);
  });
}
