/** Lines to paste into another terminal while the demo stays up. */
import type { ServingAssent } from '../test/support/assent-process.ts';
import { type Monolith, PASSWORD } from './monolith/server.ts';
import { print } from './print.ts';
import type { Scene } from './scene.ts';

const SERVICE = 'assent.auth.v1.AuthService';

export interface LinesOptions {
  readonly assent: ServingAssent;
  readonly monolith: Monolith;
  readonly scene: Scene;
  /** Olivia's JWT. */
  readonly token: string;
}

/** What each line does, and the line. JSON has no single quote in it here, so that single quotes hold it. */
const linesToPaste = ({ assent, monolith, scene, token }: LinesOptions): readonly (readonly [string, string])[] => {
  const { sam, olivia, root, organizationId } = scene;
  const aboutSam = JSON.stringify({ userId: sam.userId, organizationId, permission: 'leave:approve' });
  const aboutOlivia = JSON.stringify({ token, permission: 'leave:approve' });
  const json = "-H 'content-type: application/json'";
  const api = (session: { cookie(): string }, path: string, body: unknown): string =>
    `curl -s ${json} -H 'origin: ${monolith.url}' -H 'cookie: ${session.cookie()}' -d '${JSON.stringify(body)}' ${monolith.url}/api/auth${path}`;
  const buf = 'npx buf curl --protocol grpc --http2-prior-knowledge';
  return [
    [
      'may Sam approve leave at Acme? (curl, JSON)',
      `curl -s ${json} -d '${aboutSam}' ${assent.httpUrl}/${SERVICE}/CheckPermission`,
    ],
    [
      'may Olivia, by her token? (buf, gRPC)',
      `${buf} -d '${aboutOlivia}' ${assent.grpcUrl}/${SERVICE}/CheckPermission`,
    ],
    [
      'who is Olivia? (grpcurl)',
      `grpcurl -plaintext -d '${JSON.stringify({ token })}' ${assent.grpcAddress} ${SERVICE}/VerifyToken`,
    ],
    ['what can be asked? (grpcurl)', `grpcurl -plaintext ${assent.grpcAddress} describe ${SERVICE}`],
    ["lift Sam's ban, as Root, and ask again", api(root, '/admin/unban-user', { userId: sam.userId })],
    [
      'make Sam a viewer, as Olivia, and ask again',
      api(olivia, '/organization/update-member-role', { memberId: sam.memberId, organizationId, role: 'viewer' }),
    ],
    ['what was counted so far', `curl -s ${assent.httpUrl}/metrics`],
  ];
};

/** Prints them, each under what it does. */
export const printLines = (options: LinesOptions, lifetime: string): void => {
  const { monolith, scene } = options;
  print.say();
  print.title(`Lines to paste; the ids are live, the token for ${lifetime}`);
  for (const [what, line] of linesToPaste(options)) {
    print.say();
    print.note(`# ${what}`);
    print.say(line);
  }
  print.say();
  print.note(
    `Better Auth is at ${monolith.url}/api/auth; ${scene.olivia.email}, ${scene.sam.email} and ${scene.root.email} have the password "${PASSWORD}".`,
  );
};
