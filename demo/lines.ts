/** Lines to paste into another terminal while the demo stays up. */
import type { ServingAssent } from '../tools/assent/assent-process.ts';
import { type Application, PASSWORD } from './application/server.ts';
import { print } from './print.ts';
import type { Scene } from './scene.ts';

const SERVICE = 'assent.auth.v1.AuthService';

export interface LinesOptions {
  readonly assent: ServingAssent;
  readonly application: Application;
  readonly scene: Scene;
  /** Olivia's JWT. */
  readonly token: string;
}

/** The common variables of the shell commands: the commands stay short, and show the parts to replace for another user. */
const variablesOf = ({ scene, token }: LinesOptions): string =>
  Object.entries({
    TOKEN: token,
    ORG: scene.organizationId,
    SAM: scene.sam.userId,
    ROOT_COOKIE: scene.root.cookie(),
    OLIVIA_COOKIE: scene.olivia.cookie(),
  })
    .map(([name, value]) => `${name}='${value}'`)
    .join(' ');

/** A body of JSON in double quotes, in which the shell puts in its variables. */
const bodyOf = (body: unknown): string => `"${JSON.stringify(body).replaceAll('"', '\\"')}"`;

/** What each line does, and the line. */
const linesToPaste = ({ assent, application, scene }: LinesOptions): readonly (readonly [string, string])[] => {
  const aboutSam = bodyOf({ userId: '$SAM', organizationId: '$ORG', permission: 'leave:approve' });
  const byToken = bodyOf({ token: '$TOKEN', organizationId: '$ORG', permission: 'leave:approve' });
  const json = "-H 'content-type: application/json'";
  const api = (cookie: string, path: string, body: unknown): string =>
    `curl -s ${json} -H 'origin: ${application.url}' -H "cookie: ${cookie}" -d ${bodyOf(body)} ${application.url}/api/auth${path}`;
  const buf = 'npx @bufbuild/buf curl --protocol grpc --http2-prior-knowledge --emit-defaults';
  const grpcurl = 'grpcurl -plaintext -emit-defaults';
  return [
    [
      'may Sam approve leave at Acme? (curl, JSON)',
      `curl -s ${json} -d ${aboutSam} ${assent.httpUrl}/${SERVICE}/CheckPermission`,
    ],
    ['may Olivia, by her token? (buf, gRPC)', `${buf} -d ${byToken} ${assent.grpcUrl}/${SERVICE}/CheckPermission`],
    ['may Sam? (grpcurl)', `${grpcurl} -d ${aboutSam} ${assent.grpcAddress} ${SERVICE}/CheckPermission`],
    [
      'who is Olivia? (grpcurl)',
      `${grpcurl} -d ${bodyOf({ token: '$TOKEN' })} ${assent.grpcAddress} ${SERVICE}/VerifyToken`,
    ],
    ['what can be asked? (grpcurl)', `grpcurl -plaintext ${assent.grpcAddress} describe ${SERVICE}`],
    ["lift Sam's ban, as Root, and ask again", api('$ROOT_COOKIE', '/admin/unban-user', { userId: '$SAM' })],
    [
      'make Sam a viewer, as Olivia, and ask again',
      api('$OLIVIA_COOKIE', '/organization/update-member-role', {
        memberId: scene.sam.memberId,
        organizationId: '$ORG',
        role: 'viewer',
      }),
    ],
    ['what was counted so far', `curl -s ${assent.httpUrl}/metrics`],
  ];
};

/** Prints them, each under what it does. */
export const printLines = (options: LinesOptions, lifetime: string): void => {
  const { application, scene } = options;
  print.say();
  print.title(`Lines to paste, this one first; the ids are live, the token for ${lifetime}`);
  print.say();
  print.say(`export ${variablesOf(options)}`);
  for (const [what, line] of linesToPaste(options)) {
    print.say();
    print.note(`# ${what}`);
    print.say(line);
  }
  print.say();
  print.note(
    `Better Auth is at ${application.url}/api/auth; ${scene.olivia.email}, ${scene.sam.email} and ${scene.root.email} have the password "${PASSWORD}".`,
  );
};
